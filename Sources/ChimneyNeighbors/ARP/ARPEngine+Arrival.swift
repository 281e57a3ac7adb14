package import ChimneyPrimitives
package import ChimneyWire

extension ARPEngine {
    /// The payload of an ARP frame arrived.
    ///
    /// Answers why it was of no use, or `nil` when it was.
    package mutating func payloadArrived(
        _ payload: RawSpan, on interface: UInt32, at now: Instant, using random: inout StackRandom,
        output: inout ARPOutput
    ) -> ARPDrop? {
        do throws(ARPError) {
            let message = try ARPView(payload).message
            return messageArrived(message, on: interface, at: now, using: &random, output: &output)
        } catch {
            return ARPDrop(error)
        }
    }

    /// An ARP message arrived.
    ///
    /// Answers why it was of no use, or `nil` when it was.
    package mutating func messageArrived(
        _ message: ARPMessage, on interface: UInt32, at now: Instant, using random: inout StackRandom,
        output: inout ARPOutput
    ) -> ARPDrop? {
        guard let place = place(of: interface) else { return .unknownInterface }
        guard !message.senderMAC.isMulticast, message.senderMAC != .zero else { return .badSenderMAC }
        guard message.senderMAC != interfaces[place].mac else { return .looped }
        if message.sender.isAny { return probeArrived(message, at: place, now, output: &output) }
        if let position = interfaces[place].position(of: message.sender) {
            switch interfaces[place].addresses[position].state {
            case .tentative, .assigned:
                conflictArrived(position, at: place, by: message.senderMAC, now, output: &output)
                return .conflicting
            case .conflicted:
                break
            }
        }
        guard message.sender.isValidSource, !message.sender.isThisNetwork,
            !interfaces[place].excludes(message.sender)
        else { return .badSenderAddress }
        guard interfaces[place].isOnLink(message.sender) else { return .offLink }
        switch message.operation {
        case .request: return requestArrived(message, at: place, now, using: &random, output: &output)
        case .reply: return replyArrived(message, at: place, now, using: &random, output: &output)
        }
    }

    private mutating func requestArrived(
        _ message: ARPMessage, at place: Int, _ now: Instant, using random: inout StackRandom,
        output: inout ARPOutput
    ) -> ARPDrop? {
        let interface = interfaces[place].interface
        let isOurs = interfaces[place].isAssigned(message.target)
        guard isOurs || isProxied(message, at: place) else {
            // RFC 826 merges what a bystander hears into an entry that exists.
            return drop(after: claimed(message, by: .unsolicited, at: place, now, using: &random, output: &output)) {
                $0 == .changed ? nil : .notForUs
            }
        }
        // A neighbour that this stack talks to is answered whatever the strangers do.
        if !table.isUsed(message.sender, on: interface),
            !interfaces[place].answers.admits(
                at: now, perSecond: settings.answersPerSecondMax, burst: settings.answersBurstMax)
        {
            return .rateLimited
        }
        return drop(after: claimed(message, by: .question, at: place, now, using: &random, output: &output)) { _ in
            answer(message, at: place, output: &output)
            return nil
        }
    }

    private mutating func replyArrived(
        _ message: ARPMessage, at place: Int, _ now: Instant, using random: inout StackRandom,
        output: inout ARPOutput
    ) -> ARPDrop? {
        let isForUs = message.targetMAC == interfaces[place].mac && interfaces[place].isAssigned(message.target)
        let claim = isForUs ? NeighborClaim.answer : .unsolicited
        return drop(after: claimed(message, by: claim, at: place, now, using: &random, output: &output)) {
            $0 == .unknown || $0 == .ignored ? .unsolicited : nil
        }
    }

    /// Somebody asks whether an address is free before taking it (RFC 5227 §2.1.1).
    private mutating func probeArrived(
        _ message: ARPMessage, at place: Int, _ now: Instant, output: inout ARPOutput
    ) -> ARPDrop? {
        guard message.operation == .request else { return .badSenderAddress }
        guard let position = interfaces[place].position(of: message.target) else { return .notForUs }
        switch interfaces[place].addresses[position].state {
        case .conflicted:
            return .notForUs
        case .tentative:
            conflictArrived(position, at: place, by: message.senderMAC, now, output: &output)
            return .conflicting
        case .assigned:
            guard
                interfaces[place].answers.admits(
                    at: now, perSecond: settings.answersPerSecondMax, burst: settings.answersBurstMax)
            else { return .rateLimited }
            answer(message, at: place, output: &output)
            return nil
        }
    }

    /// Whether to answer for another host: it is published, it is not the asker, and it is not on this link itself.
    private func isProxied(_ message: ARPMessage, at place: Int) -> Bool {
        guard !interfaces[place].proxies.isEmpty, message.target != message.sender, message.target.isValidSource,
            !message.target.isThisNetwork, !interfaces[place].excludes(message.target),
            interfaces[place].position(of: message.target) == nil,
            interfaces[place].isPublished(message.target)
        else { return false }
        switch table.state(of: message.target, on: interfaces[place].interface) {
        case .none, .incomplete, .failed: return true
        case .reachable, .stale, .delay, .probe, .permanent: return false
        }
    }

    private func answer(_ message: ARPMessage, at place: Int, output: inout ARPOutput) {
        output.messages.append(
            ARPTransmission(
                interface: interfaces[place].interface, destination: message.senderMAC,
                message: ARPMessage(
                    operation: .reply, senderMAC: interfaces[place].mac, sender: message.target,
                    targetMAC: message.senderMAC, target: message.sender)))
    }

    private mutating func claimed(
        _ message: ARPMessage, by claim: NeighborClaim, at place: Int, _ now: Instant,
        using random: inout StackRandom, output: inout ARPOutput
    ) -> NeighborVerdict {
        let verdict = table.claimed(
            message.sender, on: interfaces[place].interface, at: message.senderMAC, by: claim, at: now,
            using: &random, output: &output.neighbors)
        ask(&output)
        return verdict
    }

    private func drop(after verdict: NeighborVerdict, otherwise: (NeighborVerdict) -> ARPDrop?) -> ARPDrop? {
        switch verdict {
        case .contradictory: .contradictory
        case .permanent: .permanentEntry
        case .changed, .unchanged, .unknown, .ignored: otherwise(verdict)
        }
    }
}

extension ARPDrop {
    /// The reason to drop bytes that are no ARP message.
    package init(_ error: ARPError) {
        switch error {
        case .truncated: self = .truncated
        case .hardwareType: self = .hardwareType
        case .protocolType: self = .protocolType
        case .addressLengths: self = .addressLengths
        case .operation: self = .operation
        }
    }
}
