package import ChimneyPrimitives
import ChimneyWire

/// The DHCPv4 client of one Ethernet interface.
///
/// The stack starts it, gives it every datagram to port 68 that arrives on the interface, sends what it writes, and
/// says how the conflict detection of a granted address ended. It knows no sockets, routes or neighbours.
///
/// - Note: RFC 2131; RFC 2132, RFC 3396 and RFC 3442 for the options.
package struct DHCPClient: Sendable {
    /// What it is busy with; the state of the RFC and what belongs to that state alone.
    enum Phase: Hashable {
        case stopped
        case starting
        case selecting(offers: [DHCPTerms])
        case requesting(DHCPTerms)
        case rebooting(IPv4Address)
        case checking
        case bound
        case renewing
        case rebinding
    }

    /// Messages that belong together.
    struct Exchange {
        var transaction: UInt32 = 0
        /// When the search began, for the field that tells servers how long it takes.
        var began = Instant.zero
        /// What that field said last.
        var seconds: UInt16 = 0
        /// When the answer to come was first asked for: a lease counts from here.
        var asked = Instant.zero
        var sent = 0
    }

    package let interface: UInt32
    var mac: MACAddress
    /// What servers know the client by; it outlasts a change of the link address.
    let identifier: [UInt8]
    let settings: DHCPSettings
    var phase = Phase.stopped
    var exchange = Exchange()
    /// The address to ask for, from an earlier lease.
    var wish: IPv4Address?
    /// Whether that is asked for without a search (RFC 2131 §3.2).
    var reboots = false
    var failures = 0
    var isUp = true
    var due = Instant.never
    /// What is held, if anything.
    package internal(set) var lease: DHCPLease?
    /// Whether nobody else was found to have the address of the lease.
    var isProven = false

    /// A client that does nothing until it is started.
    package init(interface: UInt32, mac: MACAddress, settings: DHCPSettings = .init()) {
        self.interface = interface
        self.mac = mac
        self.settings = settings.clamped
        let ethernet: [UInt8] = [1] + (0..<6).map { UInt8(truncatingIfNeeded: mac.bits >> UInt64(40 - 8 * $0)) }
        identifier = self.settings.clientIdentifier ?? ethernet
    }

    /// How far it has come.
    package var state: DHCPState {
        switch phase {
        case .stopped: .stopped
        case .starting: .starting
        case .selecting: .selecting
        case .requesting: .requesting
        case .rebooting: .rebooting
        case .checking: .checking
        case .bound: .bound
        case .renewing: .renewing
        case .rebinding: .rebinding
        }
    }

    /// When ``timerFired(at:using:output:)`` wants to be called.
    package var deadline: Instant? {
        let earliest = min(due, lease?.expiresAt ?? .never)
        return earliest == .never ? nil : earliest
    }

    /// Begins: with a search, or by asking for an address that the interface had before.
    ///
    /// Starting a client that is started changes nothing.
    package mutating func start(
        remembering address: IPv4Address? = nil, at now: Instant, using random: inout StackRandom
    ) {
        guard phase == .stopped else { return }
        wish = address
        reboots = address != nil
        failures = 0
        begin(after: random.delay(upTo: settings.startDelayMax), now)
    }

    /// Ends; an address is given back to its server (RFC 2131 §4.4.6).
    package mutating func stop(at now: Instant, using random: inout StackRandom, output: inout DHCPOutput) {
        if let lease {
            if isUp { sendRelease(of: lease, using: &random, output: &output) }
            lose(.released, output: &output)
        }
        phase = .stopped
        due = .never
    }

    /// The link came up: perhaps on another network, so that a lease is asked about again (RFC 2131 §3.7).
    package mutating func linkWentUp(at now: Instant, using random: inout StackRandom) {
        guard !isUp else { return }
        isUp = true
        guard phase != .stopped else { return }
        reboots = wish != nil
        begin(after: random.delay(upTo: settings.startDelayMax), now)
    }

    /// The link went down: nothing can be asked; a lease runs on.
    package mutating func linkWentDown() {
        isUp = false
        guard phase != .stopped else { return }
        phase = lease == nil ? .starting : isProven ? .bound : .checking
        due = .never
    }

    /// The interface has another link address, to which answers come from now on; a lease is kept.
    package mutating func setMAC(_ mac: MACAddress) { self.mac = mac }

    /// The stack found out whether another host has the address of the lease (RFC 2131 §4.4.1, RFC 5227 §2.1).
    ///
    /// A conflict that shows while the address is in use is told in the same way.
    package mutating func addressProved(
        _ address: IPv4Address, isFree: Bool, at now: Instant, using random: inout StackRandom,
        output: inout DHCPOutput
    ) {
        guard let lease, lease.address == address else { return }
        guard isFree else {
            if isUp { sendDecline(of: lease, using: &random, output: &output) }
            lose(.conflict, output: &output)
            wish = nil
            return restart(after: settings.declineWait, now, using: &random)
        }
        guard !isProven else { return }
        isProven = true
        failures = 0
        if phase == .checking { settle(at: lease) }
        output.events.append(DHCPEvent(interface: interface, kind: .leased(lease)))
    }

    /// The stack cannot take the address that was granted, perhaps because the operator gave it that address already:
    /// it is declined, and nothing is told as lost that never was there.
    package mutating func addressRefused(
        _ address: IPv4Address, at now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) {
        guard let lease, lease.address == address, !isProven else { return }
        if isUp { sendDecline(of: lease, using: &random, output: &output) }
        self.lease = nil
        wish = nil
        restart(after: settings.declineWait, now, using: &random)
    }

    /// Moves everything whose time has come; early and late calls do no harm.
    package mutating func timerFired(at now: Instant, using random: inout StackRandom, output: inout DHCPOutput) {
        if let lease, lease.expiresAt <= now {
            lose(.expired, output: &output)
            restart(now, using: &random)
        }
        guard isUp, due <= now else { return }
        switch phase {
        case .stopped, .checking:
            due = .never
        case .starting:
            startExchange(now, using: &random, output: &output)
        case .selecting(let offers):
            if let best = best(of: offers) {
                request(best, now, using: &random, output: &output)
            } else {
                sendDiscover(now, using: &random, output: &output)
            }
        case .requesting(let terms):
            guard exchange.sent < settings.requestsMax else { return restart(now, using: &random) }
            sendRequest(for: terms, now, using: &random, output: &output)
        case .rebooting(let address):
            guard exchange.sent < settings.rebootsMax else {
                reboots = false
                // A lease that runs may be used without a word from a server (RFC 2131 §3.2).
                if let lease { return settle(at: lease) }
                return startExchange(now, using: &random, output: &output)
            }
            sendReboot(for: address, now, using: &random, output: &output)
        case .bound, .renewing, .rebinding:
            guard let lease else { return restart(now, using: &random) }
            askForMore(lease, now, using: &random, output: &output)
        }
    }

    /// Waits, and then searches or asks for an address from before.
    mutating func begin(after wait: TimeSpan, _ now: Instant) {
        exchange.began = now
        phase = .starting
        due = isUp ? now + wait : .never
    }

    /// Begins anew after a failure: at once the first time, and then ever more slowly, lest a server that refuses
    /// all it offers keeps the link busy.
    mutating func restart(after wait: TimeSpan = .zero, _ now: Instant, using random: inout StackRandom) {
        failures = min(failures + 1, 64)
        reboots = false
        let pause = failures == 1 ? random.delay(upTo: settings.startDelayMax) : backoff(failures - 1, using: &random)
        begin(after: max(wait, pause), now)
    }

    /// Has the lease until its time for renewal comes, or first waits for the proof that it may be used.
    mutating func settle(at lease: DHCPLease) {
        phase = isProven ? .bound : .checking
        due = isProven && isUp ? lease.renewsAt : .never
    }

    /// Gives the lease up.
    mutating func lose(_ loss: DHCPLoss, output: inout DHCPOutput) {
        guard let lease else { return }
        output.events.append(DHCPEvent(interface: interface, kind: .lost(lease, loss)))
        self.lease = nil
        isProven = false
    }

    /// The wait after the `count`th message: doubling, with a little chance (RFC 2131 §4.1).
    func backoff(_ count: Int, using random: inout StackRandom) -> TimeSpan {
        let doubled = settings.retransmitFirst * (1 << min(max(0, count - 1), 16))
        return min(doubled, settings.retransmitMax) - settings.retransmitSpread
            + random.delay(upTo: settings.retransmitSpread * 2)
    }

    /// The offer of the address from before, or else one with a router, or else the longest, or else the first.
    private func best(of offers: [DHCPTerms]) -> DHCPTerms? {
        var best: DHCPTerms?
        for offer in offers {
            guard let other = best else {
                best = offer
                continue
            }
            if worth(of: other) < worth(of: offer) { best = offer }
        }
        return best
    }

    private func worth(of offer: DHCPTerms) -> UInt64 {
        let isWished = offer.lease.address == wish
        let hasRouter = !offer.lease.routers.isEmpty || !offer.lease.routes.isEmpty
        return (isWished ? 1 << 33 : 0) | (hasRouter ? 1 << 32 : 0) | UInt64(offer.seconds)
    }
}
