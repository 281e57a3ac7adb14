import ChimneyLab
import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire
import Foundation
import Testing

/// A whole stack whose sockets join, leave and filter as chance will have it, and the router that listens.
@Suite struct GroupConvergenceTests {
    /// The seeds: `count` fixed ones, or the single one in `CHIMNEY_SEED`.
    private func seeds(_ count: UInt64) -> [UInt64] {
        if let only = ProcessInfo.processInfo.environment["CHIMNEY_SEED"].flatMap(UInt64.init) { return [only] }
        return Array(0..<count)
    }

    /// A router that misses no `robustness` reports of a group in a row ends with what all sockets together want, without
    /// ever asking about all groups: that is what robustness promises (RFC 9776 §8.1).
    @Test(arguments: LabFamily.allCases)
    func routerThatMissesNoRobustnessReportsInARowLearnsWhatAnySocketsWant(_ family: LabFamily) throws {
        let pool = PacketPool(packetsMax: 1_024, largeMax: 4)
        var missed = 0
        for seed in seeds(800) {
            let run = try SocketRun(family, seed: seed, pool: pool, asksAboutAll: false)
            for _ in 0..<40 { run.step() }
            run.pass(.seconds(60))
            missed += run.missed
            #expect(run.differences == [], "replay with CHIMNEY_SEED=\(seed)")
        }
        // The test means something only when reports are lost.
        #expect(missed > 0)
    }

    /// A router that misses whatever chance will have learns it from the answers to its queries, once it hears again.
    @Test(arguments: LabFamily.allCases)
    func routerThatMissedEverythingLearnsFromTheAnswersWhatAnySocketsWant(_ family: LabFamily) throws {
        let pool = PacketPool(packetsMax: 1_024, largeMax: 4)
        for seed in seeds(200) {
            let run = try SocketRun(family, seed: seed, pool: pool, asksAboutAll: true)
            for _ in 0..<40 { run.step() }
            run.losesAtRandom = false
            run.pass(run.settings.settlingTime)
            #expect(run.differences == [], "replay with CHIMNEY_SEED=\(seed)")
        }
    }
}

/// One stack, one router and the wire between them.
private final class SocketRun {
    let family: LabFamily
    let settings: QuerierSettings
    var losesAtRandom = true
    private(set) var missed = 0

    private var stack: VirtualStack
    private let pool: PacketPool
    private let index: InterfaceIndex
    private let querier: LabQuerier
    private var now = Instant.zero + .seconds(1)
    private var random: StackRandom
    private let asksAboutAll: Bool
    private var sockets: [SocketID] = []
    private let groups: [IPAddress]
    private let sources: [IPAddress]
    private var missedInARow: [IPAddress: Int] = [:]

    init(_ family: LabFamily, seed: UInt64, pool: PacketPool, asksAboutAll: Bool) throws {
        self.family = family
        self.pool = pool
        self.asksAboutAll = asksAboutAll
        random = StackRandom(seed: seed &+ 1_000_000)
        groups = [family.channel(1), family.channel(2), family.sourceSpecific]
        sources = (1...5).map { family.address(0, $0 + 20) }
        var settings = QuerierSettings()
        settings.robustness = 1 + Int(seed % 4)
        settings.queryInterval = asksAboutAll ? .seconds(20) : .seconds(31_744)
        settings.responseInterval = .seconds(2)
        self.settings = settings
        var stackSettings = Lab.nodeSettings
        stackSettings.igmp.pinnedRobustness = settings.robustness
        stackSettings.mld.pinnedRobustness = settings.robustness
        stack = VirtualStack(name: "host", settings: stackSettings, pool: pool, random: StackRandom(seed: seed))
        index = try stack.attach(
            InterfaceDescription(
                name: "eth0", mac: MACAddress(bits: 0x0200_0000_0001), ipv6: family == .ipv6 ? .manual : .off),
            at: now)
        switch family.address(0, 1) {
        case .v4(let address): try stack.addAddress(address, prefixLength: 24, to: index, at: now)
        case .v6(let address): try stack.addAddress(address, prefixLength: 64, to: index, at: now)
        }
        var (ipv4, ipv6): (IPv4Address?, IPv6Address?)
        switch family.querier {
        case .v4(let address): ipv4 = address
        case .v6(let address): ipv6 = address
        }
        querier = LabQuerier(
            name: "q", mac: MACAddress(bits: 0x0200_0000_0002), ipv4: ipv4, ipv6: ipv6, igmp: settings, mld: settings,
            at: now)
        for _ in 0...Int.random(in: 0..<4, using: &random) { sockets.append(try stack.openUDP()) }
    }

    // MARK: - What happens

    /// A call of some socket, or of the operator, and some time.
    func step() {
        let group = groups[Int.random(in: 0..<groups.count, using: &random)]
        let source = sources[Int.random(in: 0..<sources.count, using: &random)]
        let place = Int.random(in: -1..<sockets.count, using: &random)
        let member = place < 0 ? GroupMember.administrator : .socket(sockets[place])
        let eth0 = InterfaceChoice.index(index)
        // A call that does not fit what was joined before changes nothing.
        switch Int.random(in: 0..<14, using: &random) {
        case 0, 1: try? stack.join(group, on: eth0, as: member, at: now)
        case 2: try? stack.leave(group, on: eth0, as: member, at: now)
        case 3, 4: try? stack.join(group, from: source, on: eth0, as: member, at: now)
        case 5: try? stack.leave(group, from: source, on: eth0, as: member, at: now)
        case 6, 7: try? stack.block(source, of: group, on: eth0, as: member, at: now)
        case 8: try? stack.unblock(source, of: group, on: eth0, as: member, at: now)
        case 9 where place >= 0:
            stack.close(sockets[place])
            sockets.remove(at: place)
            if let opened = try? stack.openUDP() { sockets.append(opened) }
        default:
            let some = sources.filter { _ in Bool.random(using: &random) }
            let filter = GroupFilter(Bool.random(using: &random) ? .include : .exclude, some)
            try? stack.setFilter(filter, of: group, on: eth0, as: member, at: now)
        }
        pump()
        if Bool.random(using: &random) { pass(.milliseconds(Int64.random(in: 0..<1_500, using: &random))) }
    }

    /// Lets time pass on both ends.
    func pass(_ span: TimeSpan) {
        let end = now + span
        pump()
        for _ in 0..<100_000 {
            let due = min(stack.deadline ?? .never, querier.deadline ?? .never)
            guard due <= end else {
                now = end
                return
            }
            now = max(now, due)
            stack.timerFired(at: now)
            querier.timerFired(at: now)
            pump()
        }
        Issue.record("host and router do not come to rest")
    }

    private func pump() {
        for _ in 0..<100 {
            var frames = PacketQueue()
            while let index = stack.nextToTransmit() { stack.takeTransmit(from: index, into: &frames) }
            let queries = querier.takeFrames()
            if frames.isEmpty, queries.isEmpty { return }
            while !frames.isEmpty {
                let frame = frames.removeFirst()
                if !isMissed(frame.bytes) { querier.frameArrived(frame.bytes, at: now) }
            }
            for query in queries where !isQueryLost {
                guard var packet = pool.allocate(headroom: 0, count: query.count) else { return }
                guard packet.append(query.span.octets) else { return }
                var batch = PacketQueue()
                batch.append(packet)
                stack.framesArrived(&batch, on: index, at: now)
            }
        }
        Issue.record("host and router go on for ever")
    }

    private var isQueryLost: Bool { losesAtRandom && asksAboutAll && Int.random(in: 0..<3, using: &random) == 0 }

    /// Whether the router misses a frame: of the changes of a group never `robustness` in a row, unless it asks about all
    /// groups later.
    private func isMissed(_ frame: RawSpan) -> Bool {
        let changed = family == .ipv4 ? changes(frame, IPv4Address.self) : changes(frame, IPv6Address.self)
        guard losesAtRandom else { return false }
        let isUnlucky = Int.random(in: 0..<3, using: &random) > 0
        let mayMiss = asksAboutAll || changed.allSatisfy { missedInARow[$0, default: 0] + 1 < settings.robustness }
        let isMissed = isUnlucky && mayMiss
        for group in changed { missedInARow[group] = isMissed ? missedInARow[group, default: 0] + 1 : 0 }
        if isMissed { missed += 1 }
        return isMissed
    }

    /// The groups of whose changes a report tells.
    private func changes<Address: MembershipAddress>(_ frame: RawSpan, _: Address.Type) -> [IPAddress] {
        let start = 14 + Address.overheadByteCount
        guard frame.byteCount > start + 8,
            let view = try? MembershipMessageView<Address>(frame.extracting(start..<frame.byteCount)),
            case .reportV3(var records)? = try? view.content()
        else { return [] }
        var groups: [IPAddress] = []
        while let record = records.next() {
            guard let kind = record.kind, kind != .isInclude, kind != .isExclude else { continue }
            let group = Self.named(record.group)
            if !groups.contains(group) { groups.append(group) }
        }
        return groups
    }

    private static func named<Address: MembershipAddress>(_ address: Address) -> IPAddress {
        if let address = address as? IPv4Address { return .v4(address) }
        guard let address = address as? IPv6Address else { preconditionFailure("there are two families") }
        return .v6(address)
    }

    // MARK: - What must have become of it

    /// Where the router believes something else than the sockets want, by the definition (RFC 9776 §3.2).
    var differences: [String] {
        var found: [String] = []
        for group in groups {
            let members = [GroupMember.administrator] + sockets.map(GroupMember.socket)
            let filters = members.flatMap { stack.memberships(of: $0) }.filter { $0.group == group }.map(\.filter)
            let wanted = Self.merged(filters)
            let believed = querier.filter(of: group, at: now)
            if believed != wanted { found.append("\(group): \(believed) is believed, \(wanted) wanted") }
        }
        return found
    }

    private static func merged(_ filters: [GroupFilter]) -> GroupFilter {
        let included = Set(filters.filter { $0.mode == .include }.flatMap(\.sources))
        let excluding = filters.filter { $0.mode == .exclude }
        guard let first = excluding.first else { return GroupFilter(.include, included) }
        let excludedByAll = excluding.reduce(into: Set(first.sources)) { $0.formIntersection($1.sources) }
        return GroupFilter(.exclude, excludedByAll.subtracting(included))
    }
}
