import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyAddressing

@Suite struct DHCPClientTests {
    private let start = Instant.zero + .seconds(1_000)

    @Test func searchGoesFromDiscoverOverOfferAndRequestToALease() throws {
        let host = DHCPHost()
        host.start(at: start)
        let first = try host.step()
        #expect(first > start && first <= start + .seconds(1))
        let discovers = host.said()
        #expect(discovers.count == 1)
        let discover = discovers[0]
        #expect(discover.interface == 3 && discover.source == .any && discover.destination == .limitedBroadcast)
        #expect(discover.message.type == .discover && discover.message.hardware == clientMAC)
        #expect(discover.message.wantsBroadcast && discover.message.clientAddress == .any)
        let identifier = try discover.data(.clientIdentifier)
        let list = try #require(try discover.data(.parameterRequestList))
        #expect(identifier == [1, 2, 0, 0, 0, 0, 0x50])
        #expect(list.starts(with: [1, 121, 3, 6]), "routes by prefix come before routers")
        #expect(try discover.data(.maximumMessageSize) == [5, 220])
        #expect(try discover.address(.requestedAddress) == nil && discover.address(.serverIdentifier) == nil)

        #expect(host.hear(try DHCPAnswer().message(.offer, to: discover.message), at: first) == nil)
        #expect(host.said().isEmpty, "other servers are waited for")
        let second = try host.step()
        #expect(second == first + .milliseconds(500))
        let requests = host.said()
        #expect(requests.count == 1)
        let request = requests[0]
        #expect(request.source == .any && request.destination == .limitedBroadcast)
        #expect(request.message.type == .request && request.message.transaction == discover.message.transaction)
        #expect(request.message.seconds == discover.message.seconds && request.message.clientAddress == .any)
        #expect(try request.address(.requestedAddress) == leasedAddress)
        #expect(try request.address(.serverIdentifier) == serverAddress)
        #expect(try request.data(.parameterRequestList) == list && request.data(.clientIdentifier) == identifier)

        let third = second + .seconds(1)
        #expect(host.hear(try DHCPAnswer().message(.acknowledge, to: request.message), at: third) == nil)
        #expect(host.client.state == .checking)
        let lease = try #require(host.client.lease)
        #expect(host.news() == [.granted(lease)])
        #expect(lease.address == leasedAddress && lease.prefixLength == 24 && lease.server == serverAddress)
        #expect(lease.expiresAt == second + .seconds(3_600), "a lease counts from the request")
        host.prove(leasedAddress, at: third + .seconds(5))
        #expect(host.client.state == .bound && host.news() == [.leased(lease)])
        host.prove(leasedAddress, at: third + .seconds(6))
        #expect(host.news().isEmpty && host.said().isEmpty)
    }

    @Test func messagesAreRepeatedAfterFourEightSixteenAndThenSixtyFourSeconds() throws {
        var spreads: Set<Int64> = []
        for seed in Seeds.chosen(count: 50) {
            let host = DHCPHost(seed: seed)
            host.start(at: start)
            var last = try host.step()
            let began = start
            for expected in [4.0, 8, 16, 32, 64, 64, 64] {
                let next = try host.step()
                let gap = (next - last).seconds
                #expect(abs(gap - expected) <= 1, "replay with CHIMNEY_SEED=\(seed)")
                spreads.insert((next - last).nanoseconds % 1_000_000_000)
                last = next
            }
            let said = host.said()
            #expect(said.count == 8 && said.allSatisfy { $0.message.type == .discover })
            #expect(Set(said.map(\.message.transaction)).count == 1)
            #expect(said.last?.message.seconds == UInt16((last - began).seconds))
        }
        #expect(spreads.count > 100, "chance moves each of them")
    }

    @Test func requestIsGivenUpAfterAMinuteAndTheSearchBeginsAnew() throws {
        let host = DHCPHost()
        host.start(at: start)
        let first = try host.step()
        let discover = try #require(host.said().last?.message)
        #expect(host.hear(try DHCPAnswer().message(.offer, to: discover), at: first) == nil)
        let asked = try host.step()
        for _ in 0..<3 { _ = try host.step() }
        let requests = host.said()
        #expect(requests.count == 4 && requests.allSatisfy { $0.message.type == .request })
        #expect(requests.allSatisfy { $0.message.seconds == discover.seconds })
        let over = try host.step()
        #expect((over - asked).seconds > 56 && (over - asked).seconds < 64)
        #expect(host.client.state == .starting && host.said().isEmpty)
        _ = try host.step()
        let again = host.said()
        #expect(again.map(\.message.type) == [.discover] && again[0].message.transaction != discover.transaction)
    }

    @Test func bestOfferIsTheWishedOneThenOneWithARouterThenTheLongest() throws {
        var routed = DHCPAnswer(address: IPv4Address(10, 0, 0, 60), server: IPv4Address(10, 0, 0, 2))
        try routed.further.append(.router, [IPv4Address(10, 0, 0, 254)])
        let plain = DHCPAnswer()
        let long = DHCPAnswer(
            address: IPv4Address(10, 0, 0, 70), server: IPv4Address(10, 0, 0, 3), seconds: 1_000_000)
        for (offers, expected) in [
            ([plain, routed, long], routed), ([plain, long], long), ([long, plain], long), ([plain], plain),
        ] {
            let host = DHCPHost()
            host.start(at: start)
            let now = try host.step()
            let discover = try #require(host.said().last?.message)
            for offer in offers { #expect(host.hear(try offer.message(.offer, to: discover), at: now) == nil) }
            _ = try host.step()
            let request = try #require(host.said().last)
            #expect(try request.address(.requestedAddress) == expected.address)
            #expect(try request.address(.serverIdentifier) == expected.server)
        }
        let host = DHCPHost()
        host.start(remembering: plain.address, at: start)
        for _ in 0..<3 { _ = try host.step() }
        let search = try #require(host.said().last)
        #expect(try search.address(.requestedAddress) == plain.address, "the search says what it would like")
        let now = start + .seconds(20)
        #expect(host.hear(try routed.message(.offer, to: search.message), at: now) == nil)
        #expect(host.said().isEmpty)
        #expect(host.hear(try plain.message(.offer, to: search.message), at: now) == nil)
        let request = try #require(host.said().last, "the wished one is taken at once")
        #expect(try request.address(.requestedAddress) == plain.address)
    }

    @Test func offersBeyondTheBoundAreDropped() throws {
        var settings = DHCPSettings()
        settings.offersMax = 3
        let host = DHCPHost(settings)
        host.start(at: start)
        let now = try host.step()
        let discover = try #require(host.said().last?.message)
        func offer(_ server: UInt8) throws -> DHCPDrop? {
            let answer = DHCPAnswer(server: IPv4Address(10, 0, 0, server))
            return host.hear(try answer.message(.offer, to: discover), at: now)
        }
        #expect(try [offer(1), offer(2), offer(3)] == [nil, nil, nil])
        #expect(try offer(4) == .tooManyOffers)
        #expect(try offer(2) == nil, "a server may repeat itself")
        for _ in 0..<10_000 { #expect(try offer(5) == .tooManyOffers) }
        _ = try host.step()
        #expect(try host.said().last?.address(.serverIdentifier) == IPv4Address(10, 0, 0, 1))
    }

    @Test func leaseIsRenewedAtItsServerThenReboundAtAllAndThenLost() throws {
        for seed in Seeds.chosen(count: 50) {
            let host = DHCPHost(seed: seed)
            let lease = try host.reachLease(at: start)
            let asked = lease.expiresAt.nanoseconds - 3_600_000_000_000
            func after(_ instant: Instant) -> Double { Double(instant.nanoseconds - asked) / 1e9 }
            #expect((1_687...1_800).contains(after(lease.renewsAt)), "replay with CHIMNEY_SEED=\(seed)")
            #expect((2_953...3_150).contains(after(lease.rebindsAt)), "replay with CHIMNEY_SEED=\(seed)")

            var last = try host.step()
            #expect(last == lease.renewsAt && host.client.state == .renewing)
            var transactions: Set<UInt32> = []
            for _ in 0..<100 where host.client.lease != nil {
                for sent in host.said() {
                    let isRebinding = last >= lease.rebindsAt
                    #expect(sent.message.type == .request && sent.source == leasedAddress)
                    #expect(sent.destination == (isRebinding ? .limitedBroadcast : serverAddress))
                    #expect(sent.message.clientAddress == leasedAddress && !sent.message.wantsBroadcast)
                    #expect(try sent.address(.requestedAddress) == nil && sent.address(.serverIdentifier) == nil)
                    #expect(transactions.insert(sent.message.transaction).inserted)
                }
                let next = try host.step()
                #expect(next >= last + .seconds(59) || next == lease.rebindsAt || next == lease.expiresAt)
                last = next
            }
            #expect((6...20).contains(transactions.count))
            #expect(last == lease.expiresAt && host.news() == [.lost(lease, .expired)])
            #expect(host.client.state == .starting)
            _ = try host.step()
            let search = try #require(host.said().last)
            #expect(search.message.type == .discover)
            #expect(try search.address(.requestedAddress) == leasedAddress)
        }
    }

    @Test func grantedRenewalMakesTheLeaseLongerWithoutAnotherCheck() throws {
        let host = DHCPHost()
        let lease = try host.reachLease(at: start)
        let asked = try host.step()
        let request = try #require(host.said().last?.message)
        var answer = DHCPAnswer(seconds: 7_200)
        try answer.further.append(.domainName, "example.org")
        let granted = asked + .seconds(1)
        #expect(host.hear(try answer.message(.acknowledge, to: request), at: granted) == nil)
        let longer = try #require(host.client.lease)
        #expect(host.client.state == .bound && host.news() == [.renewed(longer)])
        #expect(longer.expiresAt == asked + .seconds(7_200) && longer.expiresAt > lease.expiresAt)
        #expect(longer.domain == "example.org")
        #expect(host.hear(try answer.message(.acknowledge, to: request), at: granted) == .unexpected)
    }

    @Test func whileRebindingAnyServerMayAnswerAndWhileRenewingOnlyOurs() throws {
        let other = DHCPAnswer(server: IPv4Address(10, 0, 0, 2))
        let host = DHCPHost()
        let lease = try host.reachLease(at: start)
        var now = try host.step()
        var request = try #require(host.said().last?.message)
        #expect(host.hear(try other.message(.acknowledge, to: request), at: now) == .otherServer)
        #expect(host.hear(try other.message(.refuse, to: request), at: now) == .otherServer)
        host.fire(at: lease.rebindsAt)
        now = lease.rebindsAt
        #expect(host.client.state == .rebinding)
        request = try #require(host.said().last?.message)
        #expect(host.hear(try other.message(.acknowledge, to: request), at: now) == nil)
        #expect(host.client.lease?.server == IPv4Address(10, 0, 0, 2))
    }

    @Test func refusalEndsTheLeaseAndTheSearchBeginsAnewEverMoreSlowly() throws {
        let host = DHCPHost()
        let lease = try host.reachLease(at: start)
        var now = try host.step()
        let renewal = try #require(host.said().last?.message)
        #expect(host.hear(try DHCPAnswer().message(.refuse, to: renewal), at: now) == nil)
        #expect(host.news() == [.lost(lease, .refused)] && host.client.lease == nil)
        var gaps: [Double] = []
        for _ in 0..<8 {
            let before = now
            now = try host.step()
            gaps.append((now - before).seconds)
            let discover = try #require(host.said().last)
            #expect(discover.message.type == .discover)
            #expect(try discover.address(.requestedAddress) == nil, "the refused address is wished no longer")
            #expect(host.hear(try DHCPAnswer().message(.offer, to: discover.message), at: now) == nil)
            now = try host.step()
            let request = try #require(host.said().last?.message)
            #expect(host.hear(try DHCPAnswer().message(.refuse, to: request), at: now) == nil)
        }
        #expect(gaps[0] <= 1)
        for (gap, expected) in zip(gaps.dropFirst(), [4.0, 8, 16, 32, 64, 64, 64]) { #expect(abs(gap - expected) <= 1) }
    }

    @Test func addressThatAnotherHostHasIsDeclinedAndTheSearchPauses() throws {
        let host = DHCPHost()
        let now = try host.reachGrant(at: start)
        let lease = try #require(host.client.lease)
        _ = host.news()
        host.prove(IPv4Address(10, 0, 0, 99), isFree: false, at: now)
        #expect(host.said().isEmpty && host.client.state == .checking, "that is not the address")
        host.prove(leasedAddress, isFree: false, at: now)
        let declines = host.said()
        #expect(declines.map(\.message.type) == [.decline] && declines[0].destination == .limitedBroadcast)
        #expect(declines[0].source == .any && declines[0].message.clientAddress == .any)
        #expect(try declines[0].address(.requestedAddress) == leasedAddress)
        #expect(try declines[0].address(.serverIdentifier) == serverAddress)
        #expect(try declines[0].data(.parameterRequestList) == nil)
        #expect(host.news() == [.lost(lease, .conflict)])
        let next = try host.step()
        #expect(next >= now + .seconds(10) && next < now + .seconds(12))
        #expect(try host.said().last?.address(.requestedAddress) == nil)
    }

    @Test func addressThatTheStackCannotTakeIsDeclinedAndNothingIsLost() throws {
        let host = DHCPHost()
        let now = try host.reachGrant(at: start)
        _ = host.news()
        host.client.addressRefused(serverAddress, at: now, using: &host.random, output: &host.output)
        #expect(host.said().isEmpty && host.client.lease != nil, "that is not the address")
        host.client.addressRefused(leasedAddress, at: now, using: &host.random, output: &host.output)
        #expect(host.said().map(\.message.type) == [.decline] && host.news().isEmpty && host.client.lease == nil)
        #expect(try host.step() >= now + .seconds(10))
        let held = DHCPHost()
        let lease = try held.reachLease(at: start)
        held.client.addressRefused(leasedAddress, at: now, using: &held.random, output: &held.output)
        #expect(held.client.lease == lease, "what is in use was taken")
    }

    @Test func conflictThatShowsInUseIsDeclinedToo() throws {
        let host = DHCPHost()
        let lease = try host.reachLease(at: start)
        host.prove(leasedAddress, isFree: false, at: start + .seconds(100))
        #expect(host.said().map(\.message.type) == [.decline] && host.news() == [.lost(lease, .conflict)])
    }

    @Test func addressIsGivenBackWhenTheClientStops() throws {
        let host = DHCPHost()
        let lease = try host.reachLease(at: start)
        host.stop(at: start + .seconds(100))
        let releases = host.said()
        #expect(releases.map(\.message.type) == [.release] && releases[0].destination == serverAddress)
        #expect(releases[0].source == leasedAddress && releases[0].message.clientAddress == leasedAddress)
        #expect(try releases[0].address(.serverIdentifier) == serverAddress)
        #expect(try releases[0].address(.requestedAddress) == nil)
        #expect(host.news() == [.lost(lease, .released)] && host.client.state == .stopped)
        #expect(host.client.deadline == nil)
        host.stop(at: start + .seconds(101))
        #expect(host.said().isEmpty && host.news().isEmpty)
    }

    @Test func rememberedAddressIsAskedForWithoutASearch() throws {
        let host = DHCPHost()
        host.start(remembering: leasedAddress, at: start)
        let now = try host.step()
        let requests = host.said()
        #expect(requests.map(\.message.type) == [.request] && requests[0].destination == .limitedBroadcast)
        #expect(try requests[0].address(.requestedAddress) == leasedAddress)
        #expect(try requests[0].address(.serverIdentifier) == nil && requests[0].message.clientAddress == .any)
        let message = requests[0].message
        let elsewhere = DHCPAnswer(address: IPv4Address(10, 0, 0, 51))
        #expect(host.hear(try elsewhere.message(.acknowledge, to: message), at: now) == .otherAddress)
        #expect(host.hear(try DHCPAnswer().message(.acknowledge, to: message), at: now) == nil)
        let lease = try #require(host.client.lease)
        #expect(host.client.state == .checking && host.news() == [.granted(lease)])
    }

    @Test func rememberedAddressThatIsRefusedOrUnansweredLeadsToASearch() throws {
        let refused = DHCPHost()
        refused.start(remembering: leasedAddress, at: start)
        let now = try refused.step()
        let request = try #require(refused.said().last?.message)
        #expect(refused.hear(try DHCPAnswer().message(.refuse, to: request), at: now) == nil)
        _ = try refused.step()
        let search = try #require(refused.said().last)
        #expect(search.message.type == .discover)
        #expect(try search.address(.requestedAddress) == nil)

        let silent = DHCPHost()
        silent.start(remembering: leasedAddress, at: start)
        for _ in 0..<3 { _ = try silent.step() }
        #expect(silent.said().map(\.message.type) == [.request, .request, .discover])
    }

    @Test func linkThatComesBackAsksAgainForTheLeaseAndUsesItOnInSilence() throws {
        let host = DHCPHost()
        let lease = try host.reachLease(at: start)
        host.client.linkWentDown()
        #expect(host.client.deadline == lease.expiresAt && host.client.state == .bound)
        let up = start + .seconds(200)
        host.linkWentUp(at: up)
        var now = try host.step()
        let request = try #require(host.said().last)
        #expect(request.message.type == .request && host.client.state == .rebooting)
        #expect(try request.address(.requestedAddress) == leasedAddress)
        for _ in 0..<2 { now = try host.step() }
        #expect(host.client.state == .bound && host.client.lease == lease && host.news().isEmpty)
        #expect(host.client.deadline == lease.renewsAt)

        host.client.linkWentDown()
        host.linkWentUp(at: now)
        now = try host.step()
        let again = try #require(host.said().last?.message)
        #expect(host.hear(try DHCPAnswer().message(.refuse, to: again), at: now) == nil)
        #expect(host.news() == [.lost(lease, .refused)])
    }

    @Test func leaseWhoseCheckALinkInterruptsIsUsedOnlyAfterItsProof() throws {
        let host = DHCPHost()
        let granted = try host.reachGrant(at: start)
        _ = host.news()
        host.client.linkWentDown()
        host.linkWentUp(at: granted)
        let now = try host.step()
        let request = try #require(host.said().last?.message)
        #expect(host.hear(try DHCPAnswer().message(.acknowledge, to: request), at: now) == nil)
        let lease = try #require(host.client.lease)
        #expect(host.client.state == .checking && host.news().isEmpty)
        host.prove(leasedAddress, at: now)
        #expect(host.client.state == .bound && host.news() == [.leased(lease)])
    }

    @Test func changedLinkAddressKeepsTheLeaseAndTheNameOfTheClient() throws {
        let host = DHCPHost()
        let lease = try host.reachLease(at: start)
        let other = MACAddress(bits: 0x0200_0000_0077)
        host.client.setMAC(other)
        let now = try host.step()
        let request = try #require(host.said().last)
        #expect(request.message.hardware == other && host.client.lease == lease)
        #expect(try request.data(.clientIdentifier) == [1, 2, 0, 0, 0, 0, 0x50])
        var answer = try DHCPAnswer().message(.acknowledge, to: request.message)
        #expect(host.hear(answer, at: now) == nil)
        answer.hardware = clientMAC
        #expect(host.hear(answer, at: now) == .notForUs)
    }

    @Test func nothingIsSaidWhileTheLinkIsDownAndALeaseStillEnds() throws {
        let host = DHCPHost()
        host.client.linkWentDown()
        host.start(at: start)
        #expect(host.client.deadline == nil)
        host.fire(at: start + .seconds(100))
        #expect(host.said().isEmpty)
        host.linkWentUp(at: start + .seconds(100))
        _ = try host.step()
        #expect(host.said().map(\.message.type) == [.discover])

        let leased = DHCPHost()
        let lease = try leased.reachLease(at: start)
        leased.client.linkWentDown()
        leased.fire(at: lease.expiresAt)
        #expect(leased.news() == [.lost(lease, .expired)] && leased.said().isEmpty)
        #expect(leased.client.deadline == nil)
    }

    @Test func leaseForEverIsNeverAskedAboutAgain() throws {
        let host = DHCPHost()
        let lease = try host.reachLease(DHCPAnswer(seconds: .max), at: start)
        #expect(lease.expiresAt == .never && lease.renewsAt == .never && host.client.deadline == nil)
        let long = DHCPHost()
        let years = try long.reachLease(DHCPAnswer(seconds: .max - 1), at: start)
        #expect(years.expiresAt < .never && years.renewsAt < years.rebindsAt && years.rebindsAt < years.expiresAt)
    }
}
