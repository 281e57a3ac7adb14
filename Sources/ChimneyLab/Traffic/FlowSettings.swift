public import ChimneyPrimitives

/// A stream of UDP datagrams from one node to another.
public struct FlowSettings: Hashable, Sendable {
    /// The name in reports, unique among flows and pings.
    public var name: String
    /// The node that sends.
    public var from: String
    /// The node that receives, or an address, behind which `%` names the sender's interface where it needs a zone.
    ///
    /// A group is received by those that ``Lab/receive(_:)`` put into it.
    public var to: String
    /// Of which family an address of the receiving node is taken; nil for its first of a family that both nodes have.
    public var family: LabFamily?
    /// The UDP port that it is sent to.
    public var port: UInt16
    /// Bytes of payload, drawn for every datagram; at least ``FlowSettings/byteCountMin``.
    public var byteCount: ClosedRange<Int>
    /// Datagrams a second, on average.
    public var packetsPerSecond: Double
    /// How many datagrams are sent; nil for as many as the time allows.
    public var count: Int?
    /// When the first is sent.
    public var start: TimeSpan
    /// When sending ends; nil for never.
    public var stop: TimeSpan?
    /// How the datagrams are spread over time.
    public var pattern: Pattern
    /// Who takes the datagrams.
    public var mode: Mode
    /// How far datagrams to a group go; 1 stays on the link, 0 in the node.
    public var timeToLive: UInt8 = 1
    /// The interface that datagrams to a group leave by; nil for the node's first that speaks the family.
    public var interface: String?

    /// How datagrams are spread over time.
    public enum Pattern: Hashable, Sendable {
        /// At equal distances.
        case constant
        /// At distances drawn from an exponential distribution, as of many independent senders.
        case poisson
        /// So many at once, then nothing for as long as the rate demands.
        case burst(Int)
    }

    /// Who takes the datagrams of a flow.
    public enum Mode: String, CaseIterable, Hashable, Sendable {
        /// A receiver of the lab, which notes when each arrived: delays are of one way.
        case oneWay = "one-way"
        /// An echo service, and the sender notes when each came back: delays are of both ways.
        case echo
    }

    /// The bytes that identify a datagram and its time; a payload has at least these.
    public static var byteCountMin: Int { 24 }

    /// A flow of 100 datagrams a second of 256 bytes, at equal distances, one way.
    public init(
        name: String? = nil, from: String, to: String, family: LabFamily? = nil, port: UInt16 = 5_000,
        byteCount: ClosedRange<Int> = 256...256,
        packetsPerSecond: Double = 100, count: Int? = nil, start: TimeSpan = .zero, stop: TimeSpan? = nil,
        pattern: Pattern = .constant, mode: Mode = .oneWay
    ) {
        self.name = name ?? "\(from)-\(to)-\(port)"
        self.from = from
        self.to = to
        self.family = family
        self.port = port
        self.byteCount = byteCount
        self.packetsPerSecond = packetsPerSecond
        self.count = count
        self.start = start
        self.stop = stop
        self.pattern = pattern
        self.mode = mode
    }
}
