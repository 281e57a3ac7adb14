package import ChimneyPrimitives

/// On what occasion a peer tells its link address.
package enum NeighborClaim: Hashable, Sendable {
    /// It asks for an address of ours.
    case question
    /// It answers us.
    case answer
    /// It tells everybody, or somebody else.
    case unsolicited
}

/// What became of a peer's claim.
package enum NeighborVerdict: Hashable, Sendable {
    /// The entry was made, confirmed or moved.
    case changed
    /// The claim says what is known.
    case unchanged
    /// There is no entry and none is made.
    case unknown
    /// The accept rule refuses it.
    case ignored
    /// It contradicts what is known to be fresh.
    case contradictory
    /// The operator set something else.
    case permanent
}

extension NeighborTable {
    /// A peer says that `address` is at `mac` (RFC 4861 §7.2.3 to §7.2.5).
    ///
    /// Only a question to us makes an entry, and only in the place of one that was never used; so a flood of
    /// questions cannot push out a neighbour that this stack talks to.
    package mutating func claimed(
        _ address: Address, on interface: UInt32, at mac: MACAddress, by claim: NeighborClaim,
        at now: Instant, using random: inout StackRandom, output: inout NeighborOutput<Address>
    ) -> NeighborVerdict {
        guard let number = find(address, on: interface) else {
            guard claim == .question, let number = create(address, on: interface, displacing: .unused) else {
                return .unknown
            }
            cells[number].mac = mac.bits
            becomeStale(number, at: now)
            return .changed
        }
        let isKnown = cells[number].mac == mac.bits
        switch entries[number].state {
        case .none:
            return .unknown
        case .permanent:
            return isKnown ? .unchanged : .permanent
        case .incomplete:
            if claim == .unsolicited, settings.acceptUnsolicited == .ignore { return .ignored }
            cells[number].mac = mac.bits
            giveBack(number, .send(to: mac), output: &output)
            routerSpoke(number, output: &output)
            if claim == .answer {
                becomeReachable(number, at: now, using: &random)
            } else {
                becomeStale(number, at: now)
            }
            return .changed
        case .failed:
            if claim == .unsolicited, settings.acceptUnsolicited == .ignore { return .ignored }
            cells[number].mac = mac.bits
            routerSpoke(number, output: &output)
            becomeStale(number, at: now)
            return .changed
        case .probe where isKnown && claim == .answer:
            becomeReachable(number, at: now, using: &random)
            return .changed
        case .reachable, .stale, .delay, .probe:
            return isKnown
                ? .unchanged : contradicted(number, by: mac, claim, at: now, using: &random, output: &output)
        }
    }

    /// A peer claims another link address than the one known.
    private mutating func contradicted(
        _ number: Int, by mac: MACAddress, _ claim: NeighborClaim, at now: Instant, using random: inout StackRandom,
        output: inout NeighborOutput<Address>
    ) -> NeighborVerdict {
        if let refusal = refusal(of: number, at: now, output: &output) { return refusal }
        let state = entries[number].state
        move(number, to: mac, output: &output)
        if state == .probe, claim == .answer {
            becomeReachable(number, at: now, using: &random)
        } else {
            entries[number].answeredAt = now
            becomeStale(number, at: now)
        }
        return .changed
    }

    /// Why another link address than the one known is not believed now; `nil` when it is.
    mutating func refusal(
        of number: Int, at now: Instant, output: inout NeighborOutput<Address>
    ) -> NeighborVerdict? {
        if let answered = entries[number].answeredAt, now < answered + settings.overrideHold { return .contradictory }
        let state = entries[number].state
        switch settings.acceptUnsolicited {
        case .ignore:
            return .ignored
        case .verify where state == .probe:
            return .contradictory
        case .verify where state == .delay || (state == .reachable && now < cells[number].freshUntil):
            startProbing(number, at: now, output: &output)
            return .contradictory
        case .verify, .update:
            return nil
        }
    }

    /// Gives an entry another link address, and news of it.
    mutating func move(_ number: Int, to mac: MACAddress, output: inout NeighborOutput<Address>) {
        output.events.appendNews(
            NeighborEvent(
                address: entries[number].address, interface: entries[number].interface,
                kind: .moved(from: MACAddress(bits: cells[number].mac), to: mac)))
        cells[number].mac = mac.bits
    }
}
