public import ChimneyPrimitives

/// Which TCP connection of a stack: an index and a generation, so that a closed one's number never means its successor.
@frozen
public struct TCPConnectionID: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline let slot: SlotID

    @usableFromInline init(slot: SlotID) { self.slot = slot }

    /// The number that tools show.
    public var number: Int { Int(slot.index) }
}

/// Which listener of a stack.
@frozen
public struct TCPListenerID: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline let slot: SlotID

    @usableFromInline init(slot: SlotID) { self.slot = slot }

    /// The number that tools show.
    public var number: Int { Int(slot.index) }
}

/// Why a stack does not listen.
public enum ListenError: Error, Hashable, Sendable {
    /// The stack has ``TCPStackSettings/listenersMax`` listeners.
    case tooManyListeners(max: Int)
    /// The stack has no routing table of that number.
    case noSuchFIB(fib: Int, count: Int)
    /// The address is not one of this stack's.
    case addressNotOurs(IPAddress)
    /// Another listener has the address and port.
    case addressInUse(Endpoint)
    /// Every port of ``StackSettings/ephemeralPorts`` is taken.
    case noFreePort
}

/// Why a connection is not even begun.
public enum ConnectError: Error, Hashable, Sendable {
    /// The stack has ``TCPStackSettings/connectionsMax`` connections.
    case tooManyConnections(max: Int)
    /// The stack has no routing table of that number.
    case noSuchFIB(fib: Int, count: Int)
    /// Port 0, a group, a broadcast address, or another that no connection can lead to.
    case destinationInvalid(Endpoint)
    /// No route leads to the destination, or none from the address asked for.
    case noRoute(IPAddress)
    /// The route's interface is down.
    case interfaceDown
    /// The address asked for is not one of this stack's.
    case addressNotOurs(IPAddress)
    /// There is a connection between the two endpoints, or one that ended not long ago.
    case addressInUse(Endpoint)
    /// Every port of ``StackSettings/ephemeralPorts`` has a connection to the destination.
    case noFreePort
}
