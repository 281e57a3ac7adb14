package import ChimneyPrimitives
import ChimneyWire

extension RouterDiscovery {
    /// Below this a router that nobody can check may not bring a lifetime (RFC 4862 §5.5.3 e).
    private static var shortestLifetime: TimeSpan { .seconds(7_200) }

    /// The stack found out whether another host has an address that was wanted (RFC 4862 §5.4).
    ///
    /// A conflict that shows while the address is in use is told in the same way.
    package mutating func addressProved(
        _ address: IPv6Address, isUnique: Bool, at now: Instant, using random: inout StackRandom,
        output: inout RouterDiscoveryOutput
    ) {
        guard let place = addresses.firstIndex(where: { $0.address == address && $0.isHeld }) else { return }
        if isUnique {
            addresses[place].state = .assigned
            return
        }
        tell(.addressRemoved(address), &output)
        let canVary = settings.identifiers == .stableOpaque || addresses[place].kind == .temporary
        if canVary, addresses[place].attempts < settings.attemptsMax {
            addresses[place].counter &+= 1
            addresses[place].state = .waiting(until: now + random.delay(upTo: settings.attemptDelayMax))
        } else {
            addresses[place].state = .failed
            tell(.addressFailed(addresses[place].prefix, addresses[place].kind), &output)
        }
        reschedule()
    }

    /// The stack cannot take an address that was wanted, perhaps because the operator gave it that address already:
    /// none is made of the prefix, and nothing is told as removed that never was there.
    package mutating func addressRefused(_ address: IPv6Address, output: inout RouterDiscoveryOutput) {
        guard let place = addresses.firstIndex(where: { $0.address == address && $0.state == .tentative }) else {
            return
        }
        addresses[place].state = .failed
        tell(.addressFailed(addresses[place].prefix, addresses[place].kind), &output)
        reschedule()
    }

    /// Makes an address, of which the stack finds out whether another host has it.
    mutating func attempt(
        _ place: Int, _ now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        let prefix = addresses[place].prefix
        var identifier: UInt64
        switch (addresses[place].kind, settings.identifiers) {
        case (.temporary, _):
            identifier = IdentifierSource.temporary(using: &random)
        case (.linkLocal, .stableOpaque), (.stable, .stableOpaque):
            identifier = identifiers.stable(for: prefix, counter: &addresses[place].counter)
        case (.linkLocal, .eui64), (.stable, .eui64):
            identifier = identifiers.eui64
        }
        addresses[place].address = IPv6Address(high: prefix.address.high, low: identifier)
        addresses[place].attempts += 1
        addresses[place].state = .tentative
        tell(.addressWanted(addresses[place].told), &output)
        if addresses[place].isDeprecated { tell(.addressDeprecated(addresses[place].address), &output) }
    }

    /// A prefix of which addresses may be made (RFC 4862 §5.5.3).
    mutating func autonomousArrived(
        _ told: NDPPrefixInformation, _ now: Instant, using random: inout StackRandom,
        output: inout RouterDiscoveryOutput
    ) {
        guard settings.makesAddresses, told.isAutonomous, told.prefix.isRoutable, told.prefix.length == 64,
            told.preferredSeconds <= told.validSeconds
        else { return }
        if let place = addresses.firstIndex(where: { $0.prefix == told.prefix && $0.kind == .stable }) {
            extend(place, told, now)
        } else {
            guard told.validSeconds > 0 else { return }
            guard madeCount < settings.addressesMax else { return refusedCount += 1 }
            addresses.append(
                LearnedAddress(
                    prefix: told.prefix, kind: .stable, address: .any,
                    preferredUntil: now.after(seconds: told.preferredSeconds),
                    validUntil: now.after(seconds: told.validSeconds), isDeprecated: told.preferredSeconds == 0,
                    made: now))
            attempt(addresses.count - 1, now, using: &random, output: &output)
        }
        limitTemporary(of: told.prefix)
        for place in addresses.indices where addresses[place].prefix == told.prefix {
            settlePreference(place, now, output: &output)
        }
        makeTemporary(of: told.prefix, now, using: &random, output: &output)
    }

    /// Addresses that count against the bound.
    private var madeCount: Int { addresses.count { $0.kind != .linkLocal } }

    /// Takes new lifetimes; a valid lifetime falls below two hours only by running out (RFC 4862 §5.5.3 e).
    private mutating func extend(_ place: Int, _ told: NDPPrefixInformation, _ now: Instant) {
        let until = now.after(seconds: told.validSeconds)
        let shortest = now + Self.shortestLifetime
        if until > shortest || until > addresses[place].validUntil {
            addresses[place].validUntil = until
        } else if addresses[place].validUntil > shortest {
            addresses[place].validUntil = shortest
        }
        addresses[place].preferredUntil = min(
            now.after(seconds: told.preferredSeconds), addresses[place].validUntil)
    }

    /// A temporary address lasts no longer than its prefix and no longer than its own lifetimes (RFC 8981 §3.4).
    private mutating func limitTemporary(of prefix: IPv6Prefix) {
        guard let stable = addresses.first(where: { $0.prefix == prefix && $0.kind == .stable }) else { return }
        for place in addresses.indices where addresses[place].prefix == prefix && addresses[place].kind == .temporary {
            let (valid, preferred) = limits(of: addresses[place])
            addresses[place].validUntil = min(stable.validUntil, valid)
            addresses[place].preferredUntil = min(stable.preferredUntil, preferred)
        }
    }

    private func limits(of temporary: LearnedAddress) -> (valid: Instant, preferred: Instant) {
        let preferred = settings.temporaryPreferred - temporary.desynchronization
        return (temporary.made + settings.temporaryValid, temporary.made + preferred)
    }

    /// Makes a temporary address of a prefix whose last one has or needs a successor (RFC 8981 §3.4 and §3.5).
    private mutating func makeTemporary(
        of prefix: IPv6Prefix, _ now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        guard settings.makesTemporaryAddresses,
            let stable = addresses.first(where: { $0.prefix == prefix && $0.kind == .stable }),
            !addresses.contains(where: { $0.prefix == prefix && $0.kind == .temporary && !$0.isSucceeded })
        else { return }
        var made = LearnedAddress(
            prefix: prefix, kind: .temporary, address: .any, preferredUntil: .zero, validUntil: .zero, made: now)
        // Up to four tenths sooner, so that no two addresses change at the same time (RFC 8981 §3.8).
        made.desynchronization = random.delay(
            upTo: TimeSpan(nanoseconds: settings.temporaryPreferred.nanoseconds / 10 * 4))
        let (valid, preferred) = limits(of: made)
        made.validUntil = min(stable.validUntil, valid)
        made.preferredUntil = min(stable.preferredUntil, preferred)
        // One that would be deprecated at once is not worth making.
        guard made.preferredUntil > now + settings.temporaryAdvance else { return }
        guard madeCount < settings.addressesMax else { return refusedCount += 1 }
        addresses.append(made)
        attempt(addresses.count - 1, now, using: &random, output: &output)
    }

    /// When something happens to the address next.
    func due(of address: LearnedAddress) -> Instant {
        var due = address.validUntil
        if !address.isDeprecated { due = min(due, address.preferredUntil) }
        if case .waiting(let until) = address.state { due = min(due, until) }
        if address.kind == .temporary, !address.isSucceeded, address.state != .failed {
            due = min(due, succession(of: address))
        }
        return due
    }

    /// When the successor of a temporary address is made: before its own lifetime is over, whatever the prefix's is,
    /// so that a router cannot have addresses made faster.
    private func succession(of address: LearnedAddress) -> Instant {
        let lifetime = settings.temporaryPreferred - address.desynchronization
        return address.made + (lifetime - settings.temporaryAdvance)
    }

    /// Tells the stack when an address changed between deprecated and preferred.
    private mutating func settlePreference(_ place: Int, _ now: Instant, output: inout RouterDiscoveryOutput) {
        let isDeprecated = addresses[place].preferredUntil <= now
        guard isDeprecated != addresses[place].isDeprecated else { return }
        addresses[place].isDeprecated = isDeprecated
        guard addresses[place].isHeld else { return }
        let address = addresses[place].address
        tell(isDeprecated ? .addressDeprecated(address) : .addressPreferred(address), &output)
    }

    /// Attempts, successors, deprecations and ends whose time has come.
    mutating func addressesDue(
        _ now: Instant, using random: inout StackRandom, output: inout RouterDiscoveryOutput
    ) {
        for address in addresses where address.validUntil <= now && address.isHeld {
            tell(.addressRemoved(address.address), &output)
        }
        addresses.removeAll { $0.validUntil <= now }
        for place in addresses.indices {
            settlePreference(place, now, output: &output)
            if case .waiting(let until) = addresses[place].state, until <= now {
                attempt(place, now, using: &random, output: &output)
            }
        }
        for address in addresses where address.kind == .temporary && !address.isSucceeded {
            guard address.state != .failed, succession(of: address) <= now else { continue }
            guard let place = addresses.firstIndex(of: address) else { continue }
            addresses[place].isSucceeded = true
            makeTemporary(of: address.prefix, now, using: &random, output: &output)
        }
    }
}
