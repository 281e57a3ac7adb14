public import ChimneyLink
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
    case alreadyBound(Endpoint)
    /// Another socket holds the address and port.
    case addressInUse(Endpoint)
    /// The address is not one of this stack's.
    case addressNotOurs(IPAddress)
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
    case destinationInvalid(Endpoint)
    /// The datagram exceeds 65,507 bytes (65,527 over IPv6), or the path's MTU while fragmentation is forbidden.
    case messageTooLong(max: Int)
    /// No route leads to the destination.
    case noRoute(IPAddress)
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
    case portUnreachable(Endpoint)
    /// The peer lacks the protocol (`ENOPROTOOPT`).
    case protocolUnreachable(Endpoint)
    /// The host cannot be reached (`EHOSTUNREACH`).
    case hostUnreachable(Endpoint)
    /// The network cannot be reached (`ENETUNREACH`).
    case networkUnreachable(Endpoint)
    /// A filter on the way forbids it (`EACCES`).
    case prohibited(Endpoint)
    /// The datagram exceeds the path's MTU (`EMSGSIZE`).
    case messageTooLong(Endpoint, mtu: Int)
    /// The time to live ran out, or a fragment was lost (`EHOSTUNREACH`).
    case timeExceeded(Endpoint)
    /// A header field was refused by someone on the way (`EPROTO`).
    case parameterProblem(Endpoint)
}

/// What may be set on a UDP socket.
public struct UDPOptions: Hashable, Sendable {
    /// Whether broadcast destinations are allowed (`SO_BROADCAST`).
    public var broadcast = false
    /// The time to live or hop limit of unicast datagrams; `nil` for the stack's (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    ///
    /// 0 counts as 1, because no packet may leave with none left (RFC 1122 §3.2.1.7).
    public var timeToLive: UInt8?
    /// The type-of-service or traffic class byte: DSCP and ECN (`IP_TOS`, `IPV6_TCLASS`).
    public var typeOfService: UInt8 = 0
    /// Whether datagrams are never fragmented (`IP_MTU_DISCOVER`, `IPV6_DONTFRAG`).
    public var dontFragment = false
    /// Whether other sockets with the same setting may share address and port (`SO_REUSEADDR`); broadcasts reach all of them.
    public var sharesAddress = false
    /// Whether a socket bound to `::` takes datagrams of IPv6 alone and not those of IPv4 too (`IPV6_V6ONLY`); counts from the next bind.
    public var onlyIPv6 = false
    /// Whether datagrams leave with a checksum (RFC 768 allows none; over IPv6 they always do, RFC 8200 §8.1).
    public var checksum = true
    /// The time to live or hop limit of datagrams to groups (`IP_MULTICAST_TTL`, `IPV6_MULTICAST_HOPS`); with 0 they stay in this host.
    public var multicastTimeToLive: UInt8 = 1
    /// Whether datagrams to groups reach members of this stack too (`IP_MULTICAST_LOOP`, `IPV6_MULTICAST_LOOP`).
    public var multicastLoops = true
    /// The interface for datagrams to groups; `nil` for the one that routes name (`IP_MULTICAST_IF`, `IPV6_MULTICAST_IF`).
    public var multicastInterface: InterfaceIndex?
    /// Whether the socket also receives, from all sources, groups that only others joined (`IP_MULTICAST_ALL`).
    public var receivesAllGroups = false
    /// The most bytes that wait to be received; `nil` for the stack's (`SO_RCVBUF`).
    public var receiveBytesMax: Int?

    /// The defaults.
    public init() {}
}

/// A received datagram: the packet itself, not a copy of it.
public struct Datagram: ~Copyable {
    /// The packet from its IP header on.
    @usableFromInline let packet: Packet
    @usableFromInline let start: Int
    @usableFromInline let end: Int

    /// A delivered packet, whose headers were found right.
    @inline(__always)
    init(packet: consuming Packet) {
        start = Int(packet.metadata.transportOffset) &+ 8
        end = start &- 8 &+ Int(packet.bytes.uint16(at: start &- 4))
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

    /// Who sent it.
    public var source: Endpoint { packet.source(port: packet.bytes.uint16(at: start - 8)) }

    /// Where it was sent to.
    public var destination: Endpoint { packet.destination(port: packet.bytes.uint16(at: start - 6)) }

    /// The index of the interface it came in by.
    public var interface: UInt32 { packet.metadata.interface }

    /// When it was received.
    public var receivedAt: Instant { packet.metadata.receivedAt }

    /// The time to live, of IPv6 the hop limit, that it arrived with.
    public var timeToLive: UInt8 { packet.bytes.uint8(at: packet.isIPv6 ? 7 : 8) }
}

extension Packet {
    /// Whether the bytes begin with an IPv6 header.
    @inline(__always)
    var isIPv6: Bool { bytes.uint8(at: 0) >> 4 == 6 }

    func source(port: UInt16) -> Endpoint {
        isIPv6
            ? endpoint(IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16)), port)
            : Endpoint(IPv4Address(bits: bytes.uint32(at: 12)), port)
    }

    func destination(port: UInt16) -> Endpoint {
        isIPv6
            ? endpoint(IPv6Address(high: bytes.uint64(at: 24), low: bytes.uint64(at: 32)), port)
            : Endpoint(IPv4Address(bits: bytes.uint32(at: 16)), port)
    }

    private func endpoint(_ address: IPv6Address, _ port: UInt16) -> Endpoint {
        Endpoint(address, port, zone: address.isLinkScoped ? metadata.interface : 0)
    }
}

/// The state of one UDP socket.
struct UDPSocketState: ~Copyable {
    var local = Endpoint.any
    var remote = Endpoint.any
    /// The families of which it takes datagrams to every address of ours.
    var wildcard: AddressFamilies = []
    var fib: UInt16 = 0
    var options = UDPOptions()
    var isBound = false
    /// Whether it ever joined a group, so that memberships know its port.
    var usesGroups = false
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

    /// Whether a datagram to this address may be for the socket, whose port is the datagram's.
    @inline(__always)
    func takes(_ destination: Endpoint) -> Bool {
        wildcard.contains(destination.isIPv4 ? .ipv4 : .ipv6)
            || local.mapped == destination.mapped
                && (local.zone == destination.zone || local.zone == 0 && local.mapped.isMulticast)
    }
}

/// Families of addresses.
struct AddressFamilies: OptionSet, BitwiseCopyable {
    let rawValue: UInt8

    static var ipv4: Self { Self(rawValue: 1) }
    static var ipv6: Self { Self(rawValue: 2) }

    /// The families of which an unspecified address means every address; none for an address that means itself.
    init(wildcardOf endpoint: Endpoint, onlyIPv6: Bool) {
        if endpoint.mapped.isAny {
            self = onlyIPv6 ? .ipv6 : [.ipv4, .ipv6]
        } else {
            self = endpoint.ipv4?.isAny == true ? .ipv4 : []
        }
    }

    init(rawValue: UInt8) { self.rawValue = rawValue }
}
