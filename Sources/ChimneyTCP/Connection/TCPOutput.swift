package import ChimneyPrimitives

/// What happened to a connection that its owner wants to know.
package struct TCPEvents: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Both ends are synchronized.
    package static var established: Self { Self(rawValue: 1) }
    /// There is data to read, or the end of it.
    package static var readable: Self { Self(rawValue: 2) }
    /// There is room to write after there was none.
    package static var writable: Self { Self(rawValue: 4) }
    /// The peer has no more data.
    package static var peerClosed: Self { Self(rawValue: 8) }
    /// Urgent data is announced (RFC 9293 §3.8.5).
    package static var urgent: Self { Self(rawValue: 16) }
    /// All is said: the connection goes to the table of those that wait, and what was not read stays to be read.
    package static var timeWait: Self { Self(rawValue: 32) }
    /// The connection is gone; ``TCPConnection/failure`` says why when it was not closed in good order.
    package static var closed: Self { Self(rawValue: 64) }
    /// Data was sent several times without an answer: the path may have changed (RFC 9293 §3.8.3, R1).
    package static var pathSuspected: Self { Self(rawValue: 128) }
    /// All data and our FIN are acknowledged.
    package static var drained: Self { Self(rawValue: 256) }

    /// Of an open connection that stays open.
    package static var progress: Self { Self(rawValue: 2 | 4 | 16 | 256) }

    // The protocol's own are looked up at run time where another module asks.
    @inlinable
    package var isEmpty: Bool { rawValue == 0 }
    @inlinable
    package func contains(_ other: Self) -> Bool { rawValue & other.rawValue == other.rawValue }
}

/// Why a connection ended other than by both ends having said all.
public enum TCPFailure: Error, Hashable, Sendable, CaseIterable {
    /// The peer refused to open it.
    case refused
    /// The peer gave it up.
    case reset
    /// We gave it up.
    case aborted
    /// Nothing answered for too long.
    case timedOut
    /// Nobody answered keep-alive probes.
    case keepAliveTimedOut
    /// The network said that the peer cannot be reached.
    case unreachable
}

/// Why a segment, or its payload, came to nothing.
@frozen
public enum TCPDrop: Error, Hashable, Sendable, CaseIterable {
    /// Its acknowledgement is of what was never sent.
    case ackOfUnsent
    /// Its acknowledgement is older than any window.
    case ackTooOld
    /// It acknowledges nothing, and every segment but the first does.
    case noAck
    /// Nothing of it lies in the window.
    case outsideWindow
    /// Its timestamp is older than one before (RFC 7323 §5).
    case oldTimestamp
    /// It has no timestamp though both ends agreed on them.
    case timestampMissing
    /// A RST whose number is not the next one (RFC 5961 §3).
    case resetOutsideWindow
    /// A RST in the window that does not stand at its start: the peer is asked (RFC 5961 §3).
    case resetChallenged
    /// A SYN of a connection that is open: the peer is asked (RFC 5961 §4).
    case synChallenged
    /// All its payload was there already.
    case duplicate
    /// It came out of order and there is no room to keep it.
    case reassemblyFull
    /// It came when the window was closed.
    case windowClosed
    /// Data for a connection whose owner reads no more.
    case readerGone
    /// A segment without SYN or RST while a SYN waits for its answer.
    case notSynchronizing
    /// The connection is closed.
    case closed
    /// Packets are short, and the reader has not read what it has.
    case packetsShort
}

/// What a connection wants done; whoever called it takes everything.
package struct TCPOutput: ~Copyable {
    /// Segments to send, in order.
    package var segments = RingBuffer<OutgoingSegment>()
    /// What happened.
    package var events: TCPEvents = []
    /// Whether the last segment left nothing for ``TCPConnection/flush(at:output:)`` to do.
    package var isSettled = false
    /// The ``TCPConnection/deadline`` of the connection that was flushed last, or that its last segment left settled.
    package var deadline = Instant.never

    package init() {}

    /// Takes what happened since it was last taken.
    package mutating func takeEvents() -> TCPEvents {
        defer { events = [] }
        return events
    }
}

/// What the connections of a shard have in common.
package struct TCPShared: ~Copyable {
    /// What is left of the challenge ACKs of this second.
    package var challenges: ChallengeBudget
    /// What all connections hold out of order.
    package var reassembly: ReassemblyBudget
    /// The most bytes that a connection holds for its reader while packets are short; data beyond it is dropped and sent again by
    /// its peer.
    package var heldMax = Int.max

    /// - Parameters:
    ///   - challengesPerSecondMax: how many challenge ACKs all of them send in a second.
    ///   - reassemblyBytesMax: how much memory all of them use for data out of order.
    ///   - secret: what strangers do not know.
    package init(challengesPerSecondMax: Int = 1_000, reassemblyBytesMax: Int = 67_108_864, secret: KeyedHash) {
        challenges = ChallengeBudget(perSecondMax: challengesPerSecondMax, secret: secret)
        reassembly = ReassemblyBudget(bytesMax: reassemblyBytesMax)
    }
}

/// How many ACKs answer segments that may be forged, in one second (RFC 5961 §7).
///
/// All connections draw on it, so that one who uses it up on his own would count what is missing, and know which of the
/// numbers he forged made another connection draw. So nobody can foretell how many there are in a second.
package struct ChallengeBudget: Sendable {
    /// The most in one second by all connections, of which up to a half is left out; beyond it none is sent.
    package let perSecondMax: Int
    private let secret: KeyedHash
    private var left = 0
    private var until = Instant.zero
    /// How many were not sent.
    package private(set) var refused: UInt64 = 0

    package init(perSecondMax: Int, secret: KeyedHash) {
        self.perSecondMax = max(0, perSecondMax)
        self.secret = secret
    }

    package mutating func take(at now: Instant) -> Bool {
        if now >= until {
            until = now + .seconds(1)
            let drawn = secret.hash(UInt64(truncatingIfNeeded: now.nanoseconds), 0, 0, 0, 0, Self.purpose)
            left = perSecondMax - Int(drawn % UInt64(perSecondMax / 2 + 1))
        }
        guard left > 0 else {
            refused += 1
            return false
        }
        left -= 1
        return true
    }

    /// Tells what is drawn here from what the secret is used for elsewhere.
    private static var purpose: UInt64 { 3 }
}
