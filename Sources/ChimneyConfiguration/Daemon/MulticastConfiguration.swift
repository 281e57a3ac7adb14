public import ChimneyPrimitives

/// How much the sockets of a stack may join, for each address family on its own; nil for the stack's default.
public struct MembershipBounds: Hashable, Sendable {
    /// The most groups one socket is in, an interface each; at the bound joining is refused.
    public var membershipsPerSocketMax: Int?
    /// The most groups all sockets are in together; at the bound joining is refused.
    public var membershipsMax: Int?
    /// The most sources in one filter; a longer list is refused.
    public var sourcesPerFilterMax: Int?
    /// The most sources in all filters together; at the bound more are refused.
    public var sourcesMax: Int?

    /// The stack's own bounds.
    public init() {}
}

/// How an interface tells routers of its groups, over IGMP or MLD.
public struct ReportingConfiguration: Hashable, Sendable {
    /// The version to speak whatever queriers speak, 1 to 3 of IGMP and 1 to 2 of MLD; nil follows the queriers.
    public var version: Int?
    /// How often each change is told whatever a querier says; nil follows the querier.
    public var robustness: Int?
    /// Whether lists of sources that are not wanted stay out of reports (RFC 5790).
    public var isLightweight = false
    /// Which queries are believed.
    public var queries = Queries.standard
    /// Whether groups of 224.0.0.0/24 are reported; of IGMP only.
    public var reportsLinkLocalGroups = true

    /// Which queries an interface believes.
    public enum Queries: String, CaseIterable, Hashable, Sendable {
        /// Those that RFC 9776 and RFC 9777 call valid.
        case standard
        /// Those of any hop limit, with or without a router alert, which Linux believes over IGMP; and an older querier is
        /// present for as long as Linux counts.
        case kernel
    }

    /// What the standards say.
    public init() {}
}

/// A group that an interface is in from the start.
public struct GroupConfiguration: Hashable, Sendable {
    /// The group.
    public var group: IPAddress
    /// The sources that are wanted; nil for any.
    public var sources: [IPAddress]?
    /// The sources that are not wanted.
    public var exceptions: [IPAddress] = []

    /// The most groups of one interface in a file; a longer list is refused.
    public static var groupsMax: Int { 4_096 }
    /// The most sources of one group in a file; a longer list is refused.
    public static var sourcesMax: Int { 1_024 }

    /// A group with all its sources.
    public init(group: IPAddress) { self.group = group }
}

extension MembershipBounds {
    init(reading cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields(["memberships_per_socket", "memberships", "sources_per_filter", "sources"])
        self.init()
        // What a bound may be is what the tables of memberships can number.
        let range = 0...16_777_216
        membershipsPerSocketMax = try fields["memberships_per_socket"]?.integer(in: range)
        membershipsMax = try fields["memberships"]?.integer(in: range)
        sourcesPerFilterMax = try fields["sources_per_filter"]?.integer(in: range)
        sourcesMax = try fields["sources"]?.integer(in: range)
    }
}

extension ReportingConfiguration {
    /// The settings of a protocol whose last version is given, and which alone may have a few keys more.
    init(reading cursor: Cursor, versionMax: Int, further: [String] = []) throws(ConfigurationError) {
        let fields = try cursor.fields(["version", "robustness", "lightweight", "queries"] + further)
        self.init()
        version = try fields["version"]?.numberOrAuto(in: 1...versionMax)
        robustness = try fields["robustness"]?.numberOrAuto(in: 1...7)
        isLightweight = try fields["lightweight"]?.flag() ?? false
        queries = try fields["queries"]?.choice() ?? .standard
        reportsLinkLocalGroups = try fields["link_local_groups"]?.flag() ?? true
        if let place = fields["lightweight"], isLightweight, let version, version < versionMax {
            throw place.failure(.conflict("version \(version) has no lists of sources that could be left out"))
        }
    }
}

extension GroupConfiguration {
    /// A group alone, or a mapping with the sources that are wanted or not.
    init(reading cursor: Cursor) throws(ConfigurationError) {
        guard cursor.isMapping else {
            self.init(group: try cursor.groupAddress())
            return
        }
        let fields = try cursor.fields(["group", "sources", "except"])
        self.init(group: try fields.required("group").groupAddress())
        if let place = fields["sources"] {
            let list = try Self.sources(at: place, of: group)
            guard !list.isEmpty else { throw place.mismatch("at least one source") }
            sources = list
        }
        guard let place = fields["except"] else { return }
        guard sources == nil else {
            throw place.failure(.conflict("a group has \"sources\" or \"except\", but not both"))
        }
        exceptions = try Self.sources(at: place, of: group)
    }

    private static func sources(
        at place: Cursor, of group: IPAddress
    ) throws(ConfigurationError) -> [IPAddress] {
        var names = NameRegister("source")
        var sources: [IPAddress] = []
        for element in try place.elements(max: sourcesMax) {
            let source = try element.scopedAddress().address
            guard source.isValidSource, !source.isMulticast else { throw element.mismatch("an address that sends") }
            guard source.isIPv4 == group.isIPv4 else {
                throw element.failure(.conflict("\(source) and \(group) are of different families"))
            }
            try names.add("\(source)", at: element)
            sources.append(source)
        }
        return sources
    }
}

extension InterfaceConfiguration {
    /// The groups of an interface, each of which is named once.
    static func groups(
        in fields: Fields, withIPv6: Bool
    ) throws(ConfigurationError) -> [GroupConfiguration] {
        var names = NameRegister("group")
        var groups: [GroupConfiguration] = []
        for element in try fields.elements("groups", max: GroupConfiguration.groupsMax) {
            let group = try GroupConfiguration(reading: element)
            guard withIPv6 || group.group.isIPv4 else {
                throw element.failure(
                    .conflict("an interface that does not speak IPv6 cannot be in \(group.group)"))
            }
            try names.add("\(group.group)", at: element)
            groups.append(group)
        }
        return groups
    }
}

extension Cursor {
    /// The value as a group of either family.
    fileprivate func groupAddress() throws(ConfigurationError) -> IPAddress {
        let expected = "a group such as 239.1.2.3 or ff15::1"
        guard let address = IPAddress(try text(expected)), address.isMulticast else { throw mismatch(expected) }
        return address
    }

    /// The value as a number within bounds, or nil for `auto`.
    fileprivate func numberOrAuto(in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
        if case .scalar("auto", false) = node.content { return nil }
        guard let number = try? integer(in: range) else {
            throw mismatch("a number from \(range.lowerBound) to \(range.upperBound), or auto")
        }
        return number
    }
}
