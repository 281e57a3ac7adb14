public import ChimneyPrimitives
public import ChimneyTCP

/// Bytes that one node sends to another over a TCP connection of its own.
public struct StreamSettings: Hashable, Sendable {
    /// The name in reports, unique among flows, streams and pings.
    public var name: String
    /// The node that connects and sends.
    public var from: String
    /// The node that receives, or an address, behind which `%` names the sender's interface where it needs a zone.
    public var to: String
    /// Of which family an address of the receiving node is taken; nil for its first of a family that both nodes have.
    public var family: LabFamily?
    /// The port it connects to.
    public var port: UInt16
    /// How many bytes are sent; nil for as many as the time allows.
    public var byteCount: UInt64?
    /// When the connection is opened.
    public var start: TimeSpan
    /// For how long it sends; nil for as long as there is something.
    public var duration: TimeSpan?
    /// Who takes the bytes.
    public var mode: Mode
    /// How the connection behaves, at both ends.
    public var tcp: TCPSettings
    /// How long the receiver leaves what arrived unread, so that windows close.
    public var readDelay: TimeSpan
    /// How often windows and round trips are noted.
    public var sampleInterval: TimeSpan

    /// Who takes the bytes of a stream.
    public enum Mode: String, CaseIterable, Hashable, Sendable {
        /// A sink, which compares them with what was sent.
        case oneWay = "one-way"
        /// An echo service (RFC 862), and the sender compares what comes back too.
        case echo
    }

    /// A stream of as many bytes as the time allows, from the beginning on.
    public init(
        name: String? = nil, from: String, to: String, family: LabFamily? = nil, port: UInt16 = 5_001,
        byteCount: UInt64? = nil, start: TimeSpan = .zero, duration: TimeSpan? = nil, mode: Mode = .oneWay,
        tcp: TCPSettings = TCPSettings(), readDelay: TimeSpan = .zero,
        sampleInterval: TimeSpan = .milliseconds(100)
    ) {
        self.name = name ?? "\(from)-\(to)-tcp-\(port)"
        self.from = from
        self.to = to
        self.family = family
        self.port = port
        self.byteCount = byteCount
        self.start = start
        self.duration = duration
        self.mode = mode
        self.tcp = tcp
        self.readDelay = readDelay
        self.sampleInterval = sampleInterval
    }
}
