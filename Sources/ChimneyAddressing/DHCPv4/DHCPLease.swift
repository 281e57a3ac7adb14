public import ChimneyPrimitives
public import ChimneyWire

/// An address that a server lends, and what it says about the network.
public struct DHCPLease: Hashable, Sendable {
    /// The address.
    public var address: IPv4Address
    /// The length of its on-link prefix.
    public var prefixLength: Int
    /// The server that lends it.
    public var server: IPv4Address
    /// Default routers, best first; none where ``routes`` take their place (RFC 3442).
    public var routers: [IPv4Address] = []
    /// Routes by prefix; a gateway of 0.0.0.0 says that the destination is on the link.
    public var routes: [DHCPv4Route] = []
    /// Name servers, best first.
    public var nameServers: [IPv4Address] = []
    /// The domain to look names up in.
    public var domain: String?
    /// The MTU of the link.
    public var mtu: Int?
    /// When the server is asked for more time; never for an address that is lent for ever.
    public var renewsAt = Instant.never
    /// When all servers are asked for more time.
    public var rebindsAt = Instant.never
    /// When the address is no longer ours.
    public var expiresAt = Instant.never
}

/// What a server offers or grants, before it is known from when on.
struct DHCPTerms: Hashable, Sendable {
    var lease: DHCPLease
    /// For how many seconds; all ones is for ever.
    var seconds: UInt32
    /// After how many the client asks its server for more, and after how many all servers.
    var renewal: UInt32
    var rebinding: UInt32

    /// What must be right for an offer or a grant to be taken.
    private struct Essentials {
        var mask: IPv4Address?
        var seconds: UInt32?
        var server: IPv4Address?

        init(_ message: DHCPv4View) throws(DHCPv4Error) {
            mask = try message.address(.subnetMask)
            seconds = try message.uint32(.leaseTime)
            server = try message.address(.serverIdentifier)
        }
    }

    /// Reads what a server says and refuses what no honest server says.
    ///
    /// What is only advice, such as the MTU, is ignored where it makes no sense.
    init(_ message: DHCPv4View, settings: DHCPSettings) throws(DHCPDrop) {
        let essentials: Essentials
        do throws(DHCPv4Error) { essentials = try Essentials(message) } catch { throw DHCPDrop(error) }
        guard let server = essentials.server else { throw .noServerIdentifier }
        guard server.isHost else { throw .badServerIdentifier }
        guard let seconds = essentials.seconds else { throw .noLeaseTime }
        guard seconds >= settings.leaseSecondsMin else { throw .leaseTooShort }
        let address = message.yourAddress
        guard address.isHost, address != server else { throw .badAddress }
        let mask = essentials.mask ?? address.classMask
        let length = (~mask.bits).leadingZeroBitCount
        guard mask.bits == IPv4Address(bits: .max).masked(to: length).bits, length >= settings.prefixLengthMin else {
            throw .badMask
        }
        let subnet = IPv4Prefix(address, length: length)
        guard length >= 31 || (address != subnet.address && address != subnet.lastAddress) else { throw .badAddress }

        lease = DHCPLease(address: address, prefixLength: length, server: server)
        self.seconds = seconds
        // T1 and T2 are advice: where their order makes no sense, the defaults hold (RFC 2131 §4.4.5).
        rebinding = UInt32(UInt64(seconds) * 7 / 8)
        renewal = seconds / 2
        let toldRebinding = (try? message.uint32(.rebindingTime)) ?? rebinding
        let toldRenewal = (try? message.uint32(.renewalTime)) ?? min(renewal, toldRebinding)
        if toldRenewal > 0, toldRenewal <= toldRebinding, toldRebinding < seconds {
            (renewal, rebinding) = (toldRenewal, toldRebinding)
        }
        readAdvice(message, settings: settings)
    }

    private mutating func readAdvice(_ message: DHCPv4View, settings: DHCPSettings) {
        func hosts(_ code: DHCPv4OptionCode, max: Int) -> [IPv4Address] {
            var hosts: [IPv4Address] = []
            for host in (try? message.addresses(code, max: max)) ?? []
            where host.isHost && host != lease.address && !hosts.contains(host) { hosts.append(host) }
            return hosts
        }
        lease.routers = hosts(.router, max: settings.routersMax)
        lease.nameServers = hosts(.nameServer, max: settings.nameServersMax)
        lease.routes = ((try? message.classlessRoutes(max: settings.routesMax)) ?? []).filter { route in
            (route.gateway.isAny || route.gateway.isHost && route.gateway != lease.address)
                && !route.destination.address.isMulticast && !route.destination.address.isLoopback
        }
        // RFC 3442: with routes by prefix, the routers are ignored.
        if !lease.routes.isEmpty { lease.routers = [] }
        if let mtu = try? message.uint16(.interfaceMTU), mtu >= settings.mtuMin { lease.mtu = Int(mtu) }
        if let domain = try? message.text(.domainName), domain.isDomainName { lease.domain = domain }
    }

    /// The lease, counted from when it was asked for (RFC 2131 §4.4.1).
    ///
    /// T1 and T2 come up to a sixteenth early, so that clients that began together do not renew together
    /// (RFC 2131 §4.4.5).
    func lease(from asked: Instant, using random: inout StackRandom) -> DHCPLease {
        guard seconds != .max else { return lease }
        var lease = lease
        func early(_ seconds: UInt32) -> TimeSpan {
            let span = TimeSpan.seconds(Int64(seconds))
            return span - random.delay(upTo: TimeSpan(nanoseconds: span.nanoseconds / 16))
        }
        lease.expiresAt = asked + .seconds(Int64(seconds))
        lease.renewsAt = asked + early(renewal)
        lease.rebindsAt = max(lease.renewsAt, asked + early(rebinding))
        return lease
    }
}

extension IPv4Address {
    /// Whether a host may have the address.
    var isHost: Bool { isValidSource && !isThisNetwork }

    /// The mask of the address's class, for servers that tell none (RFC 791 §3.2).
    var classMask: IPv4Address {
        switch bits >> 30 {
        case 0, 1: IPv4Address(255, 0, 0, 0)
        case 2: IPv4Address(255, 255, 0, 0)
        default: IPv4Address(255, 255, 255, 0)
        }
    }
}

extension String {
    /// Whether this is a domain name of letters, digits and hyphens, and of no more than 253 bytes (RFC 1123 §2.1).
    ///
    /// What a server says here ends up in resolvers and scripts, which is why nothing else is let through.
    var isDomainName: Bool {
        let labels = utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard utf8.count <= 253 else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { byte in
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
                }
        }
    }
}
