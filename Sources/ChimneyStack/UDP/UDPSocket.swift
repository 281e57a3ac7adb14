public import ChimneyPrimitives
import ChimneyWire

/// Which socket of a stack: an index and a generation, so that a closed socket's number is never mistaken for its successor's.
@frozen
public struct SocketID: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline let slot: SlotID

    @usableFromInline init(slot: SlotID) { self.slot = slot }
}

/// Why a socket could not be opened.
public enum OpenError: Error, Hashable, Sendable {
    /// The stack has ``StackSettings/socketsMax`` sockets.
    case tooManySockets(max: Int)
    /// The stack has no routing table of that number.
    case noSuchFIB(fib: Int, count: Int)
}

/// Why a socket could not be bound.
public enum BindError: Error, Hashable, Sendable {
    /// The socket was closed.
    case closed
    /// The socket has an address already.
    case alreadyBound(IPv4Endpoint)
    /// Another socket holds the address and port.
    case addressInUse(IPv4Endpoint)
    /// The address is not one of this stack's.
    case addressNotOurs(IPv4Address)
    /// Every port of ``StackSettings/ephemeralPorts`` is taken.
    case noFreePort
}

/// Why a datagram was not sent.
public enum SendError: Error, Hashable, Sendable {
    /// The socket was closed.
    case closed
    /// The socket is not connected and no destination was named.
    case noDestination
    /// Port 0, an address of class E or another that no packet may go to.
    case destinationInvalid(IPv4Endpoint)
    /// The datagram exceeds 65,507 bytes, or the path's MTU while fragmentation is forbidden.
    case messageTooLong(max: Int)
    /// No route leads to the destination.
    case noRoute(IPv4Address)
    /// The route's interface is down.
    case interfaceDown
    /// The destination is a broadcast address and ``UDPOptions/broadcast`` is off.
    case broadcastForbidden
    /// The packet pool is at its bound.
    case noBuffer
    /// The transmit queue, or the queue of packets awaiting address resolution, is full.
    case queueFull
    /// The socket could not be given a port.
    case bind(BindError)
    /// An error reported by the network for an earlier datagram of this connected socket.
    case network(SocketError)
}

/// An error that an ICMP message reported for a datagram this socket sent (RFC 1122 §4.1.3.3).
public enum SocketError: Error, Hashable, Sendable {
    /// The peer has no socket on the port (`ECONNREFUSED`).
    case portUnreachable(IPv4Endpoint)
    /// The peer lacks the protocol (`ENOPROTOOPT`).
    case protocolUnreachable(IPv4Endpoint)
    /// The host cannot be reached (`EHOSTUNREACH`).
    case hostUnreachable(IPv4Endpoint)
    /// The network cannot be reached (`ENETUNREACH`).
    case networkUnreachable(IPv4Endpoint)
    /// A filter on the way forbids it (`EACCES`).
    case prohibited(IPv4Endpoint)
    /// The datagram exceeds the path's MTU (`EMSGSIZE`).
    case messageTooLong(IPv4Endpoint, mtu: Int)
    /// The time to live ran out, or a fragment was lost (`EHOSTUNREACH`).
    case timeExceeded(IPv4Endpoint)
    /// A header field was refused by someone on the way (`EPROTO`).
    case parameterProblem(IPv4Endpoint)
}

/// What may be set on a UDP socket.
public struct UDPOptions: Hashable, Sendable {
    /// Whether broadcast destinations are allowed (`SO_BROADCAST`).
    public var broadcast = false
    /// The time to live of unicast datagrams; `nil` for the stack's (`IP_TTL`).
    public var timeToLive: UInt8?
    /// The type-of-service byte: DSCP and ECN (`IP_TOS`).
    public var typeOfService: UInt8 = 0
    /// Whether datagrams carry the don't-fragment flag (`IP_MTU_DISCOVER`).
    public var dontFragment = false
    /// Whether other sockets with the same setting may share address and port (`SO_REUSEADDR`); broadcasts reach all of them.
    public var sharesAddress = false
    /// Whether datagrams leave with a checksum (RFC 768 allows none).
    public var checksum = true
    /// The most bytes that wait to be received; `nil` for the stack's (`SO_RCVBUF`).
    public var receiveBytesMax: Int?

    /// The defaults.
    public init() {}
}

/// A received datagram: the packet itself, not a copy of it.
public struct Datagram: ~Copyable {
    /// The packet from its IPv4 header on.
    @usableFromInline let packet: Packet
    /// Who sent it.
    public let source: IPv4Endpoint
    /// Where it was sent to.
    public let destination: IPv4Endpoint
    @usableFromInline let start: Int
    @usableFromInline let end: Int

    /// A delivered packet, whose headers were found right.
    @inline(__always)
    init(packet: consuming Packet) {
        start = Int(packet.metadata.transportOffset) &+ 8
        let ports = packet.bytes.uint32(at: start &- 8)
        end = start &- 8 &+ Int(packet.bytes.uint16(at: start &- 4))
        source = IPv4Endpoint(
            IPv4Address(bits: packet.bytes.uint32(at: 12)), UInt16(truncatingIfNeeded: ports >> 16))
        destination = IPv4Endpoint(
            IPv4Address(bits: packet.bytes.uint32(at: 16)), UInt16(truncatingIfNeeded: ports))
        self.packet = packet
    }

    /// The length of the payload in bytes.
    @inlinable
    public var count: Int { end &- start }

    /// The payload, valid as long as the datagram is.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get { packet.bytes.extracting(start..<end) }
    }

    /// The index of the interface it came in by.
    public var interface: UInt32 { packet.metadata.interface }

    /// When it was received.
    public var receivedAt: Instant { packet.metadata.receivedAt }

    /// The time to live it arrived with.
    public var timeToLive: UInt8 { packet.bytes.uint8(at: 8) }
}

/// The state of one UDP socket.
struct UDPSocketState: ~Copyable {
    var local = IPv4Endpoint.any
    var remote = IPv4Endpoint.any
    var fib: UInt16 = 0
    var options = UDPOptions()
    var isBound = false
    /// Whether the socket is in the list of sockets with news already.
    var isAnnounced = false
    var error: SocketError?
    var path = UDPPath()
    var queue = PacketQueue()
    /// A datagram that would take the queue past this many bytes is dropped.
    var queueBytesMax: Int
    /// A datagram that finds this many waiting is dropped.
    var queuePacketsMax: Int
    /// The next socket bound to the same port, or `nil` at the chain's end.
    var nextOnPort: SlotID?
    var sentCount: UInt64 = 0
    var receivedCount: UInt64 = 0
    var droppedCount: UInt64 = 0

    init(settings: borrowing StackSettings, fib: UInt16) {
        queueBytesMax = settings.socketReceiveBytesMax
        queuePacketsMax = settings.socketReceivePacketsMax
        self.fib = fib
    }
}

/// What a socket remembers about its last destination, so that the next datagram to it looks nothing up.
struct UDPPath: BitwiseCopyable {
    var destination = IPv4Endpoint.any
    var source = IPv4Address.any
    /// The index of the interface, 0 for a destination of our own.
    var interface: UInt32 = 0
    var nextHop = IPv4Address.any
    /// The stack's configuration generation when the path was found; any change makes it stale.
    var generation: UInt64 = 0
    var mtu = 0
    var identification: UInt16 = 0
    var isBroadcast = false
    var isLinkGroup = false
    /// The sum of the IPv4 header's 16-bit numbers, less total length and identification.
    var headerSum: UInt32 = 0
    /// The checksum's sum of pseudo-header and ports, less the lengths.
    var pseudoSum: UInt32 = 0
    /// The header's first four bytes less the total length.
    var firstWord: UInt32 = 0
    /// Flags and fragment offset.
    var fragmentWord: UInt32 = 0
    /// The header's bytes 8 to 11 less the checksum.
    var thirdWord: UInt32 = 0
    /// Source and destination port.
    var portWord: UInt32 = 0
}
