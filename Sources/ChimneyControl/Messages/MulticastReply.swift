/// Which senders to a group are wanted.
public struct GroupFilterReport: Codable, Hashable, Sendable {
    /// What the list is.
    public enum Mode: String, Codable, Hashable, Sendable, CaseIterable {
        /// The sources that are wanted.
        case include
        /// The sources that are not.
        case exclude
    }

    /// What the list is.
    public var mode: Mode
    /// The first of the list's sources, smallest first; ``sourcesShownMax`` at most.
    public var sources: [String]
    /// How many sources the list has.
    public var sourceCount: Int

    /// The most sources that are named; the others are counted.
    public static let sourcesShownMax = 1_024

    /// A filter of which so many sources are named.
    public init(_ mode: Mode, _ sources: [String], sourceCount: Int? = nil) {
        self.mode = mode
        self.sources = sources
        self.sourceCount = sourceCount ?? sources.count
    }
}

/// How an interface receives groups and tells of them.
public struct MulticastReport: Codable, Hashable, Sendable {
    /// The interface's name.
    public var interface: String
    /// How it tells routers of IPv4 groups.
    public var igmp: ReportingReport?
    /// How it tells routers of IPv6 groups.
    public var mld: ReportingReport?
    /// The groups of the link that it receives.
    public var linkGroups: [LinkGroupReport]
    /// Whether the device lets all groups in.
    public var isAllMulticast: Bool
    /// Whether the device lets all frames in.
    public var isPromiscuous: Bool
    /// The groups, smallest first.
    public var groups: [GroupReport]

    /// An interface that is in no group.
    public init(interface: String) {
        self.interface = interface
        linkGroups = []
        isAllMulticast = false
        isPromiscuous = false
        groups = []
    }
}

/// A group of the link.
public struct LinkGroupReport: Codable, Hashable, Sendable {
    /// Its link address.
    public var mac: String
    /// How often it was joined.
    public var memberCount: Int

    /// A group with members.
    public init(mac: String, memberCount: Int) {
        self.mac = mac
        self.memberCount = memberCount
    }
}

/// How an interface speaks IGMP or MLD.
public struct ReportingReport: Codable, Hashable, Sendable {
    /// The version spoken now, as the protocol counts.
    public var version: Int
    /// The version that was pinned.
    public var pinnedVersion: Int?
    /// How often each change is told.
    public var robustness: Int
    /// How often it was said to be told, whatever a querier says.
    public var pinnedRobustness: Int?
    /// Whether lists of unwanted sources stay out of reports.
    public var isLightweight: Bool
    /// The rules that queries must fulfil.
    public var rules: [String]
    /// Whether groups of 224.0.0.0/24 are reported; `nil` for MLD.
    public var reportsLinkLocalGroups: Bool?
    /// How often the querier asks, in seconds.
    public var queryIntervalSeconds: Double
    /// Who asked last.
    public var querier: String?
    /// How long ago it asked, in seconds.
    public var queriedSecondsAgo: Double?
    /// For how many seconds queriers of older versions count as present, by version as the protocol counts.
    public var olderQueriers: [OlderQuerier]
    /// In how many seconds a query about all groups is answered.
    public var answerDueSeconds: Double?
    /// What happened, with the messages that came to nothing by reason.
    public var counters: [StatisticsReport.Counter]
    /// The messages that came to nothing, without the reasons that never struck.
    public var drops: [StatisticsReport.Counter]

    /// A querier of an older version.
    public struct OlderQuerier: Codable, Hashable, Sendable {
        /// The version, as the protocol counts.
        public var version: Int
        /// For how many seconds it still counts as present.
        public var seconds: Double

        /// A querier that counts as present for so long.
        public init(version: Int, seconds: Double) {
            self.version = version
            self.seconds = seconds
        }
    }

    /// An interface that has heard no querier.
    public init(version: Int, robustness: Int, queryIntervalSeconds: Double) {
        self.version = version
        self.robustness = robustness
        self.queryIntervalSeconds = queryIntervalSeconds
        isLightweight = false
        rules = []
        olderQueriers = []
        counters = []
        drops = []
    }
}

/// A group of an interface.
public struct GroupReport: Codable, Hashable, Sendable {
    /// The group.
    public var group: String
    /// What the interface receives of it.
    public var filter: GroupFilterReport
    /// Sockets that name the sources they want.
    public var includingSockets: Int
    /// Sockets that want all sources, or all but some.
    public var excludingSockets: Int
    /// How often the last change has still to be told.
    public var repeatsLeft: Int
    /// How many sources wait to be told of.
    public var pendingSources: Int
    /// In how many seconds the change is told next.
    public var changeDueSeconds: Double?
    /// In how many seconds a query about the group is answered.
    public var answerDueSeconds: Double?
    /// How many sources that query is about; none when it is about the whole group.
    public var askedSources: Int
    /// Whether we told routers last that the group has members, which older versions count.
    public var isLastReporter: Bool
    /// Whether routers are told of the group.
    public var isReported: Bool

    /// A group of which everything has been told.
    public init(group: String, filter: GroupFilterReport) {
        self.group = group
        self.filter = filter
        includingSockets = 0
        excludingSockets = 0
        repeatsLeft = 0
        pendingSources = 0
        askedSources = 0
        isLastReporter = false
        isReported = false
    }
}

/// How much the sockets of a stack may join, for each family on its own.
public struct MembershipLimitsReport: Codable, Hashable, Sendable {
    /// Groups of one socket.
    public var membershipsPerSocketMax: Int
    /// Groups of all sockets together.
    public var membershipsMax: Int
    /// Sources of one filter.
    public var sourcesPerFilterMax: Int
    /// Sources of all filters together.
    public var sourcesMax: Int

    /// These bounds.
    public init(membershipsPerSocketMax: Int, membershipsMax: Int, sourcesPerFilterMax: Int, sourcesMax: Int) {
        self.membershipsPerSocketMax = membershipsPerSocketMax
        self.membershipsMax = membershipsMax
        self.sourcesPerFilterMax = sourcesPerFilterMax
        self.sourcesMax = sourcesMax
    }
}

/// What became of one command of `chimney mtest`.
public struct TestAnswer: Codable, Hashable, Sendable {
    /// When it was carried out, in seconds of the machine's monotonic clock.
    public var seconds: Double
    /// Why it was not, in words.
    public var error: String?
    /// The same as the calls of RFC 3678 name it, such as `EADDRINUSE`.
    public var errno: String?
    /// How many groups of a row were done; `nil` for a command about one.
    public var doneCount: Int?
    /// The filter that was asked for.
    public var filter: GroupFilterReport?

    /// A command that was carried out.
    public init(seconds: Double) { self.seconds = seconds }
}

/// How many datagrams of a source to a group a client's sockets received.
public struct FlowCount: Codable, Hashable, Sendable {
    /// The source.
    public var source: String
    /// The group.
    public var group: String
    /// How many.
    public var count: UInt64

    /// A count.
    public init(source: String, group: String, count: UInt64) {
        self.source = source
        self.group = group
        self.count = count
    }
}

/// The datagrams of a source to a group that came in by a link.
public struct FlowSight: Codable, Hashable, Sendable {
    /// The source.
    public var source: String
    /// The group.
    public var group: String
    /// How many.
    public var count: UInt64
    /// When the first came, in seconds of the machine's monotonic clock.
    public var first: Double
    /// When the last came.
    public var last: Double
    /// The TTL or hop limit of the last.
    public var timeToLive: Int

    /// One datagram.
    public init(source: String, group: String, at seconds: Double, timeToLive: Int) {
        self.source = source
        self.group = group
        count = 1
        first = seconds
        last = seconds
        self.timeToLive = timeToLive
    }
}

/// A message about membership that passed a link.
public struct MembershipSight: Codable, Hashable, Sendable {
    /// A record of a report.
    public struct Record: Codable, Hashable, Sendable {
        /// `IS_IN`, `IS_EX`, `TO_IN`, `TO_EX`, `ALLOW` or `BLOCK`.
        public var kind: String
        /// The group.
        public var group: String
        /// The sources.
        public var sources: [String]

        /// A record.
        public init(kind: String, group: String, sources: [String]) {
            self.kind = kind
            self.group = group
            self.sources = sources
        }
    }

    /// What a query says beyond its group.
    public struct Query: Codable, Hashable, Sendable {
        /// The version, as the protocol counts.
        public var version: Int
        /// The longest wait for an answer as it stands in the message: a code, of MLD milliseconds.
        public var responseCode: Int
        /// Whether routers leave their timers alone; `nil` for older versions, as the rest.
        public var suppresses: Bool?
        /// The querier's robustness.
        public var robustness: Int?
        /// How often it asks, as a code.
        public var intervalCode: Int?
        /// The sources asked about.
        public var sources: [String]?

        /// An older query.
        public init(version: Int, responseCode: Int) {
            self.version = version
            self.responseCode = responseCode
        }
    }

    /// When it passed, in seconds of the machine's monotonic clock.
    public var seconds: Double
    /// Whether it was ours.
    public var isOutbound: Bool
    /// Its source.
    public var source: String
    /// Its destination.
    public var destination: String
    /// `query`, `v1report`, `v2report`, `leave` or `v3report`; of MLD `mldquery`, `mld1report`, `mld1done` or `mld2report`.
    public var kind: String
    /// The group of a query, an older report or a leave.
    public var group: String?
    /// What a query says.
    public var query: Query?
    /// The records of a report.
    public var records: [Record]?

    /// A message of which nothing more is known.
    public init(seconds: Double, isOutbound: Bool, source: String, destination: String, kind: String) {
        self.seconds = seconds
        self.isOutbound = isOutbound
        self.source = source
        self.destination = destination
        self.kind = kind
    }
}

/// Something that happened to a stack.
public struct EventReport: Codable, Hashable, Sendable {
    /// When, in seconds of the machine's monotonic clock.
    public var seconds: Double
    /// The stack's name.
    public var stack: String
    /// The interface's name.
    public var interface: String
    /// What, such as `deviceDown` or `joined`.
    public var kind: String
    /// The protocol or the group that it is about.
    public var subject: String?
    /// It in words.
    public var text: String

    /// An event.
    public init(
        seconds: Double, stack: String, interface: String, kind: String, subject: String? = nil, text: String
    ) {
        self.seconds = seconds
        self.stack = stack
        self.interface = interface
        self.kind = kind
        self.subject = subject
        self.text = text
    }
}
