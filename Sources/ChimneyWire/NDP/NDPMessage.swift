public import ChimneyPrimitives

/// A neighbour discovery message to send; a redirect, which quotes a packet, writes itself.
public enum NDPMessage: Hashable, Sendable {
    /// Asks for a neighbour.
    case neighborSolicitation(NeighborSolicitation)
    /// Tells of a neighbour.
    case neighborAdvertisement(NeighborAdvertisement)
    /// Asks for routers.
    case routerSolicitation(RouterSolicitation)
    /// Tells of a router.
    case routerAdvertisement(RouterAdvertisement)

    /// The hop limit of every message, by which its reader knows that no router passed it on (RFC 4861 §3.1).
    @inlinable
    public static var hopLimit: UInt8 { 255 }

    /// Bytes of the message.
    public var byteCount: Int {
        switch self {
        case .neighborSolicitation(let message): message.byteCount
        case .neighborAdvertisement(let message): message.byteCount
        case .routerSolicitation(let message): message.byteCount
        case .routerAdvertisement(let message): message.byteCount
        }
    }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(
        into span: inout MutableRawSpan, at offset: Int = 0, source: IPv6Address, destination: IPv6Address
    ) -> Int {
        switch self {
        case .neighborSolicitation(let message):
            message.write(into: &span, at: offset, source: source, destination: destination)
        case .neighborAdvertisement(let message):
            message.write(into: &span, at: offset, source: source, destination: destination)
        case .routerSolicitation(let message):
            message.write(into: &span, at: offset, source: source, destination: destination)
        case .routerAdvertisement(let message):
            message.write(into: &span, at: offset, source: source, destination: destination)
        }
    }
}
