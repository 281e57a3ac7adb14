public import ChimneyPrimitives
public import ChimneyTCP

/// How segments to ports where nobody listens are answered (BSD's `blackhole`).
public enum ClosedPortAnswer: UInt8, Hashable, Sendable, CaseIterable {
    /// By a RST (RFC 9293 §3.10.7.1).
    case reset
    /// A SYN by nothing, others by a RST.
    case silentToSYN
    /// By nothing.
    case silent
}

/// What an operator may set for TCP in one stack.
public struct TCPStackSettings: Sendable, Hashable {
    /// The most connections, those that wait to be accepted or to be read to their end included; more are refused.
    public var connectionsMax = 65_536
    /// The most listeners; one more is refused.
    public var listenersMax = 4_096
    /// The most connections that wait to be accepted from one listener, whatever it asks for; further SYNs are dropped.
    public var backlogMax = 4_096
    /// What half-open connections may cost.
    public var synCache = SynCacheSettings()
    /// What is remembered of paths to peers (RFC 9040), and of how many.
    public var hostCache = HostCacheSettings()
    /// The most flows in TIME-WAIT; the one that waited longest leaves early for a new one.
    public var timeWaitMax = 65_536
    /// How long a flow stays in TIME-WAIT: twice the longest life of a segment (RFC 9293 §3.4.2).
    public var timeWait = TimeSpan.seconds(60)
    /// The most ACKs a second that answer what may be forged (RFC 5961 §7); in each second up to half of them are left out.
    public var challengesPerSecondMax = 1_000
    /// The most bytes of buffers that all connections hold out of order; what comes beyond is dropped and sent again.
    public var reassemblyBytesMax = 64 << 20
    /// How segments to ports where nobody listens are answered.
    public var closedPorts = ClosedPortAnswer.reset
    /// The most RSTs a second, in the long run, that answer segments of no connection.
    public var resetsPerSecondMax = 10_000
    /// RSTs that may leave at once.
    public var resetBurstMax = 1_000
    /// The most prefixes of peers with a key for signatures (RFC 2385); one more is refused.
    public var signatureKeysMax = 1_024
    /// Whether segments of peers with a key are dropped without a right signature, and signed ones of peers without a key;
    /// switched off, both are taken, as while hosts begin to sign.
    public var verifiesSignatures = true
    /// The congestion controls that programs may choose by name.
    public var congestionControls = CongestionRegistry()
    /// How connections behave unless told otherwise.
    public var connection = TCPSettings()

    /// The defaults.
    public init() {}
}
