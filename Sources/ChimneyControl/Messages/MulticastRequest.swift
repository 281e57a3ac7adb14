/// One call about the membership of a socket, of an interface, or of a row of groups.
///
/// A group may stand for a row of them: `239.1.0.0+16` begins at 239.1.0.0.
public struct MembershipCall: Codable, Hashable, Sendable {
    /// The calls there are (RFC 3678 §3).
    public enum Verb: String, Codable, Hashable, Sendable, CaseIterable {
        /// Receive a group, or one source of it.
        case join
        /// Receive the group no more, or one source of it.
        case leave
        /// Receive a group without this source.
        case block
        /// Receive a source that was blocked.
        case unblock
        /// Receive exactly these sources, or all but these.
        case filter
    }

    /// Which call.
    public var verb: Verb
    /// The group, or a row of groups.
    public var group: String
    /// The source, where the call names one.
    public var source: String?
    /// What the list of a filter is.
    public var mode: GroupFilterReport.Mode
    /// The list of a filter; each entry may be a row of sources.
    public var sources: [String]

    /// A call about a group and at most one source.
    public init(_ verb: Verb, _ group: String, source: String? = nil) {
        self.verb = verb
        self.group = group
        self.source = source
        mode = .include
        sources = []
    }

    /// A whole filter.
    public init(filter group: String, _ mode: GroupFilterReport.Mode, _ sources: [String]) {
        self.init(.filter, group)
        self.mode = mode
        self.sources = sources
    }
}

/// A change of how an interface receives groups and tells of them.
public enum MulticastChange: Codable, Hashable, Sendable {
    /// A membership of the interface itself, which no socket holds.
    case member(call: MembershipCall)
    /// How routers are told of the groups of a family.
    case reporting(family: AddressFamily, setting: ReportingSetting)
    /// A group of the link itself.
    case link(mac: String, isJoined: Bool)
    /// All groups of the link; counted, so that each `off` takes back one `on`.
    case allMulticast(isOn: Bool)
    /// All frames of the link; counted as well.
    case promiscuous(isOn: Bool)
}

/// One setting of how an interface tells routers of its groups.
public enum ReportingSetting: Codable, Hashable, Sendable {
    /// The version to speak, as the protocol counts; `nil` follows the queriers.
    case version(number: Int?)
    /// How often each change is told; `nil` follows the querier.
    case robustness(count: Int?)
    /// Whether lists of unwanted sources stay out of reports (RFC 5790).
    case lightweight(isOn: Bool)
    /// All rules for queries at once, and for how long an older querier counts: as the standards say, or as Linux does.
    case queries(isStandard: Bool)
    /// One rule for queries.
    case rule(rule: QueryRule, isOn: Bool)
    /// Whether groups of 224.0.0.0/24 are reported.
    case linkLocalReports(isOn: Bool)

    /// What a query must fulfil to be believed.
    public enum QueryRule: String, Codable, Hashable, Sendable, CaseIterable {
        /// It carries a router alert.
        case routerAlert = "router-alert"
        /// Its TTL or hop limit is 1.
        case hopLimit = "hop-limit"
        /// Its source is on the link.
        case linkSource = "link-source"
        /// One about all groups goes to the group of all hosts.
        case generalDestination = "general-destination"
    }
}

/// A bound of what the sockets of a stack may join, for each family on its own.
public enum MembershipLimit: String, Codable, Hashable, Sendable, CaseIterable {
    /// Groups of one socket.
    case membershipsPerSocket = "memberships-per-socket"
    /// Groups of all sockets together.
    case memberships
    /// Sources of one filter.
    case sourcesPerFilter = "sources-per-filter"
    /// Sources of all filters together.
    case sources
}

/// What `chimney mtest` wants done with the sockets that its connection holds.
///
/// They are closed when the connection ends, so that their groups are left.
public enum TestCommand: Codable, Hashable, Sendable {
    /// Chooses port and interface for what follows; the first request. Only one that watches can be asked what was on the link.
    case begin(port: Int, interface: String?, watches: Bool)
    /// Opens a socket on a port, by default that of ``begin(port:interface:watches:)``.
    case open(name: String, port: Int?)
    /// Closes a socket.
    case close(name: String)
    /// A call for a socket, which is opened where there is none of the name; `nil` is the group's own.
    case member(call: MembershipCall, name: String?)
    /// The filter of a group.
    case filter(group: String, name: String?)
    /// Datagrams to send while other requests are answered.
    case send(request: TestSendRequest)
    /// How many datagrams came, by source and group.
    case count
    /// Forgets what was counted and seen.
    case reset
    /// What time it is.
    case now
    /// The datagrams to groups that were on the link, delivered or not.
    case wire
    /// The membership messages that were on the link since a time.
    case log(since: Double)
}

/// Datagrams to send to a group.
public struct TestSendRequest: Codable, Hashable, Sendable {
    /// The group, or a row of groups that take turns.
    public var group: String
    /// How many datagrams.
    public var count: Int
    /// How many a second.
    public var packetsPerSecond: Double
    /// Their TTL or hop limit.
    public var timeToLive: Int
    /// The bytes of each.
    public var byteCount: Int
    /// The port to send to; `nil` for that of the connection.
    public var port: Int?

    /// The most datagrams of one request; more are refused.
    public static let countMax = 1_000_000_000
    /// The most datagrams a second; more are refused.
    public static let packetsPerSecondMax = 1_000_000.0
    /// The most bytes of a datagram; more are refused.
    public static let byteCountMax = 65_507

    /// Datagrams of 64 bytes with a TTL of 8, a hundred a second.
    public init(
        group: String, count: Int, packetsPerSecond: Double = 100, timeToLive: Int = 8, byteCount: Int = 64,
        port: Int? = nil
    ) {
        self.group = group
        self.count = count
        self.packetsPerSecond = packetsPerSecond
        self.timeToLive = timeToLive
        self.byteCount = byteCount
        self.port = port
    }
}
