import ChimneyPrimitives

/// What the layers above IP want to know of a packet's header, whichever family it is of.
protocol IPFields: BitwiseCopyable {
    /// Where the transport header begins, from the first byte of the packet.
    var transportOffset: Int { get }
    /// Whether a UDP datagram may come without a checksum: over IPv4 only (RFC 8200 §8.1).
    var mayLackChecksum: Bool { get }
    /// Whether a router marked the packet for congestion on its way (RFC 3168 §5).
    var hasCongestionMark: Bool { get }
    /// The time to live or hop limit.
    var timeToLive: UInt8 { get }
    /// The sender, with the zone where its address needs one.
    func sourceEndpoint(_ port: UInt16, on interface: UInt32) -> Endpoint
    /// The destination, with the zone where its address needs one.
    func destinationEndpoint(_ port: UInt16, on interface: UInt32) -> Endpoint
    /// The sum that the checksum of an upper layer begins with.
    func pseudoHeader(_ number: UInt8, length: Int) -> UInt32
}

extension IPv4Fields: IPFields {
    @inline(__always)
    var transportOffset: Int { headerByteCount }
    @inline(__always)
    var mayLackChecksum: Bool { true }
    @inline(__always)
    var hasCongestionMark: Bool { typeOfService & 3 == 3 }

    @inline(__always)
    func sourceEndpoint(_ port: UInt16, on interface: UInt32) -> Endpoint { Endpoint(source, port) }

    @inline(__always)
    func destinationEndpoint(_ port: UInt16, on interface: UInt32) -> Endpoint { Endpoint(destination, port) }

    @inline(__always)
    func pseudoHeader(_ number: UInt8, length: Int) -> UInt32 {
        InternetChecksum.pseudoHeader(source, destination, protocol: number, length: length)
    }
}

extension IPv6Fields: IPFields {
    @inline(__always)
    var mayLackChecksum: Bool { false }
    @inline(__always)
    var timeToLive: UInt8 { hopLimit }

    @inline(__always)
    func sourceEndpoint(_ port: UInt16, on interface: UInt32) -> Endpoint {
        Endpoint(source, port, zone: source.isLinkScoped ? interface : 0)
    }

    @inline(__always)
    func destinationEndpoint(_ port: UInt16, on interface: UInt32) -> Endpoint {
        Endpoint(destination, port, zone: destination.isLinkScoped ? interface : 0)
    }

    @inline(__always)
    func pseudoHeader(_ number: UInt8, length: Int) -> UInt32 {
        InternetChecksum.pseudoHeader(source, destination, protocol: number, length: length)
    }
}
