import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyNeighbors

/// What an advertisement does to an entry, flag by flag (RFC 4861 §7.2.5).
@Suite struct NDPAdvertisementTests {
    private let start = Instant.zero + .seconds(100)

    /// A host that knows carol at alice's link address in a state.
    private func host(
        knowing state: NeighborState, router isRouter: Bool = false, _ settings: NDPSettings = .init()
    ) throws -> (host: NDPHost, now: Instant) {
        let host = try NDPHost(settings: settings)
        try host.take(own, at: start)
        var now = start
        switch state {
        case .none: break
        case .incomplete: _ = host.resolve(carol, at: now)
        case .failed:
            _ = host.resolve(carol, at: now)
            for _ in 0..<3 {
                now = try #require(host.deadline)
                host.fire(at: now)
            }
        case .permanent:
            try host.engine.setPermanent(carol, on: host.lan, to: aliceMAC, at: now, output: &host.output)
        case .reachable, .stale, .delay, .probe:
            host.reach(carol, at: aliceMAC, router: isRouter, now)
            guard state != .reachable else { break }
            now = now + .seconds(46)
            host.fire(at: now)
            guard state != .stale else { break }
            _ = host.resolve(carol, at: now)
            guard state != .delay else { break }
            now = now + .seconds(5)
            host.fire(at: now)
        }
        #expect(host.neighborState(carol) == state)
        _ = host.said()
        _ = host.routerNews()
        return (host, now)
    }

    private struct Outcome: Hashable {
        var drop: NDPDrop?
        var state: NeighborState
        var mac: MACAddress?
    }

    private func outcome(
        of state: NeighborState, mac: MACAddress?, solicited: Bool, override: Bool
    ) throws -> Outcome {
        let (host, now) = try host(knowing: state)
        let drop = host.answered(carol, mac, solicited: solicited, override: override, at: now)
        return Outcome(drop: drop, state: host.neighborState(carol), mac: host.listing(at: now).first?.mac)
    }

    @Test func whoeverIsNotKnownIsNotRemembered() throws {
        for (solicited, override) in [(true, true), (true, false), (false, true), (false, false)] {
            let found = try outcome(of: .none, mac: bobMAC, solicited: solicited, override: override)
            #expect(found == Outcome(drop: .unsolicited, state: .none, mac: nil))
        }
    }

    @Test func theFirstAnswerCountsWhateverItsOverrideFlagIfItTellsALinkAddress() throws {
        for override in [true, false] {
            #expect(
                try outcome(of: .incomplete, mac: bobMAC, solicited: true, override: override)
                    == Outcome(drop: nil, state: .reachable, mac: bobMAC))
            #expect(
                try outcome(of: .incomplete, mac: bobMAC, solicited: false, override: override)
                    == Outcome(drop: nil, state: .stale, mac: bobMAC))
            for solicited in [true, false] {
                #expect(
                    try outcome(of: .incomplete, mac: nil, solicited: solicited, override: override)
                        == Outcome(drop: .unsolicited, state: .incomplete, mac: nil))
            }
            #expect(
                try outcome(of: .failed, mac: bobMAC, solicited: true, override: override)
                    == Outcome(drop: nil, state: .stale, mac: bobMAC))
        }
    }

    @Test func aDifferentAddressWithoutOverrideOnlyCastsDoubt() throws {
        for state in [NeighborState.reachable, .stale, .delay, .probe] {
            for solicited in [true, false] {
                #expect(
                    try outcome(of: state, mac: bobMAC, solicited: solicited, override: false)
                        == Outcome(
                            drop: .contradictory, state: state == .reachable ? .stale : state, mac: aliceMAC),
                    "\(state)")
            }
        }
    }

    @Test func aDifferentAddressWithOverrideIsTaken() throws {
        for state in [NeighborState.reachable, .stale, .delay, .probe] {
            #expect(
                try outcome(of: state, mac: bobMAC, solicited: true, override: true)
                    == Outcome(drop: nil, state: .reachable, mac: bobMAC), "\(state)")
            #expect(
                try outcome(of: state, mac: bobMAC, solicited: false, override: true)
                    == Outcome(drop: nil, state: .stale, mac: bobMAC), "\(state)")
        }
    }

    @Test func theSameAddressOrNoneConfirmsWhenItWasAskedForAndElseChangesNothing() throws {
        for state in [NeighborState.reachable, .stale, .delay, .probe] {
            for mac in [aliceMAC, nil] {
                for override in [true, false] {
                    #expect(
                        try outcome(of: state, mac: mac, solicited: true, override: override)
                            == Outcome(drop: nil, state: .reachable, mac: aliceMAC), "\(state)")
                    #expect(
                        try outcome(of: state, mac: mac, solicited: false, override: override)
                            == Outcome(drop: nil, state: state, mac: aliceMAC), "\(state)")
                }
            }
        }
    }

    @Test func theRouterFlagIsKeptExceptFromWhatIsNotBelieved() throws {
        for state in [NeighborState.reachable, .stale, .delay, .probe] {
            let (host, now) = try host(knowing: state, router: true)
            #expect(host.answered(carol, bobMAC, override: false, at: now) == .contradictory)
            #expect(host.routerNews().isEmpty && host.listing(at: now).map(\.isRouter) == [true])
            #expect(host.answered(carol, nil, solicited: false, override: false, at: now) == nil)
            #expect(host.routerNews() == [.ceased] && host.listing(at: now).map(\.isRouter) == [false])
            #expect(host.answered(carol, aliceMAC, router: true, at: now) == nil)
            #expect(host.routerNews() == [.reachable])
        }
    }

    @Test func aNeighbourThatMovedIsNews() throws {
        let (host, now) = try host(knowing: .reachable)
        #expect(host.answered(carol, bobMAC, at: now) == nil)
        let event = host.output.neighbors.events.next()
        #expect(event?.kind == .moved(from: aliceMAC, to: bobMAC) && event?.address == carol)
    }

    @Test func theAcceptRuleStandsBeforeTheOverrideFlag() throws {
        for (policy, drop, state) in [
            (UnsolicitedPolicy.ignore, NDPDrop.unsolicited, NeighborState.reachable),
            (.verify, .contradictory, .probe),
        ] {
            var settings = NDPSettings()
            settings.neighbors.acceptUnsolicited = policy
            let (host, now) = try host(knowing: .reachable, settings)
            #expect(host.answered(carol, bobMAC, solicited: false, at: now) == drop)
            #expect(host.neighborState(carol) == state && host.listing(at: now).map(\.mac) == [aliceMAC])
            #expect(host.said().map(\.destination) == (policy == .verify ? [carol] : []))
        }
        var settings = NDPSettings()
        settings.neighbors.acceptUnsolicited = .ignore
        let (host, now) = try host(knowing: .incomplete, settings)
        #expect(host.answered(carol, bobMAC, solicited: false, at: now) == .unsolicited)
        #expect(host.answered(carol, bobMAC, solicited: true, at: now) == nil)
    }
}
