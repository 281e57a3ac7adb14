import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire
import Testing

/// What a listening router believes, against what the host wants.
@Suite struct ConvergenceTests {
    /// A router that misses no `robustness` reports of a group in a row ends with the host's own filter: that is what
    /// robustness promises (RFC 9776 §8.1).
    @Test func aRouterThatMissesNoRobustnessReportsInARowConvergesOnIGMP() {
        converge {
            IPv4Address(bits: 0xEF09_0000 + $0)
        } source: {
            IPv4Address(bits: 0x0A00_0000 + $0)
        } querier: {
            IPv4Address(10, 77, 0, 1)
        }
    }

    @Test func aRouterThatMissesNoRobustnessReportsInARowConvergesOnMLD() {
        converge {
            IPv6Address(high: 0xFF1E << 48, low: UInt64($0))
        } source: {
            IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64($0))
        } querier: {
            IPv6Address(high: 0xFE80 << 48, low: 1)
        }
    }

    private func converge<Address: MembershipAddress>(
        group: (UInt32) -> Address, source: (UInt32) -> Address, querier: () -> Address
    ) {
        for seed in Seeds.chosen(count: 2_000) {
            var model = RouterModel<Address>(seed: seed, querier: querier())
            let groups = (0..<3).map(group)
            let sources = (0..<5).map(source)
            for _ in 0..<40 { model.step(groups, sources) }
            model.host.run(.seconds(100))
            model.listen()
            for group in groups {
                #expect(
                    model.filter(of: group) == model.host.wanted[group, default: .none],
                    "replay with CHIMNEY_SEED=\(seed)")
            }
            #expect(model.host.machine.deadline == nil, "replay with CHIMNEY_SEED=\(seed)")
            // The test means something only when reports are lost and change their minds.
            #expect(model.missed > 0 || seed % 4 == 0, "replay with CHIMNEY_SEED=\(seed)")
        }
    }

    /// The same with a wire that loses every report of changes but the last allowed one, which is the worst there is.
    @Test func oneReportInRobustnessIsEnough() {
        for robustness in 1...7 {
            var host = igmpHost { $0.robustness = robustness }
            let group = IPv4Address(239, 9, 1, 1)
            host.join(group)
            let sent = host.run(.seconds(60))
            #expect(sent.count == robustness && sent.last?.records == [IGMPRecord(.toExclude, group)])
            host.leave(group)
            let left = host.run(.seconds(60))
            #expect(left.count == robustness && left.last?.records == [IGMPRecord(.toInclude, group)])
        }
    }
}

/// A host, the link that loses some of its reports, and what the router behind it believes.
private struct RouterModel<Address: MembershipAddress>: ~Copyable {
    var host: ReportingHost<Address>
    let robustness: Int
    var beliefs: [Address: SourceFilter<Address>] = [:]
    var missedInARow: [Address: Int] = [:]
    var missed = 0
    private var heard = 0
    private var chance: StackRandom

    init(seed: UInt64, querier: Address) {
        robustness = 1 + Int(seed % 4)
        var settings = MembershipSettings<Address>()
        settings.pinnedRobustness = robustness
        host = ReportingHost(settings, querier: querier, seed: seed)
        chance = StackRandom(seed: seed &+ 1_000_000)
    }

    func filter(of group: Address) -> SourceFilter<Address> { beliefs[group, default: .none] }

    mutating func step(_ groups: [Address], _ sources: [Address]) {
        let group = groups[Int.random(in: 0..<groups.count, using: &chance)]
        let some = sources.filter { _ in Bool.random(using: &chance) }
        switch Int.random(in: 0..<10, using: &chance) {
        case 0..<5: host.want(SourceFilter(Bool.random(using: &chance) ? .include : .exclude, some), of: group)
        case 5: host.ask()
        case 6: host.ask(.v3, group)
        case 7: host.ask(.v3, group, some)
        default: break
        }
        if Bool.random(using: &chance) {
            host.run(.milliseconds(Int64.random(in: 0..<1_500, using: &chance)))
        }
        listen()
    }

    /// The router hears what was sent, or misses it: of changes of one group never `robustness` reports in a row.
    mutating func listen() {
        while heard < host.sent.count {
            let records = host.sent[heard].records
            heard += 1
            var groups: [Address] = []
            for record in records where !groups.contains(record.group) { groups.append(record.group) }
            for group in groups {
                let ofGroup = records.filter { $0.group == group }
                guard !isMissed(ofGroup, of: group) else {
                    missed += 1
                    continue
                }
                for record in ofGroup { beliefs[group, default: .none].hear(record) }
            }
        }
    }

    private mutating func isMissed(_ records: [GroupRecord<Address>], of group: Address) -> Bool {
        let isAnswer = records.contains { $0.kind == .isInclude || $0.kind == .isExclude }
        if isAnswer { return Int.random(in: 0..<3, using: &chance) == 0 }
        let before = missedInARow[group, default: 0]
        let isLost = before + 1 < robustness && Int.random(in: 0..<3, using: &chance) > 0
        missedInARow[group] = isLost ? before + 1 : 0
        return isLost
    }
}

extension SourceFilter {
    /// What a listening router believes after hearing a record, once its timers ran out (RFC 9776 §6.4).
    fileprivate mutating func hear(_ record: GroupRecord<Address>) where Address: MembershipAddress {
        let told = record.sources
        switch (record.kind, mode) {
        case (.isExclude, _), (.toExclude, _): self = Self(.exclude, told)
        case (.toInclude, _): self = Self(.include, told)
        case (.allow, .include), (.isInclude, .include), (.block, .exclude): self = Self(mode, sources + told)
        case (.allow, .exclude), (.isInclude, .exclude), (.block, .include):
            self = Self(mode, sources.filter { !told.contains($0) })
        }
    }
}
