package import ChimneyPrimitives
import ChimneyWire

extension InterfaceMachine {
    /// A message about membership arrived, in one piece from its type to the end of the packet.
    ///
    /// - Returns: why it came to nothing, `nil` when it did not.
    @discardableResult
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func messageArrived(
        _ bytes: RawSpan, in packet: MembershipPacket<Address>, at now: Instant, using random: inout StackRandom,
        output: inout MembershipOutput<Address>
    ) -> MembershipDrop? {
        let drop = take(bytes, in: packet, at: now, using: &random, output: &output)
        if let drop { counters.count(drop) }
        return drop
    }

    private mutating func take(
        _ bytes: RawSpan, in packet: MembershipPacket<Address>, at now: Instant, using random: inout StackRandom,
        output: inout MembershipOutput<Address>
    ) -> MembershipDrop? {
        guard isUp else { return .down }
        do {
            let view = try MembershipMessageView<Address>(bytes)
            guard view.isChecksumValid(from: packet.source, to: packet.destination) else { return .checksum }
            switch try view.content() {
            case .query(let query):
                if let drop = objection(to: query, in: packet) { return drop }
                return queryArrived(query, in: packet, at: now, using: &random, output: &output)
            case .reportV1(let group), .reportV2(let group):
                if let drop = objection(to: packet) { return drop }
                guard group.isMulticast else { return .group }
                return reportArrived(about: group)
            case .leave, .reportV3: return packet.isFromUs ? .looped : .forRouters
            }
        } catch {
            return MembershipDrop(error)
        }
    }

    /// Why a query is not believed.
    private func objection(
        to query: borrowing MembershipQueryView<Address>, in packet: MembershipPacket<Address>
    ) -> MembershipDrop? {
        let rules = settings.queries
        if let drop = objection(to: packet) { return drop }
        // Version 1 is older than the option.
        if rules.needsRouterAlert && query.version > .v1 && !packet.hasRouterAlert { return .routerAlert }
        // Only reports may come from a host without address (RFC 3590 §4).
        if Address.bitWidth > 32 && rules.needsLinkSource && packet.source.isAny { return .source }
        guard query.group.isAny else { return query.group.isMulticast ? nil : .group }
        if query.sources.count > 0 { return .group }
        let isForAll = packet.destination == .allHosts || !packet.destination.isMulticast
        return rules.needsGeneralDestination && !isForAll ? .destination : nil
    }

    /// Why a packet is not believed, whatever it says.
    private func objection(to packet: MembershipPacket<Address>) -> MembershipDrop? {
        if packet.isFromUs { return .looped }
        if settings.queries.needsHopLimit1 && packet.hopLimit != 1 { return .hopLimit }
        if packet.source.isMulticast || packet.source.isLoopback { return .source }
        guard settings.queries.needsLinkSource else { return nil }
        // A prefix of the interface is no link-local address, which is what MLD comes from (RFC 9777 §6.2).
        let isFromLink = Address.bitWidth > 32 ? packet.source.isLinkLocal : packet.isFromLink
        return isFromLink || packet.source.isAny ? nil : .source
    }

    private mutating func queryArrived(
        _ query: borrowing MembershipQueryView<Address>, in packet: MembershipPacket<Address>, at now: Instant,
        using random: inout StackRandom, output: inout MembershipOutput<Address>
    ) -> MembershipDrop? {
        counters.queries[Int(query.version.rawValue) - 1] += 1
        querier = packet.source
        queriedAt = now
        adopt(query, at: now, output: &output)
        followQueriers(at: now, output: &output)
        let wait = max(query.maxResponseTime, settings.responseTimeMin)
        if version < .v3 { return olderQueryArrived(query.group, answerWithin: wait, at: now, using: &random) }
        guard places.count > 0 else { return .notMember }
        let due = now + random.delay(upTo: wait)
        // An answer about all groups that comes sooner answers this question too (RFC 9776 §5.2, rule 1).
        if let answer, answer.next == nil, answer.due <= due { return nil }
        guard !query.group.isAny else {
            let new = generalAnswer(due: due, until: now + wait, at: now)
            // An answer under way goes on and begins again, since it may have begun before the asker listened.
            if answer?.next == nil { answer = new } else { answer?.again = now + wait }
            return nil
        }
        guard let place = knownPlace(of: query.group), slots[place].isJoined else { return .notMember }
        remember(query.sources, of: place)
        setAnswerDue(min(slots[place].answerDue, due), of: place)
        return nil
    }

    /// An answer in several parts begins early enough for all of them.
    private func generalAnswer(due: Instant, until: Instant, at now: Instant) -> GeneralAnswer {
        let parts = (places.count + settings.groupsPerAnswerMax - 1) / max(1, settings.groupsPerAnswerMax)
        guard parts > 1 else { return GeneralAnswer(due: due, until: until, next: nil) }
        let first = TimeSpan.nanoseconds(max(1, (due - now).nanoseconds / Int64(parts)))
        return GeneralAnswer(due: now + first, until: until, next: nil)
    }

    /// Keeps what is asked within the bounds of a group and of the interface.
    private mutating func remember(_ sources: borrowing SourceListView<Address>, of place: Int) {
        let before = slots[place].machine.askedCount
        let left = max(0, settings.askedSourcesTotalMax - askedCount)
        let sourcesMax = min(settings.askedSourcesMax, before + left)
        if slots[place].machine.queried(sources, sourcesMax: sourcesMax) { counters.widened += 1 }
        askedCount += slots[place].machine.askedCount - before
    }

    // MARK: - Queriers

    /// Takes over what a querier says of itself (RFC 9776 §4.1.6 and §4.1.7, §7.2.1).
    private mutating func adopt(
        _ query: borrowing MembershipQueryView<Address>, at now: Instant, output: inout MembershipOutput<Address>
    ) {
        if query.version == .v3 {
            let before = robustness
            querierRobustness = query.robustness
            querierInterval = query.queryInterval
            if robustness != before { output.events.appendNews(.robustnessChanged(to: robustness)) }
            return
        }
        // A query about one group does not tell which version its querier speaks by default.
        guard query.group.isAny, settings.pinnedVersion == nil else { return }
        let interval: TimeSpan
        switch settings.olderQuerier {
        case .defaults: interval = .seconds(250) + query.maxResponseTime * 10
        case .fromQueries: interval = queryInterval * robustness + query.maxResponseTime
        }
        if query.version == .v1 {
            v1QuerierUntil = now + interval
        } else {
            v2QuerierUntil = now + interval
        }
    }

    /// Speaks the version of the oldest querier present; what was due in another one is cancelled (RFC 9776 §7.2.1).
    mutating func followQueriers(at now: Instant, output: inout MembershipOutput<Address>) {
        if let until = v1QuerierUntil, until <= now { v1QuerierUntil = nil }
        if let until = v2QuerierUntil, until <= now { v2QuerierUntil = nil }
        let oldest: MembershipVersion = v1QuerierUntil != nil ? .v1 : v2QuerierUntil != nil ? .v2 : .v3
        let new = settings.pinnedVersion ?? oldest
        guard new != version else { return }
        output.events.appendNews(.versionChanged(from: version, to: new))
        version = new
        cancelAll(keepingNew: true)
    }
}
