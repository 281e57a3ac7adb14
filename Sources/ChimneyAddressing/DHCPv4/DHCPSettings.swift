public import ChimneyPrimitives

/// How a DHCPv4 client behaves; the times are those of RFC 2131.
public struct DHCPSettings: Hashable, Sendable {
    /// The name that servers are told, at most 253 bytes of ASCII; otherwise none is told.
    public var hostName: String?
    /// What the client is called among all clients, at most 255 bytes; `nil` is its link address (RFC 2132 §9.14).
    public var clientIdentifier: [UInt8]?
    /// Whether answers are asked to be broadcast while there is no address to send them to (RFC 2131 §4.1).
    public var wantsBroadcast = true
    /// The largest datagram that servers may send (RFC 2132 §9.10).
    public var datagramBytesMax: UInt16 = 1_500
    /// The longest wait before the first message, so that not all clients speak at once (RFC 2131 §4.4.1).
    public var startDelayMax = TimeSpan.seconds(1)
    /// How long after the first offer others are waited for.
    public var offerWait = TimeSpan.milliseconds(500)
    /// The most offers kept to choose from; at the bound further ones are dropped.
    public var offersMax = 16
    /// The wait after the first message; it doubles with each (RFC 2131 §4.1).
    public var retransmitFirst = TimeSpan.seconds(4)
    /// The longest wait after a message (RFC 2131 §4.1).
    public var retransmitMax = TimeSpan.seconds(64)
    /// How much earlier or later than that a message is repeated (RFC 2131 §4.1).
    public var retransmitSpread = TimeSpan.seconds(1)
    /// The most requests for an offered address; then the search begins anew (RFC 2131 §3.1.5).
    public var requestsMax = 4
    /// The most requests for an address from before; then the search begins, or the old lease is used on.
    public var rebootsMax = 2
    /// The shortest time between two requests for more time (RFC 2131 §4.4.5).
    public var renewIntervalMin = TimeSpan.seconds(60)
    /// The wait after an address was declined (RFC 2131 §3.1.5).
    public var declineWait = TimeSpan.seconds(10)
    /// The shortest lease taken, in seconds; a shorter one would be nothing but requests.
    public var leaseSecondsMin: UInt32 = 20
    /// The shortest prefix taken; with a shorter one half the world would seem to be on the link.
    public var prefixLengthMin = 8
    /// The smallest MTU taken; a smaller one is ignored, because every host takes 576 bytes (RFC 791 §3.1).
    public var mtuMin: UInt16 = 576
    /// The most routers taken from a lease; further ones are ignored.
    public var routersMax = 8
    /// The most routes taken from a lease; further ones are ignored.
    public var routesMax = 32
    /// The most name servers taken from a lease; further ones are ignored.
    public var nameServersMax = 8

    /// The values of RFC 2131.
    public init() {}

    /// The same settings with every value where the client's own promises hold.
    var clamped: Self {
        var clamped = self
        clamped.datagramBytesMax = max(576, datagramBytesMax)
        clamped.offersMax = max(1, offersMax)
        clamped.requestsMax = max(1, requestsMax)
        clamped.rebootsMax = max(1, rebootsMax)
        clamped.retransmitFirst = max(.milliseconds(100), retransmitFirst)
        clamped.retransmitMax = max(clamped.retransmitFirst, retransmitMax)
        clamped.retransmitSpread = min(
            retransmitSpread, TimeSpan(nanoseconds: clamped.retransmitFirst.nanoseconds / 2))
        clamped.renewIntervalMin = max(.seconds(1), renewIntervalMin)
        clamped.leaseSecondsMin = max(1, leaseSecondsMin)
        clamped.prefixLengthMin = min(max(1, prefixLengthMin), 32)
        clamped.routersMax = max(0, routersMax)
        clamped.routesMax = max(0, routesMax)
        clamped.nameServersMax = max(0, nameServersMax)
        if let name = hostName, !(1...253).contains(name.utf8.count) || !name.utf8.allSatisfy({ $0 < 0x80 }) {
            clamped.hostName = nil
        }
        // An identifier has at least a type and a byte (RFC 2132 §9.14).
        if let identifier = clientIdentifier, !(2...255).contains(identifier.count) { clamped.clientIdentifier = nil }
        return clamped
    }
}
