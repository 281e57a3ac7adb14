package import ChimneyPrimitives
import ChimneyWire

/// The host's side of router discovery and address autoconfiguration on one interface.
///
/// It asks for routers, keeps what they tell for as long as they say, and makes addresses of their prefixes. The
/// stack gives it every router advertisement of the interface, takes and checks the addresses it wants, and acts on
/// what it learns. It knows no neighbours and no routes but those that routers tell.
///
/// - Note: RFC 4861 §6.3, RFC 4862 §5, RFC 4191, RFC 7217, RFC 7559, RFC 8106, RFC 8981.
package struct RouterDiscovery: Sendable {
    package let interface: UInt32
    let settings: RouterDiscoverySettings
    var identifiers: IdentifierSource
    /// The MTU of the device, which no router can raise.
    var deviceMTU: Int
    var isStarted = false
    var isUp = true
    /// The next question for routers and the wait that led to it; `nil` while none is to be asked.
    var solicitation: (due: Instant, wait: TimeSpan)?
    /// When the next lifetime, attempt or question is due.
    var due = Instant.never

    var routers: [LearnedRouter] = []
    var routes: [LearnedRoute] = []
    var prefixes: [LearnedPrefix] = []
    /// The link-local address first, then those of prefixes in the order in which they were made.
    var addresses: [LearnedAddress] = []
    var nameServers: [LearnedName<IPv6Address>] = []
    var searchDomains: [LearnedName<DomainName>] = []
    /// What routers told of the link.
    package internal(set) var parameters = LinkParameters()
    /// How often something was refused because its table was full.
    package internal(set) var refusedCount = 0

    /// Discovery for an interface, which does nothing until it is started.
    ///
    /// - Parameters:
    ///   - interface: its number.
    ///   - mac: its link address.
    ///   - name: what it is called, from which its stable identifiers are made.
    ///   - mtu: what its device can carry.
    ///   - settings: what is taken from routers.
    ///   - secret: the key of the stable identifiers, which must be the same on every run (RFC 7217 §5).
    package init(
        interface: UInt32, mac: MACAddress, name: String, mtu: Int, settings: RouterDiscoverySettings = .init(),
        secret: KeyedHash
    ) {
        self.interface = interface
        self.settings = settings.clamped
        deviceMTU = mtu
        identifiers = IdentifierSource(
            mac: mac, name: Array(name.utf8), network: self.settings.networkIdentifier, secret: secret)
    }

    /// When ``timerFired(at:using:output:)`` wants to be called.
    package var deadline: Instant? { due == .never ? nil : due }

    /// The default routers, those of the highest preference first.
    package var defaultRouters: [IPv6Address] {
        routers.sorted { $0.preference != $1.preference ? $1.preference < $0.preference : $0.address < $1.address }
            .map(\.address)
    }

    /// The addresses that are ours or being checked.
    package var madeAddresses: [MadeAddress] { addresses.filter(\.isHeld).map(\.told) }

    /// The link-local address, once it is known to be nobody else's.
    package var linkLocal: IPv6Address? {
        addresses.first { $0.kind == .linkLocal && $0.state == .assigned }?.address
    }

    /// Begins: makes the link-local address and asks for routers.
    ///
    /// Starting what is started changes nothing.
    package mutating func start(
        at now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        guard !isStarted else { return }
        isStarted = true
        addresses = [
            LearnedAddress(
                prefix: .linkLocal, kind: .linkLocal, address: .any, preferredUntil: .never, validUntil: .never,
                made: now)
        ]
        attempt(0, now, using: &random, output: &output)
        solicitAnew(now, using: &random)
        reschedule()
    }

    /// Ends: forgets everything, and says so.
    package mutating func stop(output: inout RouterDiscoveryOutput) {
        guard isStarted else { return }
        isStarted = false
        for router in routers { tell(.routerRemoved(router.address), &output) }
        for route in routes { tell(.routeRemoved(route.prefix, via: route.router), &output) }
        for prefix in prefixes { tell(.prefixRemoved(prefix.prefix), &output) }
        for address in addresses where address.isHeld { tell(.addressRemoved(address.address), &output) }
        if !nameServers.isEmpty { tell(.nameServersChanged([]), &output) }
        if !searchDomains.isEmpty { tell(.searchDomainsChanged([]), &output) }
        if parameters != LinkParameters() { tell(.linkChanged(LinkParameters()), &output) }
        (routers, routes, prefixes, addresses) = ([], [], [], [])
        (nameServers, searchDomains, parameters) = ([], [], LinkParameters())
        solicitation = nil
        reschedule()
    }

    /// The link came up, perhaps on another network: routers are asked for again (RFC 4861 §6.3.7).
    package mutating func linkWentUp(at now: Instant, using random: inout StackRandom) {
        guard !isUp else { return }
        isUp = true
        if isStarted { solicitAnew(now, using: &random) }
        reschedule()
    }

    /// The link went down: nothing is asked; lifetimes run on.
    package mutating func linkWentDown() {
        isUp = false
        solicitation = nil
        reschedule()
    }

    /// The interface has another link address; addresses that were made of the old one are kept.
    package mutating func setMAC(_ mac: MACAddress) { identifiers.mac = mac }

    /// The device carries more or less than before; the MTU of a router that is too large for it is forgotten.
    package mutating func setMTU(_ mtu: Int, output: inout RouterDiscoveryOutput) {
        deviceMTU = mtu
        guard let told = parameters.mtu, told > mtu else { return }
        parameters.mtu = nil
        tell(.linkChanged(parameters), &output)
    }

    /// A neighbour says that it is a router no longer (RFC 4861 §7.2.5).
    package mutating func routerLeft(
        _ address: IPv6Address, at now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        guard routers.contains(where: { $0.address == address }) || routes.contains(where: { $0.router == address })
        else { return }
        removeRouter(address, now, using: &random, output: &output)
        for route in routes where route.router == address {
            tell(.routeRemoved(route.prefix, via: route.router), &output)
        }
        routes.removeAll { $0.router == address }
        reschedule()
    }

    /// Moves everything whose time has come; early and late calls do no harm.
    package mutating func timerFired(
        at now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        guard due <= now else { return }
        for router in routers where router.until <= now {
            removeRouter(router.address, now, using: &random, output: &output)
        }
        for route in routes where route.until <= now {
            tell(.routeRemoved(route.prefix, via: route.router), &output)
        }
        routes.removeAll { $0.until <= now }
        for prefix in prefixes where prefix.until <= now { tell(.prefixRemoved(prefix.prefix), &output) }
        prefixes.removeAll { $0.until <= now }
        addressesDue(now, using: &random, output: &output)
        expireNames(now, output: &output)
        if let question = solicitation, question.due <= now {
            solicit(after: question.wait, now, using: &random, output: &output)
        }
        reschedule()
    }

    /// Takes a default router away; when it was the last, routers are asked for.
    mutating func removeRouter(
        _ address: IPv6Address, _ now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        guard let place = routers.firstIndex(where: { $0.address == address }) else { return }
        routers.remove(at: place)
        tell(.routerRemoved(address), &output)
        if routers.isEmpty, isUp { solicitAnew(now, using: &random) }
    }

    /// Asks for routers after a random wait (RFC 4861 §6.3.7).
    mutating func solicitAnew(_ now: Instant, using random: inout StackRandom) {
        solicitation =
            isUp && settings.asksForRouters ? (now + random.delay(upTo: settings.solicitationDelayMax), .zero) : nil
    }

    /// Asks for routers and sets the time of the next question, about twice as far off as the last (RFC 7559 §2).
    private mutating func solicit(
        after wait: TimeSpan, _ now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        let source = linkLocal
        output.messages.append(
            RouterTransmission(
                interface: interface, source: source ?? .any, destination: .allRouters,
                message: .routerSolicitation(RouterSolicitation(sourceMAC: source == nil ? nil : identifiers.mac))))
        var next = wait == .zero ? settings.solicitationInterval : wait * 2
        next = min(next, settings.solicitationIntervalMax)
        // A tenth more or less, so that hosts that began together do not go on together.
        let tenth = TimeSpan(nanoseconds: next.nanoseconds / 10)
        next = next - tenth + random.delay(upTo: tenth * 2)
        solicitation = (now + next, next)
    }

    /// Finds the next time at which something is due.
    mutating func reschedule() {
        due = isStarted ? solicitation?.due ?? .never : .never
        for router in routers { due = min(due, router.until) }
        for route in routes { due = min(due, route.until) }
        for prefix in prefixes { due = min(due, prefix.until) }
        for address in addresses { due = min(due, self.due(of: address)) }
        for server in nameServers { due = min(due, server.until) }
        for domain in searchDomains { due = min(due, domain.until) }
    }

    func tell(_ kind: RouterDiscoveryEvent.Kind, _ output: inout RouterDiscoveryOutput) {
        output.events.append(RouterDiscoveryEvent(interface: interface, kind: kind))
    }
}

extension IPv6Prefix {
    /// `fe80::/64`, of which link-local addresses are made (RFC 4291 §2.5.6).
    static var linkLocal: Self { Self(IPv6Address(high: 0xFE80 << 48, low: 0), length: 64) }
}
