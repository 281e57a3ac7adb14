public import ChimneyPrimitives
public import ChimneyWire

/// A module that watches established connections: an extension point.
///
/// It is registered with a stack, which shows it every connection, or with one connection. Of each that it wants to watch
/// it gives out a ``TCPWatcher``, which lives in a slot of that connection and ends with it. A connection that nobody
/// watches pays nothing for it: the mark that it is watched is one of those it looks at anyway.
///
/// A module stays on the thread of its stack.
public protocol TCPHooks: AnyObject {
    /// A connection is established, or this module was just registered with it.
    ///
    /// - Parameters:
    ///   - number: what the stack calls the connection.
    ///   - state: how it stands.
    ///   - now: the time.
    /// - Returns: what watches it, or `nil` when nothing is to.
    func watcher(ofConnection number: UInt64, in state: TCPFlowState, at now: Instant) -> (any TCPWatcher)?
}

/// What a module keeps of one connection, told of each of its segments.
///
/// It comes with each segment: it must not take long.
public protocol TCPWatcher {
    /// A segment arrived and is about to be taken in, or is about to leave.
    ///
    /// - Parameters:
    ///   - segment: what its header says.
    ///   - state: how the connection stands before an arriving one was taken in, and after a leaving one was noted.
    mutating func segmentSeen(_ segment: TCPSeenSegment, in state: TCPFlowState)
    /// The connection sends and takes nothing more, or the module is taken off it.
    mutating func ended()
}

extension TCPWatcher {
    /// Does nothing.
    public mutating func ended() {}
}

/// A segment as a watcher sees it.
public struct TCPSeenSegment: Hashable, Sendable, BitwiseCopyable {
    /// When it was seen.
    public var time: Instant
    /// Whether it leaves; else it arrived.
    public var isOutgoing: Bool
    /// Whether some of it was sent before.
    public var isAgain: Bool
    /// The number of its first byte.
    public var sequence: UInt32
    /// The next number its sender expects.
    public var acknowledgment: UInt32
    /// Its control bits.
    public var flags: TCPFlags
    /// The bytes of its payload; of one that leaves they may be cut into several segments further down.
    public var payloadCount: Int
    /// How much its sender takes, in bytes.
    public var window: Int
    /// Its timestamps.
    public var timestamps: TCPTimestamps?
    /// How many SACK blocks it has.
    public var sackCount: Int

    /// The sequence numbers it takes: its payload and FIN.
    public var length: Int { payloadCount + (flags.contains(.fin) ? 1 : 0) }
}

/// How a watched connection stands.
public struct TCPFlowState: Hashable, Sendable {
    /// Where it stands.
    public var state: TCPState
    /// The first number that is not acknowledged.
    public var firstUnacknowledged: UInt32
    /// The number that is sent next for the first time.
    public var nextToSend: UInt32
    /// The number that is expected next.
    public var nextToArrive: UInt32
    /// How much congestion control lets be under way.
    public var cwnd: Int
    /// Up to where the congestion window grows fast.
    public var ssthresh: Int
    /// Bytes that are supposed to be on the path.
    public var inFlight: Int
    /// How much the peer takes.
    public var peerWindow: Int
    /// The payload of a full segment.
    public var segmentSize: Int
    /// How long an answer takes; `nil` before one was timed.
    public var smoothedRoundTrip: TimeSpan?
    /// What recovery does.
    public var phase: RecoveryPhase
}

/// Why a module is not registered.
public enum TCPHooksError: Error, Hashable, Sendable {
    /// There are as many modules as there may be.
    case tooManyModules(max: Int)
}

/// The modules that a stack shows all its connections.
public struct TCPModules {
    /// The most modules; a further one is refused.
    public static var modulesMax: Int { 8 }
    private var modules: [any TCPHooks] = []

    /// No modules.
    public init() {}

    /// Whether there are none.
    public var isEmpty: Bool { modules.isEmpty }
    /// How many there are.
    public var count: Int { modules.count }

    /// Shows a module all connections from now on; one that is registered stays so.
    ///
    /// - Throws: ``TCPHooksError/tooManyModules(max:)``, with nothing changed.
    public mutating func register(_ module: any TCPHooks) throws(TCPHooksError) {
        guard !modules.contains(where: { $0 === module }) else { return }
        guard modules.count < Self.modulesMax else { throw .tooManyModules(max: Self.modulesMax) }
        modules.append(module)
    }

    /// Shows a module no further connections; those it watches it goes on watching.
    public mutating func remove(_ module: any TCPHooks) { modules.removeAll { $0 === module } }

    /// A connection is established: each module is asked in the order of registration.
    package func watch(_ connection: inout TCPConnection, number: UInt64, at now: Instant) {
        for module in modules { connection.watch(with: module, number: number, at: now) }
    }
}
