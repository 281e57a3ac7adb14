import ChimneyLab
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire
import Testing

/// The router model that hosts are measured by: its tables are those of the standard.
@Suite struct MembershipRouterTests {
    typealias Router = MembershipRouter<IPv4Address>
    private let group = IPv4Address(239, 1, 1, 1)
    private let a = Self.source(1)
    private let b = Self.source(2)
    private let c = Self.source(3)
    private let d = Self.source(4)
    private let e = Self.source(5)

    private static func source(_ number: UInt8) -> IPv4Address { IPv4Address(10, 0, 0, number) }

    private func router(_ change: (inout QuerierSettings) -> Void = { _ in }) -> Router {
        var settings = QuerierSettings()
        change(&settings)
        var router = Router(settings, at: .zero)
        router.timerFired(at: .zero)
        router.queries = []
        return router
    }

    private func instant(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

    private func run(_ router: inout Router, to end: Instant) {
        for _ in 0..<100_000 {
            guard router.deadline <= end else { return }
            router.timerFired(at: router.deadline)
        }
        Issue.record("the router does not come to rest")
    }

    /// A state of the tables: what is wanted for now and what is excluded.
    private struct State: Equatable, CustomStringConvertible {
        var mode: FilterMode
        var wanted: [IPv4Address]
        var excluded: [IPv4Address] = []
        var description: String { "\(mode) \(wanted), \(excluded)" }
    }

    /// Brings a router into a state by what one host tells.
    private func router(in state: State) -> Router {
        var router = router()
        if state.mode == .exclude { router.hear(.isExclude, group, state.excluded, at: instant(1)) }
        if !state.wanted.isEmpty { router.hear(.isInclude, group, state.wanted, at: instant(1)) }
        return router
    }

    @Test func recordsChangeTheListAsTheTablesOfTheStandardSay() {
        typealias Row = (State, GroupRecordKind, [IPv4Address], FilterMode, [IPv4Address], queries: [[IPv4Address]])
        let included = State(mode: .include, wanted: [a, b])
        let excluding = State(mode: .exclude, wanted: [a, b], excluded: [c, d])
        // What the mode is afterwards and the sources listed in it, and what is asked: no source means the group.
        let table: [Row] = [
            // RFC 9776 §6.4.1.
            (included, .isInclude, [b, c], .include, [a, b, c], []),
            (included, .isExclude, [b, c], .exclude, [c], []),
            (excluding, .isInclude, [a, c], .exclude, [d], []),
            (excluding, .isExclude, [a, c], .exclude, [c], []),
            (excluding, .isExclude, [c, e], .exclude, [c], []),
            // RFC 9776 §6.4.2.
            (included, .allow, [b, c], .include, [a, b, c], []),
            (included, .block, [b, c], .include, [a, b], [[b]]),
            (included, .toExclude, [b, c], .exclude, [c], [[b]]),
            (included, .toInclude, [b, c], .include, [a, b, c], [[a]]),
            (excluding, .allow, [a, c], .exclude, [d], []),
            (excluding, .block, [a, c], .exclude, [c, d], [[a]]),
            (excluding, .block, [c, e], .exclude, [c, d], [[e]]),
            (excluding, .toExclude, [a, c], .exclude, [c], [[a]]),
            (excluding, .toExclude, [c, e], .exclude, [c], [[e]]),
            (excluding, .toInclude, [a, c], .exclude, [d], [[], [b]]),
        ]
        for row in table {
            var router = router(in: row.0)
            router.hear(row.1, group, row.2, at: instant(2))
            let filter = router.filter(of: group, at: instant(2))
            #expect(filter == SourceFilter(row.3, row.4), "\(row.0): \(row.1) \(row.2)")
            run(&router, to: instant(2))
            #expect(router.queries.map(\.sources) == row.queries, "\(row.0): \(row.1) \(row.2)")
            #expect(router.queries.allSatisfy { $0.group == group && $0.maxResponseTime == .seconds(1) })
        }
    }

    @Test func whatIsNotConfirmedRunsOutInTheTimeOfLastMembersAndTheRestInThatOfMembers() {
        var settings = QuerierSettings()
        settings.queryInterval = .seconds(20_000)
        var router = MembershipRouter<IPv4Address>(settings, at: .zero)
        router.hear(.allow, group, [a, b], at: instant(10))
        router.hear(.block, group, [a], at: instant(11))
        run(&router, to: instant(11) + .milliseconds(1_999))
        #expect(router.filter(of: group, at: router.deadline).sources == [a, b])
        // Told twice, as robustness says.
        #expect(router.queries.filter { $0.sources == [a] && !$0.suppressesRouters }.count == 2)
        run(&router, to: instant(13))
        #expect(router.filter(of: group, at: instant(13)).sources == [b])
        run(&router, to: instant(10) + settings.membershipInterval)
        #expect(router.believed(at: .never).isEmpty)
    }

    @Test func confirmedSourceStaysAndTheSecondQuerySaysSo() {
        var router = router()
        router.hear(.allow, group, [a, b], at: instant(10))
        router.hear(.block, group, [a, b], at: instant(11))
        run(&router, to: instant(11))
        router.hear(.isInclude, group, [b], at: instant(11))
        run(&router, to: instant(20))
        #expect(router.filter(of: group, at: instant(20)).sources == [b])
        let asked = router.queries.filter { !$0.group.isAny }.map { ($0.sources, $0.suppressesRouters) }
        #expect(asked.map(\.0) == [[a, b], [b], [a]] && asked.map(\.1) == [false, true, false])
    }

    @Test func groupThatNobodyConfirmsBecomesWhatIsChosenOfIt() {
        var router = router()
        router.hear(.toExclude, group, [], at: instant(10))
        router.hear(.allow, group, [b], at: instant(10))
        router.hear(.toInclude, group, [a], at: instant(11))
        run(&router, to: instant(12))
        #expect(router.filter(of: group, at: instant(12)) == .all)
        run(&router, to: instant(13))
        #expect(router.filter(of: group, at: instant(13)) == SourceFilter(.include, [a]))
    }

    @Test func olderHostsTellOfAllSourcesAndHideWhatTheyWouldNotUnderstand() {
        for version in [MembershipVersion.v1, .v2] {
            var router = router()
            router.hear(.isExclude, group, [], from: version, at: instant(10))
            #expect(router.believed(at: instant(10)).map(\.oldestHost) == [version])
            router.hear(.toExclude, group, [a], at: instant(11))
            router.hear(.block, group, [a], at: instant(11))
            #expect(router.filter(of: group, at: instant(11)) == .all)
            router.hear(.toInclude, group, [], at: instant(12))
            run(&router, to: instant(20))
            // Version 1 has no leaves (RFC 9776 §7.3.2).
            #expect(router.filter(of: group, at: instant(20)) == (version == .v1 ? .all : .none))
            run(&router, to: instant(1_000))
            #expect(router.believed(at: instant(1_000)).isEmpty)
        }
    }

    @Test func queriesAreOfTheVersionSetAndOlderOnesAskLess() {
        for version in MembershipVersion.allCases {
            var router = router { $0.version = version }
            router.hear(.toExclude, group, [], at: instant(1))
            router.hear(.toInclude, group, [a], at: instant(2))
            run(&router, to: instant(3))
            #expect(router.queries.allSatisfy { $0.version == version && $0.sources.isEmpty })
            #expect(router.queries.count == (version == .v1 ? 0 : 2))
            // Whoever cannot ask waits until nothing was heard for long enough.
            run(&router, to: instant(10))
            #expect(router.filter(of: group, at: instant(10)).mode == (version == .v1 ? .exclude : .include))
        }
        var router = router()
        router.setVersion(.v2, at: instant(5))
        run(&router, to: instant(5))
        #expect(router.queries.map(\.version) == [.v2])
        run(&router, to: instant(200))
        #expect(router.queries.count == 3, "one at once, one a quarter later, one in its time")
    }

    @Test func nothingGrowsBeyondItsBoundAndWhatIsNotForRoutersIsCounted() {
        var router = router {
            $0.groupsMax = 2
            $0.sourcesMax = 3
        }
        for number in UInt8(1)...3 { router.hear(.isExclude, IPv4Address(239, 1, 1, number), [], at: instant(1)) }
        router.hear(.allow, group, [a, b, c, d], at: instant(1))
        router.hear(.isInclude, IPv4Address(239, 1, 1, 2), [a, b, c, d], at: instant(1))
        #expect(router.believed(at: instant(1)).count == 2 && router.counters.refused == 3)
        router.hear(.isExclude, IPv4Address(232, 1, 1, 1), [], at: instant(1))
        router.hear(.isExclude, IPv4Address(232, 1, 1, 1), [], from: .v2, at: instant(1))
        #expect(router.counters.ignored == 2)
        router.hear(.isExclude, IPv4Address(10, 1, 1, 1), [], at: instant(1))
        #expect(router.counters.malformed == 1)
    }
}
