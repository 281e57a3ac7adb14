package import ChimneyPrimitives
import ChimneyWire

extension NDPEngine {
    /// A solicitation, advertisement or redirect arrived whose checksum is right.
    ///
    /// Router solicitations and advertisements are another engine's.
    ///
    /// - Parameters:
    ///   - bytes: the ICMPv6 message from its type on, without padding of the link.
    ///   - source: who sent it.
    ///   - destination: to whom; an address or group of ours.
    ///   - hopLimit: as it arrived.
    ///   - interface: where it arrived.
    ///   - now: the time.
    ///   - random: for the wait before a shared answer and the length of reachability.
    ///   - output: what is to be done.
    /// - Returns: why it was of no use, or `nil` when it was.
    package mutating func neighborDiscoveryArrived(
        _ bytes: RawSpan, source: IPv6Address, destination: IPv6Address, hopLimit: UInt8, on interface: UInt32,
        at now: Instant, using random: inout StackRandom, output: inout NDPOutput
    ) -> NDPDrop? {
        guard let place = place(of: interface) else { return .unknownInterface }
        guard hopLimit == NDPMessage.hopLimit else { return .hopLimit }
        do throws(ICMPv6Error) {
            switch try ICMPv6View(bytes).content() {
            case .neighborSolicitation(let view):
                return solicitationArrived(
                    view.message, source, destination, at: place, now, using: &random, output: &output)
            case .neighborAdvertisement(let view):
                return advertisementArrived(
                    view.message, source, destination, at: place, now, using: &random, output: &output)
            case .redirect(let view):
                return redirectArrived(view.message, source, at: place, output: &output)
            case .destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem, .otherError, .echoRequest,
                .echoReply, .multicastListener, .routerSolicitation, .routerAdvertisement:
                return .otherType
            }
        } catch {
            return NDPDrop(error)
        }
    }

    // MARK: - Solicitations

    private mutating func solicitationArrived(
        _ message: NeighborSolicitation, _ source: IPv6Address, _ destination: IPv6Address, at place: Int,
        _ now: Instant, using random: inout StackRandom, output: inout NDPOutput
    ) -> NDPDrop? {
        guard message.target.isHost else { return .badTarget }
        if let mac = message.sourceMAC, mac.isMulticast || mac == .zero { return .badLinkAddress }
        if source.isAny {
            guard destination == message.target.solicitedNode else { return .badDestination }
            guard message.sourceMAC == nil else { return .badLinkAddress }
            return probeArrived(message, at: place, now, output: &output)
        }
        guard source.isHost else { return .badSource }
        guard message.sourceMAC != interfaces[place].mac else { return .looped }
        if let position = interfaces[place].position(of: source) {
            switch interfaces[place].addresses[position].state {
            case .assigned, .optimistic:
                guard let mac = message.sourceMAC else { return .looped }
                conflictArrived(position, at: place, by: mac, output: &output)
                return .conflicting
            case .tentative, .duplicate:
                break
            }
        }
        return questionArrived(message, source, at: place, now, using: &random, output: &output)
    }

    /// A neighbour asks for a target (RFC 4861 §7.2.3 and §7.2.4).
    private mutating func questionArrived(
        _ message: NeighborSolicitation, _ source: IPv6Address, at place: Int, _ now: Instant,
        using random: inout StackRandom, output: inout NDPOutput
    ) -> NDPDrop? {
        let interface = interfaces[place].interface
        var isOverride = true
        var isShared = false
        if let position = interfaces[place].position(of: message.target) {
            let own = interfaces[place].addresses[position]
            switch own.state {
            case .tentative, .duplicate: return .notForUs
            case .optimistic: isOverride = false
            case .assigned:
                isShared = own.use == .anycast
                isOverride = !isShared
            }
        } else {
            guard isProxied(message.target, for: source, at: place) else { return .notForUs }
            isShared = true
            isOverride = false
        }
        // A neighbour that this stack talks to is answered whatever the strangers do.
        if !table.isUsed(source, on: interface), !admitsAnswer(at: place, now) { return .rateLimited }
        if let mac = message.sourceMAC {
            let verdict = table.claimed(
                source, on: interface, at: mac, by: .question, at: now, using: &random, output: &output.neighbors)
            ask(&output)
            if let drop = NDPDrop(verdict) { return drop }
        }
        // Who answers for others, or with others, does so from an address of its own.
        let own = isShared ? interfaces[place].source(for: source) : message.target
        guard let own else { return .notForUs }
        let answer = NDPTransmission(
            interface: interface, source: own, destination: source, mac: message.sourceMAC,
            message: .neighborAdvertisement(
                NeighborAdvertisement(
                    target: message.target, targetMAC: interfaces[place].mac, isRouter: interfaces[place].isRouter,
                    isSolicited: true, isOverride: isOverride)))
        if isShared {
            delay(answer, for: message.target, now, using: &random, output: &output)
        } else {
            output.messages.append(answer)
        }
        return nil
    }

    /// Somebody asks whether an address is free before taking it (RFC 4862 §5.4.3).
    private mutating func probeArrived(
        _ message: NeighborSolicitation, at place: Int, _ now: Instant, output: inout NDPOutput
    ) -> NDPDrop? {
        guard let position = interfaces[place].position(of: message.target) else { return .notForUs }
        let own = interfaces[place].addresses[position]
        if let nonce = message.nonce, own.nonces.contains(nonce) {
            interfaces[place].addresses[position].hasLooped = true
            return .looped
        }
        switch own.state {
        case .duplicate:
            return .notForUs
        case .tentative, .optimistic:
            conflictArrived(position, at: place, by: nil, output: &output)
            return .conflicting
        case .assigned:
            guard own.use == .unicast else { return .notForUs }
            guard admitsAnswer(at: place, now) else { return .rateLimited }
            output.messages.append(
                NDPTransmission(
                    interface: interfaces[place].interface, source: message.target, destination: .allNodes,
                    mac: MACAddress(group: .allNodes),
                    message: .neighborAdvertisement(
                        NeighborAdvertisement(
                            target: message.target, targetMAC: interfaces[place].mac,
                            isRouter: interfaces[place].isRouter, isOverride: true))))
            return nil
        }
    }

    private mutating func admitsAnswer(at place: Int, _ now: Instant) -> Bool {
        interfaces[place].answers.admits(
            at: now, perSecond: settings.answersPerSecondMax, burst: settings.answersBurstMax)
    }

    /// Whether to answer for another host: it is published, it is not the asker, and it is not on this link itself.
    private func isProxied(_ target: IPv6Address, for source: IPv6Address, at place: Int) -> Bool {
        guard target != source, interfaces[place].isPublished(target) else { return false }
        switch table.state(of: target, on: interfaces[place].interface) {
        case .none, .incomplete, .failed: return true
        case .reachable, .stale, .delay, .probe, .permanent: return false
        }
    }

    // MARK: - Advertisements and redirects

    private mutating func advertisementArrived(
        _ message: NeighborAdvertisement, _ source: IPv6Address, _ destination: IPv6Address, at place: Int,
        _ now: Instant, using random: inout StackRandom, output: inout NDPOutput
    ) -> NDPDrop? {
        guard source.isHost else { return .badSource }
        guard message.target.isHost else { return .badTarget }
        guard !(destination.isMulticast && message.isSolicited) else { return .badDestination }
        if let mac = message.targetMAC, mac.isMulticast || mac == .zero { return .badLinkAddress }
        guard message.targetMAC != interfaces[place].mac else { return .looped }
        if let position = interfaces[place].position(of: message.target) {
            switch interfaces[place].addresses[position].state {
            case .tentative, .optimistic, .assigned:
                conflictArrived(position, at: place, by: message.targetMAC, output: &output)
                return .conflicting
            case .duplicate:
                break
            }
        }
        let verdict = table.advertised(
            message.target, on: interfaces[place].interface,
            NeighborAnnouncement(
                mac: message.targetMAC, isSolicited: message.isSolicited, isOverride: message.isOverride,
                isRouter: message.isRouter),
            at: now, using: &random, output: &output.neighbors)
        ask(&output)
        switch verdict {
        case .changed, .unchanged: return nil
        case .unknown, .ignored: return .unsolicited
        case .contradictory: return .contradictory
        case .permanent: return .permanentEntry
        }
    }

    /// A router knows a better first hop (RFC 4861 §8.1); whether it may say so the stack decides.
    private func redirectArrived(
        _ message: NDPRedirect, _ source: IPv6Address, at place: Int, output: inout NDPOutput
    ) -> NDPDrop? {
        guard source.isLinkLocal else { return .badSource }
        guard message.destination.isHost else { return .badDestination }
        let isOnLink = message.target == message.destination
        guard message.target.isHost, isOnLink || message.target.isLinkLocal else { return .badTarget }
        guard interfaces[place].position(of: message.target) == nil, interfaces[place].position(of: source) == nil
        else {
            return .conflicting
        }
        if let mac = message.targetMAC {
            guard !mac.isMulticast, mac != .zero else { return .badLinkAddress }
            guard mac != interfaces[place].mac else { return .looped }
        }
        output.redirects.appendNews(
            NDPRedirection(
                interface: interfaces[place].interface, from: source, destination: message.destination,
                target: message.target, mac: message.targetMAC))
        return nil
    }
}

extension NDPDrop {
    /// Why a claim that comes with a question changes nothing; `nil` when the question is still to be answered.
    init?(_ verdict: NeighborVerdict) {
        switch verdict {
        case .contradictory: self = .contradictory
        case .permanent: self = .permanentEntry
        case .changed, .unchanged, .unknown, .ignored: return nil
        }
    }
}
