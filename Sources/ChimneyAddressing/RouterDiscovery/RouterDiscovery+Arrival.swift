package import ChimneyPrimitives
import ChimneyWire

extension RouterDiscovery {
    /// A router advertisement arrived, its checksum found right.
    ///
    /// - Parameters:
    ///   - message: the ICMPv6 message from its type on.
    ///   - source: who sent it.
    ///   - hopLimit: that of its packet.
    ///   - now: the time.
    ///   - random: where chance comes from.
    ///   - output: what is to be done.
    /// - Returns: why it was of no use, or `nil` when it was.
    package mutating func advertisementArrived(
        _ message: RawSpan, from source: IPv6Address, hopLimit: UInt8, at now: Instant,
        using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) -> RouterDiscoveryDrop? {
        guard isStarted else { return .notListening }
        guard hopLimit == NDPMessage.hopLimit else { return .hopLimit }
        guard source.isLinkLocal else { return .sourceNotLinkLocal }
        guard !addresses.contains(where: { $0.address == source && $0.state == .assigned }) else { return .looped }
        do throws(ICMPv6Error) {
            guard try ICMPv6View(message).type == .routerAdvertisement else { return .unknownCode }
            read(try RouterAdvertisementView(message), from: source, now, using: &random, output: &output)
            reschedule()
            return nil
        } catch {
            return RouterDiscoveryDrop(error)
        }
    }

    private mutating func read(
        _ view: RouterAdvertisementView, from router: IPv6Address, _ now: Instant, using random: inout StackRandom,
        output: inout RouterDiscoveryOutput
    ) {
        tell(.routerSeen(router, view.options.sourceMAC.flatMap { $0.isMulticast || $0 == .zero ? nil : $0 }), &output)
        var told = parameters
        if settings.acceptsParameters { readParameters(view, into: &told) }
        readDefault(view, from: router, now, using: &random, output: &output)
        let (servers, domains) = (nameServers.map(\.value), searchDomains.map(\.value))
        var options = view.options.makeIterator()
        while let option = options.next() {
            switch option {
            case .prefixInformation(let prefix):
                prefixArrived(prefix, now, output: &output)
                autonomousArrived(prefix, now, using: &random, output: &output)
            case .routeInformation(let route):
                routeArrived(route, from: router, now, output: &output)
            case .mtu(let mtu):
                // No link of IPv6 has a smaller one (RFC 8200 §5), and no device carries more than it can.
                guard settings.acceptsParameters, mtu >= 1_280, Int64(mtu) <= Int64(deviceMTU) else { continue }
                told.mtu = Int(mtu)
            case .dnsServers(let list):
                for index in 0..<list.count where settings.acceptsNames && list[index].isServer {
                    keep(list[index], for: list.lifetimeSeconds, in: \.nameServers, max: settings.nameServersMax, now)
                }
            case .dnsSearchList(var list):
                while settings.acceptsNames, let domain = list.next() {
                    keep(domain, for: list.lifetimeSeconds, in: \.searchDomains, max: settings.searchDomainsMax, now)
                }
            case .sourceLinkAddress, .targetLinkAddress, .redirectedHeader, .nonce, .malformed, .other:
                break
            }
        }
        if told != parameters {
            parameters = told
            tell(.linkChanged(told), &output)
        }
        if servers != nameServers.map(\.value) { tell(.nameServersChanged(nameServers.map(\.value)), &output) }
        if domains != searchDomains.map(\.value) { tell(.searchDomainsChanged(searchDomains.map(\.value)), &output) }
    }

    /// What stands in the fixed fields; values that would break the host are taken for untold.
    private func readParameters(_ view: RouterAdvertisementView, into told: inout LinkParameters) {
        if view.hopLimit >= max(1, settings.hopLimitMin) { told.hopLimit = view.hopLimit }
        // An hour is the most a router may say (RFC 4861 §6.2.1); below a tenth of a second is a flood.
        let sane: ClosedRange<UInt32> = 100...3_600_000
        if sane.contains(view.reachableMilliseconds) {
            told.reachableTime = .milliseconds(Int64(view.reachableMilliseconds))
        }
        if sane.contains(view.retransmitMilliseconds) {
            told.retransmit = .milliseconds(Int64(view.retransmitMilliseconds))
        }
        told.isManaged = view.isManaged
        told.isOtherManaged = view.isOtherManaged
    }

    /// Whether the sender is a default router, and for how long (RFC 4861 §6.3.4).
    private mutating func readDefault(
        _ view: RouterAdvertisementView, from router: IPv6Address, _ now: Instant, using random: inout StackRandom,
        output: inout RouterDiscoveryOutput
    ) {
        var until = now + .seconds(Int64(view.lifetimeSeconds))
        var preference = view.preference
        // A route of length 0 stands above the header (RFC 4191 §3.1).
        var options = view.options.makeIterator()
        while settings.acceptsRoutes, let option = options.next() {
            guard case .routeInformation(let route) = option, route.prefix.length == 0 else { continue }
            until = now.after(seconds: route.lifetimeSeconds)
            preference = route.preference
        }
        if until > now { solicitation = nil }
        guard settings.acceptsDefaultRouters else { return }
        guard until > now else { return removeRouter(router, now, using: &random, output: &output) }
        if let place = routers.firstIndex(where: { $0.address == router }) {
            routers[place].until = until
            guard routers[place].preference != preference else { return }
            routers[place].preference = preference
            return tell(.routerChanged(router, preference), &output)
        }
        if routers.count >= settings.routersMax {
            guard let place = leastRouter, routers[place].preference < preference else { return refusedCount += 1 }
            tell(.routerRemoved(routers[place].address), &output)
            routers.remove(at: place)
        }
        routers.append(LearnedRouter(address: router, preference: preference, until: until))
        tell(.routerAdded(router, preference), &output)
    }

    /// The router of the lowest preference, and of those the newest.
    private var leastRouter: Int? {
        routers.indices.min { left, right in
            let (one, other) = (routers[left].preference, routers[right].preference)
            return one != other ? one < other : left > right
        }
    }

    /// A more specific route through the sender (RFC 4191 §3.1).
    private mutating func routeArrived(
        _ route: NDPRouteInformation, from router: IPv6Address, _ now: Instant, output: inout RouterDiscoveryOutput
    ) {
        guard settings.acceptsRoutes, route.prefix.length > 0, route.prefix.isRoutable else { return }
        let place = routes.firstIndex { $0.prefix == route.prefix && $0.router == router }
        let until = now.after(seconds: route.lifetimeSeconds)
        guard until > now else {
            guard let place else { return }
            routes.remove(at: place)
            return tell(.routeRemoved(route.prefix, via: router), &output)
        }
        if let place {
            routes[place].until = until
            guard routes[place].preference != route.preference else { return }
            routes[place].preference = route.preference
            return tell(.routeChanged(route.prefix, via: router, route.preference), &output)
        }
        guard routes.count < settings.routesMax else { return refusedCount += 1 }
        routes.append(
            LearnedRoute(prefix: route.prefix, router: router, preference: route.preference, until: until))
        tell(.routeAdded(route.prefix, via: router, route.preference), &output)
    }

    /// Whether hosts with the prefix are on the link (RFC 4861 §6.3.4).
    private mutating func prefixArrived(
        _ told: NDPPrefixInformation, _ now: Instant, output: inout RouterDiscoveryOutput
    ) {
        let prefix = told.prefix
        guard settings.acceptsPrefixes, told.isOnLink, prefix.isRoutable, prefix.length >= settings.prefixLengthMin
        else { return }
        let place = prefixes.firstIndex { $0.prefix == prefix }
        let until = now.after(seconds: told.validSeconds)
        guard until > now else {
            guard let place else { return }
            prefixes.remove(at: place)
            return tell(.prefixRemoved(prefix), &output)
        }
        if let place {
            prefixes[place].until = until
            return
        }
        guard prefixes.count < settings.prefixesMax else { return refusedCount += 1 }
        prefixes.append(LearnedPrefix(prefix: prefix, until: until))
        tell(.prefixAdded(prefix), &output)
    }

    /// Keeps a server or domain for its time, zero of which ends it (RFC 8106 §6.1).
    private mutating func keep<Value>(
        _ value: Value, for seconds: UInt32, in list: WritableKeyPath<Self, [LearnedName<Value>]>, max: Int,
        _ now: Instant
    ) {
        let place = self[keyPath: list].firstIndex { $0.value == value }
        let until = now.after(seconds: seconds)
        guard until > now else {
            if let place { self[keyPath: list].remove(at: place) }
            return
        }
        if let place {
            self[keyPath: list][place].until = until
            return
        }
        if self[keyPath: list].count >= max {
            guard
                let soonest = self[keyPath: list].indices.min(by: {
                    self[keyPath: list][$0].until < self[keyPath: list][$1].until
                }), self[keyPath: list][soonest].until < until
            else { return refusedCount += 1 }
            self[keyPath: list].remove(at: soonest)
        }
        self[keyPath: list].append(LearnedName(value: value, until: until))
    }

    /// Forgets servers and domains whose time is over.
    mutating func expireNames(_ now: Instant, output: inout RouterDiscoveryOutput) {
        if nameServers.contains(where: { $0.until <= now }) {
            nameServers.removeAll { $0.until <= now }
            tell(.nameServersChanged(nameServers.map(\.value)), &output)
        }
        if searchDomains.contains(where: { $0.until <= now }) {
            searchDomains.removeAll { $0.until <= now }
            tell(.searchDomainsChanged(searchDomains.map(\.value)), &output)
        }
    }
}

extension IPv6Prefix {
    /// Whether a router may tell of the prefix: link-local addresses are on every link, groups and the loopback on
    /// none (RFC 4861 §6.3.4).
    var isRoutable: Bool {
        !address.isLinkLocal && !address.isMulticast && !(length == 128 && address.isLoopback)
            && !(length >= 16 && address.isAny)
    }
}

extension IPv6Address {
    /// Whether a server may have the address.
    var isServer: Bool { !isAny && !isLoopback && !isMulticast }
}
