public import ChimneyPrimitives

/// Whether a connection tells congestion by marks (RFC 3168).
public enum ECNMode: UInt8, Hashable, Sendable, CaseIterable {
    /// Never.
    case off
    /// When the peer asks for it.
    case accepts
    /// It asks itself.
    case requests
}

/// When a connection on which nothing happens asks whether the peer is still there (RFC 9293 §3.8.4).
public struct KeepAlive: Hashable, Sendable {
    /// How long nothing arrived before the first probe.
    public var idle = TimeSpan.seconds(7_200)
    /// The time between probes.
    public var interval = TimeSpan.seconds(75)
    /// How many probes go unanswered before the connection is given up.
    public var count = 9

    /// The defaults of most hosts.
    public init() {}
}

/// How a connection behaves; a listener's are those of the connections it accepts.
public struct TCPSettings: Hashable, Sendable {
    /// The most bytes that were written and not acknowledged; more are refused until there is room.
    public var sendBufferMax = 1_048_576
    /// The most bytes that arrived and were not read; the window that peers see never asks for more.
    public var receiveBufferMax = 1_048_576
    /// How many bytes it begins with; `nil` begins with all.
    ///
    /// The bound is doubled up to ``receiveBufferMax`` as long as the reader takes more than half of it in a round trip, so
    /// that fast connections have much and slow ones little.
    public var receiveBufferInitial: Int?
    /// Whether windows above 65,535 bytes are offered (RFC 7323 §2).
    public var scalesWindow = true
    /// Whether timestamps are offered (RFC 7323 §3).
    public var hasTimestamps = true
    /// Whether selective acknowledgements are offered (RFC 2018).
    public var hasSelectiveAcks = true
    /// Whether congestion is told by marks.
    public var ecn = ECNMode.accepts
    /// The largest segment offered or sent, without its headers; a smaller path wins.
    public var segmentSizeMax = 65_495
    /// The smallest segment a peer or a router can make us send; below it packets may be fragmented.
    public var segmentSizeMin = 216
    /// Whether smaller segments are tried when large ones vanish and no router says why (RFC 4821 §7.7).
    public var findsBlackHoles = true
    /// Whether small segments leave at once though earlier ones are not acknowledged (RFC 9293 §3.7.4).
    public var noDelay = false
    /// How long an acknowledgement may wait for data to go with, at most 500 ms (RFC 9293 §3.8.6.3).
    public var delayedAck = TimeSpan.milliseconds(40)
    /// How many segments are acknowledged at once at the beginning and after a silence.
    public var quickAcks = 16
    /// Whether silence is broken; `nil` for never.
    public var keepAlive: KeepAlive?
    /// How long data may go unacknowledged that was sent, or that a closed window keeps from being sent, before the
    /// connection is given up (RFC 9293 §3.9.1); `nil` leaves it to ``retransmissionsMax``.
    public var userTimeout: TimeSpan?
    /// How often a SYN is sent again before connecting fails.
    public var synRetriesMax = 7
    /// How often the retransmission timer fires in a row before the connection is given up (RFC 9293 §3.8.3, R2); at most 8
    /// times once its owner closed it.
    public var retransmissionsMax = 15
    /// How long a connection that its owner closed waits for the peer's FIN.
    public var finWait2Timeout = TimeSpan.seconds(60)
    /// The most holes in what arrived out of order; data that would make another is dropped.
    public var holesMax = 256
    /// The most memory for data out of order, in bytes of buffers; data beyond it is dropped and sent again by the peer.
    public var reassemblyBytesMax = 4_194_304
    /// How losses are found and how much is sent.
    public var recovery = RecoverySettings()

    /// The defaults.
    public init() {}
}

/// Settings that many connections share.
package final class SharedTCPSettings: Sendable {
    package let value: TCPSettings

    package init(_ value: TCPSettings = TCPSettings()) { self.value = value }
}
