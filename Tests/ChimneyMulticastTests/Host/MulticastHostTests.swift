import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire
import Testing

/// What sockets join and what routers are told of it, together, on an interface of one host.
@Suite struct MulticastHostTests {
    private let first = IPv4Address(239, 9, 1, 1)
    private let second = IPv4Address(239, 9, 1, 2)
    private let linkLocal = IPv4Address(224, 0, 0, 251)
    private let source = IPv4Address(10, 0, 0, 101)

    private struct Host: ~Copyable {
        var host: MulticastHost<IPv4Address>
        var random: StackRandom
        var now = Instant.zero

        init(_ change: (inout MembershipSettings<IPv4Address>) -> Void = { _ in }) {
            random = StackRandom(seed: 1)
            host = MulticastHost(limits: MembershipLimits(), interfacesMax: 2, using: &random)
            host.attach(1, settings: Self.settings(change), mtu: 1_500, isUp: true, using: &random)
        }

        static func settings(
            _ change: (inout MembershipSettings<IPv4Address>) -> Void
        ) -> MembershipSettings<IPv4Address> {
            var settings = MembershipSettings<IPv4Address>()
            change(&settings)
            return settings
        }

        mutating func configure(_ change: (inout MembershipSettings<IPv4Address>) -> Void) {
            host.configure(Self.settings(change), of: 1, at: now)
        }

        mutating func perform(_ call: GroupCall<IPv4Address>, _ group: IPv4Address) throws {
            try host.perform(call, of: group, on: 1, socket: 0, at: now)
        }

        mutating func hear(_ query: MembershipQuery<IPv4Address>) {
            let message = IGMPMessage.query(query)
            var bytes = [UInt8](repeating: 0, count: message.byteCount)
            var elements = bytes.mutableSpan
            var span = unsafe elements.mutableBytes
            let querier = IPv4Address(10, 77, 0, 1)
            message.write(into: &span, source: querier, destination: message.destination)
            let packet = MembershipPacket(source: querier, destination: message.destination)
            let drop = host.messageArrived(unsafe bytes.span.bytes, in: packet, on: 1, at: now, using: &random)
            #expect(drop == nil)
        }

        /// The reports of the next ten seconds.
        mutating func reports() -> [[IGMPRecord]] {
            let end = now + .seconds(10)
            while host.deadline <= end {
                now = max(now, host.deadline)
                host.timerFired(at: now, using: &random)
            }
            now = end
            var result: [[IGMPRecord]] = []
            while let next = host.output.transmissions.next() {
                if case .reportV3(let records) = next.message { result.append(records) }
            }
            return result
        }

        /// The groups whose filters changed since the last call, and how.
        mutating func changes() -> [(group: IPv4Address, kind: GroupNews<IPv4Address>.Kind)] {
            var result: [(group: IPv4Address, kind: GroupNews<IPv4Address>.Kind)] = []
            while let next = host.output.changes.next() { result.append((next.group, next.kind)) }
            return result
        }
    }

    /// A host that reports one group and found no room for another.
    private func crowded() throws -> Host {
        var host = Host { $0.groupsMax = 1 }
        try host.perform(.join, first)
        try host.perform(.join, second)
        let joined = [IGMPRecord(.toExclude, first)]
        #expect(host.reports() == [joined, joined])
        return host
    }

    @Test func groupThatFoundNoRoomIsToldWholeWithItsNextChangeAfterThereIsSome() throws {
        var host = try crowded()
        try host.perform(.leave, first)
        #expect(host.reports().count == 2)
        try host.perform(.block(source), second)
        let whole = [IGMPRecord(.toExclude, second, [source])]
        #expect(host.reports() == [whole, whole])
        host.hear(MembershipQuery(.v3, group: .any, maxResponseTime: .seconds(1)))
        #expect(host.reports() == [[IGMPRecord(.isExclude, second, [source])]])
    }

    @Test func groupThatRoutersWereNeverToldOfIsLeftInSilence() throws {
        var host = try crowded()
        try host.perform(.leave, first)
        #expect(host.reports().count == 2)
        try host.perform(.leave, second)
        #expect(host.reports().isEmpty)
        #expect(host.changes().map(\.kind) == [.joined, .joined, .left, .left], "the link hears of it all the same")
    }

    @Test func groupThatIsReportedNoLongerIsStillToldToBeLeft() throws {
        var host = Host()
        try host.perform(.join, linkLocal)
        #expect(host.reports().count == 2)
        host.configure { $0.reportsLinkLocalGroups = false }
        #expect(host.reports().isEmpty)
        try host.perform(.leave, linkLocal)
        let left = [IGMPRecord(.toInclude, linkLocal)]
        #expect(host.reports() == [left, left])
        try host.perform(.join, linkLocal)
        try host.perform(.leave, linkLocal)
        #expect(host.reports().isEmpty, "routers know nothing of it any more")
    }

    @Test func groupThatIsReportedFromNowOnIsToldWholeAndNoOtherIs() throws {
        var host = Host { $0.reportsLinkLocalGroups = false }
        try host.perform(.setFilter(SourceFilter(.exclude, [source])), linkLocal)
        try host.perform(.join, first)
        let joined = [IGMPRecord(.toExclude, first)]
        #expect(host.reports() == [joined, joined])
        host.configure { _ in }
        let whole = [IGMPRecord(.toExclude, linkLocal, [source])]
        #expect(host.reports() == [whole, whole])
        host.configure { _ in }
        #expect(host.reports().isEmpty, "what is known is not told again")
    }

    @Test func interfaceThatGoesLeavesItsGroupsEachOnce() throws {
        var host = Host()
        try host.perform(.join, first)
        try host.perform(.joinSource(source), second)
        _ = host.changes()
        host.host.detach(1)
        let changes = host.changes()
        #expect(Set(changes.map(\.group)) == [first, second] && changes.count == 2)
        #expect(changes.allSatisfy { $0.kind == .left })
        host.host.detach(1)
        #expect(host.changes().isEmpty)
        #expect(host.reports().isEmpty, "its link cannot be told")
    }
}
