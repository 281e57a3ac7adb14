package import ChimneyPrimitives
import ChimneyWire

/// Who asked for routers, and where on the link that is: a neighbour to remember (RFC 4861 §6.2.6).
package struct SolicitingHost: Hashable, Sendable {
    /// The interface it is on.
    package let interface: UInt32
    /// Its address.
    package let address: IPv6Address
    /// Where on the link it is, if it said so.
    package let mac: MACAddress?
}

/// What a router's side wants done; the stack empties it after every call.
package struct RouterAdvertiserOutput: ~Copyable {
    /// Messages to send.
    package var messages = OutputList<RouterTransmission>()
    /// Hosts that asked.
    package var hosts = OutputList<SolicitingHost>()

    package init() {}

    /// Whether nothing is wanted.
    package var isEmpty: Bool { messages.isEmpty && hosts.isEmpty }
}

/// The router's side of router discovery on one interface: it tells hosts of itself and the link.
///
/// It speaks at random times, soon after it is asked, and never more often than every three seconds; every
/// advertisement goes to all hosts, so that any number of questions costs one. When it stops it says that it is
/// no default router any longer.
///
/// - Note: RFC 4861 §6.2.
package struct RouterAdvertiser: Sendable {
    /// How far it has come.
    private enum Phase: Hashable {
        case stopped
        /// It speaks; the first advertisements come sooner than the later ones.
        case advertising(sent: Int)
        /// It takes its leave this many more times.
        case leaving(left: Int)
    }

    package let interface: UInt32
    /// What it tells.
    package private(set) var settings: RouterAdvertiserSettings
    private var mac: MACAddress
    private var source = IPv6Address.any
    private var phase = Phase.stopped
    private var isUp = true
    private var due = Instant.never
    private var lastSent: Instant?

    /// How many advertisements come early, so that hosts find a new router soon (MAX_INITIAL_RTR_ADVERTISEMENTS).
    private static var initialCount: Int { 3 }
    /// The longest time between those (MAX_INITIAL_RTR_ADVERT_INTERVAL).
    private static var initialInterval: TimeSpan { .seconds(16) }
    /// How often it takes its leave (MAX_FINAL_RTR_ADVERTISEMENTS).
    private static var finalCount: Int { 3 }
    /// The shortest time between two advertisements to all hosts (MIN_DELAY_BETWEEN_RAS).
    private static var pause: TimeSpan { .seconds(3) }
    /// The longest wait before an answer (MAX_RA_DELAY_TIME).
    private static var answerDelay: TimeSpan { .milliseconds(500) }

    /// An advertiser that says nothing until it is started.
    package init(
        interface: UInt32, mac: MACAddress, settings: RouterAdvertiserSettings
    ) throws(RouterAdvertiserError) {
        self.interface = interface
        self.mac = mac
        self.settings = try settings.validated()
    }

    /// Whether it tells hosts of itself.
    package var isAdvertising: Bool {
        switch phase {
        case .advertising: true
        case .stopped, .leaving: false
        }
    }

    /// When ``timerFired(at:using:output:)`` wants to be called.
    package var deadline: Instant? { due == .never ? nil : due }

    /// Begins, from the link-local address of the interface, which is known to be nobody else's.
    ///
    /// Starting what is started lets it speak from another address.
    package mutating func start(from source: IPv6Address, at now: Instant, using random: inout StackRandom) {
        self.source = source
        guard !isAdvertising else { return }
        phase = .advertising(sent: 0)
        speakSoon(now, using: &random)
    }

    /// Takes other settings; hosts are told of them soon (RFC 4861 §6.2.4).
    package mutating func setSettings(
        _ settings: RouterAdvertiserSettings, at now: Instant, using random: inout StackRandom
    ) throws(RouterAdvertiserError) {
        self.settings = try settings.validated()
        guard isAdvertising else { return }
        phase = .advertising(sent: 0)
        speakSoon(now, using: &random)
    }

    /// The interface has another link address; hosts are told of it soon (RFC 4861 §6.2.8).
    package mutating func setMAC(_ mac: MACAddress, at now: Instant, using random: inout StackRandom) {
        self.mac = mac
        guard isAdvertising else { return }
        phase = .advertising(sent: 0)
        speakSoon(now, using: &random)
    }

    /// Ends: says now, and twice more, that this is no default router any longer (RFC 4861 §6.2.5).
    package mutating func stop(at now: Instant, using random: inout StackRandom, output: inout RouterAdvertiserOutput) {
        guard isAdvertising else { return }
        phase = isUp ? .leaving(left: Self.finalCount) : .stopped
        due = isUp ? now : .never
        timerFired(at: now, using: &random, output: &output)
    }

    /// The link came up: its hosts are told soon.
    package mutating func linkWentUp(at now: Instant, using random: inout StackRandom) {
        guard !isUp else { return }
        isUp = true
        guard isAdvertising else { return }
        phase = .advertising(sent: 0)
        speakSoon(now, using: &random)
    }

    /// The link went down: nobody is there to be told.
    package mutating func linkWentDown() {
        isUp = false
        due = .never
        if !isAdvertising { phase = .stopped }
    }

    /// A router solicitation arrived, its checksum found right (RFC 4861 §6.1.1 and §6.2.6).
    ///
    /// - Parameters:
    ///   - message: the ICMPv6 message from its type on.
    ///   - source: who sent it.
    ///   - hopLimit: that of its packet.
    ///   - now: the time.
    ///   - random: where chance comes from.
    ///   - output: what is to be done.
    /// - Returns: why it was of no use, or `nil` when it was.
    package mutating func solicitationArrived(
        _ message: RawSpan, from source: IPv6Address, hopLimit: UInt8, at now: Instant,
        using random: inout StackRandom, output: inout RouterAdvertiserOutput
    ) -> RouterDiscoveryDrop? {
        guard isAdvertising, isUp else { return .notListening }
        guard hopLimit == NDPMessage.hopLimit else { return .hopLimit }
        guard !source.isMulticast, !source.isLoopback else { return .badSource }
        guard source != self.source else { return .looped }
        let asker: MACAddress?
        do throws(ICMPv6Error) {
            guard try ICMPv6View(message).type == .routerSolicitation else { return .unknownCode }
            asker = try RouterSolicitationView(message).options.sourceMAC
        } catch {
            return RouterDiscoveryDrop(error)
        }
        if source.isAny {
            guard asker == nil else { return .badSource }
        } else {
            let mac = asker.flatMap { $0.isMulticast || $0 == .zero ? nil : $0 }
            output.hosts.append(SolicitingHost(interface: interface, address: source, mac: mac))
        }
        due = min(due, max(now, earliest) + random.delay(upTo: Self.answerDelay))
        return nil
    }

    /// Speaks if the time has come; early and late calls do no harm.
    package mutating func timerFired(
        at now: Instant, using random: inout StackRandom, output: inout RouterAdvertiserOutput
    ) {
        guard due <= now else { return }
        switch phase {
        case .stopped:
            due = .never
        case .advertising(let sent):
            send(settings.advertisement(from: mac), now, output: &output)
            phase = .advertising(sent: min(sent + 1, Self.initialCount))
            let spread = settings.intervalMax - settings.intervalMin
            let interval = settings.intervalMin + random.delay(upTo: spread)
            due = now + (sent + 1 < Self.initialCount ? min(interval, Self.initialInterval) : interval)
        case .leaving(let left):
            var farewell = settings.advertisement(from: mac)
            farewell.lifetimeSeconds = 0
            send(farewell, now, output: &output)
            phase = left > 1 ? .leaving(left: left - 1) : .stopped
            due = left > 1 ? now + Self.pause : .never
        }
    }

    /// When the next advertisement may go.
    private var earliest: Instant { lastSent.map { $0 + Self.pause } ?? .zero }

    private mutating func speakSoon(_ now: Instant, using random: inout StackRandom) {
        due = isUp ? max(now, earliest) + random.delay(upTo: Self.answerDelay) : .never
    }

    private mutating func send(
        _ advertisement: RouterAdvertisement, _ now: Instant, output: inout RouterAdvertiserOutput
    ) {
        lastSent = now
        output.messages.append(
            RouterTransmission(
                interface: interface, source: source, destination: .allNodes,
                message: .routerAdvertisement(advertisement)))
    }
}
