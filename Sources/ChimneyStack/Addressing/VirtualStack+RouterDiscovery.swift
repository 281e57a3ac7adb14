import ChimneyAddressing
public import ChimneyLink
import ChimneyNeighbors
public import ChimneyPrimitives
import ChimneyRouting
import ChimneyWire

extension VirtualStack {
    /// The default routers that an interface has learned, the preferred first.
    public func defaultRouters(of index: InterfaceIndex) -> [IPv6Address] {
        ports.position(of: index).flatMap { ports[$0].discovery?.defaultRouters } ?? []
    }

    /// The name servers that DHCP and routers told an interface of, those of DHCP first.
    public func nameServers(of index: InterfaceIndex) -> [IPAddress] {
        guard let port = ports.position(of: index) else { return [] }
        return ports[port].dhcpNameServers.map { .v4($0) } + ports[port].nameServers.map { .v6($0) }
    }

    /// Begins to speak IPv6 on a link: neighbour discovery, a link-local address, and where the interface
    /// configures itself the question for routers.
    mutating func attachDiscovery(_ port: SlotID) {
        let index = ports[port].index
        // The interface is new and its link address was checked, so neither call can refuse.
        try? ndp.attach(index.rawValue, mac: ports[port].mac)
        try? ndp.setRouter(settings.forwarding && ports[port].forwards, of: index.rawValue)
        var wanted = settings.routerDiscovery
        if ports[port].ipv6 != .automatic {
            wanted = .router
            wanted.identifiers = settings.routerDiscovery.identifiers
        }
        ports[port].discovery = RouterDiscovery(
            interface: index.rawValue, mac: ports[port].mac, name: interfaceName(index), mtu: ports[port].mtu,
            settings: wanted, secret: identifierSecret)
        ports[port].discovery?.start(at: now, using: &random, output: &discoveryOutput)
        settleDiscovery()
        rescheduleAddressing()
    }

    mutating func detachDiscovery(_ port: SlotID) {
        let index = ports[port].index
        ndp.detach(index.rawValue, output: &ndpOutput)
        ports[port].discovery?.stop(output: &discoveryOutput)
        settleDiscovery()
        ports[port].discovery = nil
        ports[port].advertiser = nil
        ports[port].ipv6Addresses.removeAll()
        joinOwnGroups(port)
        rescheduleAddressing()
    }

    /// The link is gone, or back and perhaps another one: every address is asked for anew (RFC 4862 §5.4).
    mutating func linkChanged(_ port: SlotID, isUp: Bool) {
        guard ports[port].kind == .ethernet, ports[port].ipv6 != .off else { return }
        let index = ports[port].index.rawValue
        if isUp {
            ndp.linkWentUp(index, at: now, using: &random, output: &ndpOutput)
            ports[port].discovery?.linkWentUp(at: now, using: &random)
            ports[port].advertiser?.linkWentUp(at: now, using: &random)
        } else {
            ndp.linkWentDown(index, output: &ndpOutput)
            ports[port].discovery?.linkWentDown()
            ports[port].advertiser?.linkWentDown()
            for position in ports[port].ipv6Addresses.indices
            where ports[port].ipv6Addresses[position].state != .duplicate {
                ports[port].ipv6Addresses[position].state = .tentative
            }
            rebuildLocal()
        }
        settleDiscovery()
        rescheduleAddressing()
    }

    mutating func linkAddressChanged(_ port: SlotID) {
        let mac = ports[port].mac
        ports[port].dhcp?.setMAC(mac)
        guard ports[port].ipv6 != .off else { return }
        ports[port].discovery?.setMAC(mac)
        ports[port].advertiser?.setMAC(mac, at: now, using: &random)
        try? ndp.setMAC(ports[port].mac, of: ports[port].index.rawValue, at: now, output: &ndpOutput)
        settleDiscovery()
        rescheduleAddressing()
    }

    mutating func linkMTUChanged(_ port: SlotID) {
        let mtu = ports[port].mtu
        ports[port].discovery?.setMTU(mtu, output: &discoveryOutput)
        settleDiscovery()
        rescheduleAddressing()
    }

    /// A router advertisement arrived: why it was of no use, or `nil`.
    mutating func advertisementArrived(_ message: RawSpan, _ fields: IPv6Fields, _ port: SlotID) -> DropReason? {
        guard ports[port].ipv6 == .automatic else { return .ndpNotHost }
        let drop = ports[port].discovery?.advertisementArrived(
            message, from: fields.source, hopLimit: fields.hopLimit, at: now, using: &random,
            output: &discoveryOutput)
        rescheduleAddressing()
        return drop?.reason
    }

    mutating func send(_ transmission: RouterTransmission) {
        send(
            transmission.message, on: transmission.interface, from: transmission.source,
            to: transmission.destination, mac: MACAddress(group: transmission.destination))
    }

    /// Takes what router discovery learned of a link.
    mutating func settle(_ event: RouterDiscoveryEvent) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: event.interface)) else { return }
        switch event.kind {
        case .routerSeen(let router, let mac):
            ndp.linkAddressLearned(
                router, mac: mac, isRouter: true, on: event.interface, at: now, using: &random, output: &ndpOutput)
        case .routerAdded(let router, let preference), .routerChanged(let router, let preference):
            learn(.all, through: router, preference, on: event.interface)
        case .routerRemoved(let router): forget(.all, through: router, on: event.interface)
        case .routeAdded(let prefix, let router, let preference), .routeChanged(let prefix, let router, let preference):
            learn(prefix, through: router, preference, on: event.interface)
        case .routeRemoved(let prefix, let router): forget(prefix, through: router, on: event.interface)
        case .prefixAdded(let prefix):
            _ = addConnected(prefix, interface: event.interface, origin: .automatic)
        case .prefixRemoved(let prefix):
            let isOwn = ports[port].ipv6Addresses.contains { $0.origin == .manual && $0.prefix == prefix }
            if !isOwn { removeConnected(prefix, interface: event.interface) }
        case .addressWanted(let made): take(made, port)
        case .addressDeprecated(let address): setDeprecated(address, true, port)
        case .addressPreferred(let address): setDeprecated(address, false, port)
        case .addressRemoved(let address):
            try? removeAddress(address, from: ports[port].index, at: now)
        case .addressFailed: break
        case .linkChanged(let parameters):
            ports[port].advertisedHopLimit = parameters.hopLimit
            ports[port].advertisedMTU = parameters.mtu
            try? ndp.setTimes(
                reachable: parameters.reachableTime, retransmit: parameters.retransmit, of: event.interface)
            generation &+= 1
        case .nameServersChanged(let servers): ports[port].nameServers = servers
        case .searchDomainsChanged(let domains): ports[port].searchDomains = domains
        }
    }

    /// A neighbour stopped being a router, fell silent or is heard again: others are preferred meanwhile (RFC 4861 §6.3.6).
    mutating func settle(_ event: NeighborRouterEvent<IPv6Address>) {
        guard let port = ports.position(of: InterfaceIndex(rawValue: event.interface)) else { return }
        switch event.kind {
        case .reachable: setDoubted(event.address, false, port)
        case .unreachable: setDoubted(event.address, true, port)
        case .ceased:
            ports[port].discovery?.routerLeft(event.address, at: now, using: &random, output: &discoveryOutput)
        }
    }

    /// Installs a route that a router advertised, in all tables; the preferred has the lowest metric (RFC 4191 §3.2).
    private mutating func learn(
        _ prefix: IPv6Prefix, through router: IPv6Address, _ preference: RouterPreference, on interface: UInt32
    ) {
        let metric: UInt32 =
            switch preference {
            case .high: 512
            case .medium: 1_024
            case .low: 2_048
            }
        forget(prefix, through: router, on: interface)
        let route = IPv6Route(prefix, .gateway(router, on: interface), metric: metric, origin: .automatic)
        try? ipv6Routes.add(route, fib: .all)
        generation &+= 1
    }

    private mutating func forget(_ prefix: IPv6Prefix, through router: IPv6Address, on interface: UInt32) {
        _ = try? ipv6Routes.remove(prefix, nextHop: .gateway(router, on: interface), fib: .all)
        generation &+= 1
    }

    /// Moves the default route through a router behind those of routers that answer, or back.
    private mutating func setDoubted(_ router: IPv6Address, _ isDoubted: Bool, _ port: SlotID) {
        let interface = ports[port].index.rawValue
        let hop = IPv6NextHop.gateway(router, on: interface)
        let known = ipv6Routes.tables[0].listing(of: .all).first {
            $0.route.nextHop == hop && $0.route.origin == .automatic
        }
        guard let known, (known.route.metric >= Self.doubt) != isDoubted else { return }
        var route = known.route
        route.metric = isDoubted ? route.metric + Self.doubt : route.metric - Self.doubt
        forget(.all, through: router, on: interface)
        try? ipv6Routes.add(route, fib: .all)
        generation &+= 1
    }

    /// What is added to the metric of a router that does not answer.
    private static var doubt: UInt32 { 1 << 16 }

    /// Takes an address that router discovery made.
    private mutating func take(_ made: MadeAddress, _ port: SlotID) {
        do throws(AddressError) {
            try checkAddable(made.address, prefixLength: made.prefix.length, port)
        } catch {
            ports[port].discovery?.addressRefused(made.address, output: &discoveryOutput)
            return
        }
        let address = IPv6InterfaceAddress(
            made.address, prefixLength: made.prefix.length, origin: IPv6InterfaceAddress.Origin(made.kind))
        start(address, port)
    }

    private mutating func setDeprecated(_ address: IPv6Address, _ isDeprecated: Bool, _ port: SlotID) {
        guard let position = ports[port].ipv6Addresses.firstIndex(where: { $0.address == address }) else { return }
        ports[port].ipv6Addresses[position].isDeprecated = isDeprecated
        generation &+= 1
    }

    /// The addresses of an interface with the lifetimes that routers keep renewing.
    func shownIPv6Addresses(_ port: SlotID) -> [IPv6InterfaceAddress] {
        var shown = ports[port].ipv6Addresses
        for made in ports[port].discovery?.madeAddresses ?? [] {
            guard let position = shown.firstIndex(where: { $0.address == made.address }) else { continue }
            shown[position].preferredUntil = made.preferredUntil == .never ? nil : made.preferredUntil
            shown[position].validUntil = made.validUntil == .never ? nil : made.validUntil
        }
        return shown
    }

    /// Lets an interface speak IPv6 in another way than before; what it learned is forgotten, what the operator gave it stays.
    ///
    /// - Throws: ``InterfaceError``; nothing is changed.
    public mutating func setIPv6(_ mode: IPv6Mode, on index: InterfaceIndex, at now: Instant) throws(InterfaceError) {
        beginRound(at: now)
        guard let port = ports.position(of: index), port != loopback else { throw .noSuchInterface }
        guard mode == .off || ports[port].mtu >= 1_280 else { throw .mtuTooSmallForIPv6(ports[port].mtu) }
        guard mode != ports[port].ipv6 else { return }
        let given = ports[port].ipv6Addresses.filter { $0.origin == .manual }
        for address in ports[port].ipv6Addresses { try? removeAddress(address.address, from: index, at: now) }
        detachDiscovery(port)
        ports[port].ipv6 = mode
        listenerLinkChanged(port)
        startIPv6(port)
        guard mode != .off else { return rebuildLocal() }
        for address in given {
            try? addAddress(address.address, prefixLength: address.prefixLength, to: index, at: now)
        }
    }
}

extension IPv6InterfaceAddress.Origin {
    init(_ kind: MadeAddress.Kind) {
        switch kind {
        case .linkLocal: self = .linkLocal
        case .stable: self = .automatic
        case .temporary: self = .temporary
        }
    }
}

extension RouterDiscoveryDrop {
    var reason: DropReason {
        switch self {
        case .truncated, .unknownCode, .optionWithoutLength, .optionTruncated, .tooManyOptions: .ndpMalformed
        case .hopLimit: .ndpHopLimit
        case .sourceNotLinkLocal, .badSource: .ndpBadSource
        case .looped: .ndpLooped
        case .notListening: .ndpNotHost
        }
    }
}
