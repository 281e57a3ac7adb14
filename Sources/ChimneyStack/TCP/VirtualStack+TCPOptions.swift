public import ChimneyPrimitives
public import ChimneyTCP

/// What the owner of a connection wants its packets to carry.
public struct TCPPacketMarks: Hashable, Sendable {
    /// The type-of-service or traffic class byte, without the bits of ECN (`IP_TOS`, `IPV6_TCLASS`).
    public var typeOfService: UInt8
    /// The time to live or hop limit; `nil` for the stack's (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    public var hopLimit: UInt8?

    /// Those of the stack, unless told otherwise.
    public init(typeOfService: UInt8 = 0, hopLimit: UInt8? = nil) {
        self.typeOfService = typeOfService
        self.hopLimit = hopLimit
    }
}

extension VirtualStack {
    /// How a connection behaves, or `nil` once it was let go.
    public func settings(of id: TCPConnectionID) -> TCPSettings? {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.settings : nil
    }

    /// Changes how a connection behaves: its buffers, keep-alive, user timeout, and how patient it is.
    ///
    /// What its handshake settled stays as it is, and so does ``TCPSettings/noDelay``: see ``setNoDelay(_:of:at:)``.
    public mutating func setSettings(_ settings: TCPSettings, of id: TCPConnectionID, at now: Instant) {
        beginRound(at: now)
        guard tcp.links.contains(id.slot) else { return }
        tcp.links[id.slot].connection.setSettings(SharedTCPSettings(settings), at: now)
        touch(id.slot)
        deliverLooped()
    }

    /// Changes how the connections behave that a listener accepts from now on.
    public mutating func setSettings(_ settings: TCPSettings, of id: TCPListenerID) {
        guard tcp.listeners.contains(id.slot) else { return }
        tcp.listeners[id.slot].settings = SharedTCPSettings(settings)
    }

    /// Changes what a connection's packets carry, from the next on.
    public mutating func setMarks(_ marks: TCPPacketMarks, of id: TCPConnectionID) {
        guard tcp.links.contains(id.slot) else { return }
        if marks.hopLimit == nil {
            // The stack's own comes back with the way.
            tcp.links[id.slot].way.generation = UInt32(truncatingIfNeeded: generation) &- 1
        }
        tcp.links[id.slot].way.take(marks)
    }

    /// Copies what arrived on a connection into `target` and leaves it to be read (`MSG_PEEK`).
    ///
    /// - Returns: how many bytes; 0 when there are none.
    public func peek(_ id: TCPConnectionID, into target: inout MutableRawSpan) -> Int {
        tcp.links.contains(id.slot) ? tcp.links[id.slot].connection.peek(into: &target) : 0
    }
}
