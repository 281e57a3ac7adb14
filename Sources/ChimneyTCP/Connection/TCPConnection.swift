package import ChimneyPrimitives

/// One TCP connection from its SYN until both ends have said all (RFC 9293).
///
/// It owns no clock, socket or address. The stack tells it which segments arrive and when its ``deadline`` has passed, and
/// sends what it finds in the output. Arrivals, commands and timers change the connection; ``flush(at:output:)`` sends what
/// has become due, so that a batch of segments is answered once.
///
/// The half-open connections of a listener are entries of a ``SynCache``, those that only wait for late segments of a
/// ``TimeWaitTable``. Which data is lost and how much may be sent is the concern of ``LossRecovery``.
///
/// - Note: RFC 9293; RFC 7323 (window scaling, timestamps), RFC 2018 and RFC 2883 (selective acknowledgements), RFC 5961
///   (blind attacks), RFC 3168 (congestion marks).
package struct TCPConnection: ~Copyable {
    /// Where it stands.
    package internal(set) var state = TCPState.closed
    /// Why it ended, when not in good order.
    package internal(set) var failure: TCPFailure?
    /// What the network last said that may pass (RFC 9293 §3.9.2.2).
    package internal(set) var hasSoftError = false
    var marks: ConnectionMarks = []
    /// Calls that only read a connection do not copy its half a kilobyte.
    private let inPlace = InPlace()
    var quickAcksLeft: UInt8 = 0
    var probesSent: UInt8 = 0
    var handshakeTimeouts: UInt8 = 0

    var snd: SendSequence
    var rcv = ReceiveSequence()
    var sendBuffer: SendBuffer
    var received = ReceiveQueue()
    var reassembly = Reassembly()
    var recovery: LossRecovery
    var sharedSettings: SharedTCPSettings

    /// What few connections have.
    var extras: ConnectionExtras?

    /// When a delayed ACK goes out.
    var ackDue = Instant.never
    /// When a SYN is sent again, or a closed window is probed.
    var probeDue = Instant.never
    /// When silence is looked at: for keep-alive, FIN-WAIT-2, and memory that can be given back; it may be too early.
    var idleDue = Instant.never
    /// When the owner's patience ends: connecting, lingering, the user timeout while a window is closed.
    var userDue = Instant.never
    /// When a segment last arrived.
    var heardAt: Instant
    /// When something was last acknowledged, or sent or kept by a closed window after everything was.
    var progressAt: Instant
    /// In which half of a second the last challenge ACK went out, counted from the beginning of time.
    var challengedIn = UInt32.max

    /// Numbers of the sending side (RFC 9293 §3.3.1).
    struct SendSequence {
        /// The first number of all.
        var iss: SequenceNumber
        /// The first that is not acknowledged.
        var una: SequenceNumber
        /// The next to be sent for the first time.
        var nxt: SequenceNumber
        /// How far the peer's window reaches beyond `una`.
        var wnd: Int32 = 0
        /// The numbers of the segment that the window is from.
        var wl1 = SequenceNumber(0)
        var wl2 = SequenceNumber(0)
        /// The largest window there was.
        var windowMax: Int32 = 0
        /// Where urgent data ends; not before `una`.
        var up: SequenceNumber
        /// The end of the last segment that was smaller than it could have been.
        var small: SequenceNumber
        /// By how many bits the peer's windows are shifted.
        var shift: UInt8 = 0
        /// The peer's limit for segments, from its MSS option.
        var peerSize: UInt16 = 536
        /// The path's limit for segments: what of its MTU the headers leave.
        var pathSize: UInt16
        /// The same as it was before segments seemed to vanish for their size; 0 while they do not.
        var sizeBefore: UInt16 = 0
        /// The most bytes handed on in one piece, to be cut into segments further down.
        var pieceMax: UInt16 = 0
        /// Added to the clock in timestamps.
        var clockOffset: UInt32 = 0

        init(iss: SequenceNumber, pathSize: UInt16) {
            self.iss = iss
            una = iss
            nxt = iss
            up = iss
            small = iss
            self.pathSize = pathSize
        }
    }

    /// Numbers of the receiving side.
    struct ReceiveSequence {
        /// The peer's first number.
        var irs = SequenceNumber(0)
        /// The next that is expected.
        var nxt = SequenceNumber(0)
        /// Where the window we told of ends; it never moves back (RFC 9293 §3.8.6.2.2).
        var edge = SequenceNumber(0)
        /// What the last ACK said.
        var acked = SequenceNumber(0)
        /// Where urgent data ends, while ``ConnectionMarks/urgentArrived`` is set.
        var up = SequenceNumber(0)
        /// The number of the peer's FIN, while ``ConnectionMarks/finIsKnown`` is set.
        var fin = SequenceNumber(0)
        /// What arrived a second time and is told with the next ACK (RFC 2883).
        var duplicate = SequenceRange(SequenceNumber(0), SequenceNumber(0))
        /// The peer's clock as it stood with the last segment in order (RFC 7323 §4.3).
        var recentTimestamp: UInt32 = 0
        /// When that was, in seconds.
        var recentAt: UInt32 = 0
        /// What the reader had taken when it was last looked at how fast it takes.
        var takenBefore = SequenceNumber(0)
        /// When that was, in milliseconds.
        var takenAt: UInt32 = 0
        /// The largest segment that arrived.
        var segmentSize: UInt16 = 0
        /// By how many bits our windows are shifted.
        var shift: UInt8 = 0
        /// How often the buffer's bound may be doubled until it is that of the settings.
        var doublingsLeft: UInt8 = 0
    }

    /// What a connection needs to know of its path.
    package struct Path: Hashable, Sendable {
        /// The bytes of a TCP header's payload that one packet takes without options: the MTU without 40 bytes, or 60.
        package var segmentSize: Int
        /// The most bytes in one piece that are cut into segments further down; 0 when nobody cuts.
        package var pieceMax = 0
        /// The segment size of a peer that names none: 536 over IPv4, 1,220 over IPv6 (RFC 9293 §3.7.1).
        package var defaultSize: UInt16 = 536
        /// Whether segments to the peer carry a digest (RFC 2385), which leaves less room for everything else.
        package var isSigned = false
        /// What earlier connections found out.
        package var remembered: RememberedPath?

        package init(segmentSize: Int, pieceMax: Int = 0) {
            self.segmentSize = segmentSize
            self.pieceMax = pieceMax
        }
    }

    /// A connection about to be opened by ``connect(at:)``.
    ///
    /// - Parameters:
    ///   - settings: how it behaves.
    ///   - path: what is known of the way to the peer.
    ///   - iss: its first number, from an ``InitialSequence``.
    ///   - clockOffset: added to the clock in its timestamps, so that they tell nothing of other connections.
    ///   - now: the time.
    package init(
        settings: SharedTCPSettings, path: Path, iss: SequenceNumber, clockOffset: UInt32, at now: Instant
    ) {
        let pathSize = UInt16(clamping: min(path.segmentSize, settings.value.segmentSizeMax))
        snd = SendSequence(iss: iss, pathSize: pathSize)
        snd.pieceMax = UInt16(clamping: path.pieceMax)
        snd.clockOffset = clockOffset
        snd.peerSize = path.defaultSize
        if let remembered = path.remembered { extras = ConnectionExtras(remembered: remembered) }
        sendBuffer = SendBuffer(start: iss + 1)
        recovery = LossRecovery(settings: settings.value.recovery)
        sharedSettings = settings
        rcv.doublingsLeft = Self.doublings(of: settings.value)
        heardAt = now
        progressAt = now
        if settings.value.noDelay { marks.insert(.noDelay) }
        if path.isSigned { marks.insert(.signed) }
    }

    /// How it behaves.
    package var settings: TCPSettings { sharedSettings.value }

    /// When ``timerFired(at:shared:output:)`` next has work; ``Instant/never`` while nothing is pending.
    @inline(__always)
    package var deadline: Instant {
        if state == .closed || state == .timeWait { return .never }
        let sending = min(recovery.deadline, probeDue)
        return min(min(sending, ackDue), min(idleDue, userDue))
    }
}

/// What is so of a connection, a bit each.
struct ConnectionMarks: OptionSet, Sendable, BitwiseCopyable {
    let rawValue: UInt32
    init(rawValue: UInt32) { self.rawValue = rawValue }

    /// An ACK goes out with the next flush.
    static var ackNow: Self { Self(rawValue: 1) }
    /// Both ends agreed on timestamps.
    static var timestamps: Self { Self(rawValue: 1 << 1) }
    /// Both ends agreed on selective acknowledgements.
    static var selectiveAcks: Self { Self(rawValue: 1 << 2) }
    /// Both ends agreed on congestion marks.
    static var congestionMarks: Self { Self(rawValue: 1 << 3) }
    /// The owner writes no more: a FIN follows the data.
    static var finQueued: Self { Self(rawValue: 1 << 4) }
    /// The FIN was sent at least once.
    static var finSent: Self { Self(rawValue: 1 << 5) }
    /// The peer's FIN is part of what arrived in order.
    static var finArrived: Self { Self(rawValue: 1 << 6) }
    /// The owner reads no more.
    static var readerGone: Self { Self(rawValue: 1 << 7) }
    /// Small segments do not wait (RFC 9293 §3.7.4).
    static var noDelay: Self { Self(rawValue: 1 << 8) }
    /// Only full segments leave until the owner says that it wrote all.
    static var corked: Self { Self(rawValue: 1 << 9) }
    /// Urgent data is announced and was not all read.
    static var urgentArrived: Self { Self(rawValue: 1 << 10) }
    /// Urgent data was written and is not acknowledged.
    static var urgentQueued: Self { Self(rawValue: 1 << 11) }
    /// The next new segment says that the window was reduced.
    static var tellsReduction: Self { Self(rawValue: 1 << 12) }
    /// ACKs say that congestion marks arrived.
    static var echoesMarks: Self { Self(rawValue: 1 << 13) }
    /// A byte beyond a closed window is out, not counted by `snd.nxt`.
    static var probeIsOut: Self { Self(rawValue: 1 << 14) }
    /// Somebody waits for room to write.
    static var writerWaits: Self { Self(rawValue: 1 << 15) }
    /// The connection was opened by its peer.
    static var isPassive: Self { Self(rawValue: 1 << 16) }
    /// Both ends scale their windows.
    static var scaled: Self { Self(rawValue: 1 << 17) }
    /// Packets may be fragmented: the path takes less than the smallest segment.
    static var fragmentable: Self { Self(rawValue: 1 << 18) }
    /// The SYN goes out with the next flush.
    static var synDue: Self { Self(rawValue: 1 << 19) }
    /// Keep-alive is on, whatever the settings of the listener were.
    static var keepsAlive: Self { Self(rawValue: 1 << 20) }
    /// ``TCPConnection/close(linger:at:output:shared:)`` was called.
    static var ownerGone: Self { Self(rawValue: 1 << 21) }
    /// The owner waits until its data is acknowledged.
    static var lingers: Self { Self(rawValue: 1 << 22) }
    /// The smallest segments wait no longer for larger ones: their time is up.
    static var overridesSilly: Self { Self(rawValue: 1 << 23) }
    /// Urgent data was written, and no segment has said so.
    static var urgentUntold: Self { Self(rawValue: 1 << 24) }
    /// Segments carry a digest (RFC 2385).
    static var signed: Self { Self(rawValue: 1 << 28) }
    /// The connection asked for congestion marks in its SYN.
    static var asksForMarks: Self { Self(rawValue: 1 << 25) }
    /// The peer's FIN arrived, perhaps before data that it follows.
    static var finIsKnown: Self { Self(rawValue: 1 << 26) }

    /// With any of these there is something to send beside data.
    static var unsettled: Self { [.ackNow, .urgentUntold, .finQueued] }
    /// With any of these no segment is predicted.
    static var unpredicted: Self { [.readerGone, .probeIsOut, .finIsKnown, .echoesMarks, .watched] }
    /// Modules watch the connection.
    static var watched: Self { Self(rawValue: 1 << 27) }
}
