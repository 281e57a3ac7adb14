import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

@testable import ChimneyCommand

@Suite struct MulticastTesterTests {
    /// Two stacks on one link and a watch of what passes it, of one family.
    private struct Link: ~Copyable {
        var left: VirtualStack
        var right: VirtualStack
        let leftIndex: InterfaceIndex
        let rightIndex: InterfaceIndex
        let watch: LinkWatch
        private(set) var now = Instant(nanoseconds: 1_000_000_000)

        init(_ family: TestFamily) throws {
            let pool = PacketPool(packetsMax: 4_096)
            let macs = [try #require(MACAddress("02:00:00:00:00:01")), try #require(MACAddress("02:00:00:00:00:02"))]
            let addresses = [try #require(IPAddress(family.router)), try #require(IPAddress(family.own))]
            var left = VirtualStack(name: "left", pool: pool, random: StackRandom(seed: 1))
            var right = VirtualStack(name: "right", pool: pool, random: StackRandom(seed: 2))
            let mode: IPv6Mode = family.family == .ipv6 ? .manual : .off
            let one = try left.attach(InterfaceDescription(name: "eth0", mac: macs[0], ipv6: mode))
            let two = try right.attach(InterfaceDescription(name: "eth0", mac: macs[1], ipv6: mode))
            try left.addAddress(addresses[0], prefixLength: family.subnetLength, to: one, at: .zero)
            try right.addAddress(addresses[1], prefixLength: family.subnetLength, to: two, at: .zero)
            self.left = left
            self.right = right
            (leftIndex, rightIndex) = (one, two)
            watch = LinkWatch(isEthernet: true, mac: macs[1], addresses: [])
            run(seconds: 4)
        }

        /// Lets time pass and frames go over.
        mutating func run(seconds: Int) {
            for _ in 0..<seconds * 20 {
                now = now + .milliseconds(50)
                left.timerFired(at: now)
                right.timerFired(at: now)
                exchange()
            }
        }

        mutating func exchange() {
            for _ in 0..<4 {
                var batch = PacketQueue()
                left.takeTransmit(from: leftIndex, into: &batch)
                see(batch)
                right.framesArrived(&batch, on: rightIndex, at: now)
                var back = PacketQueue()
                right.takeTransmit(from: rightIndex, into: &back)
                see(back)
                left.framesArrived(&back, on: leftIndex, at: now)
            }
        }

        private func see(_ batch: borrowing PacketQueue) {
            let (watch, now) = (watch, now)
            batch.forEach { packet in
                watch.framePassed(packet.bytes, at: now)
                return true
            }
        }
    }

    private func groups(_ family: TestFamily) -> (any: String, sources: String) {
        family.family == .ipv4 ? ("239.1.1.1", "232.1.1.1") : ("ff15::1", "ff35::8000:1")
    }

    private func call(_ call: MembershipCall) throws -> GroupCall {
        do throws(GroupRefusal) { return try GroupCall(call) } catch { throw error }
    }

    @Test func rateThatIsNextToNothingSendsOnceAndWaits() throws {
        var link = try Link(TestFamily.all[0])
        for rate in [Double.leastNonzeroMagnitude, 1e-300, 1e-10] {
            var sender = MulticastTester(port: 5_001, interface: link.leftIndex)
            let request = TestSendRequest(group: "239.1.1.1", count: 3, packetsPerSecond: rate)
            do throws(GroupRefusal) { try sender.begin(request, of: &link.left, at: link.now) } catch { throw error }
            let before = link.left.ledger.created
            let next = try #require(sender.send(of: &link.left, at: link.now))
            #expect(next > link.now + .seconds(9_000_000_000))
            #expect(sender.send(of: &link.left, at: link.now + .seconds(86_400)) == next)
            #expect(link.left.ledger.created == before + 1)
            link.exchange()
            sender.closeAll(of: &link.left)
        }
    }

    @Test(arguments: TestFamily.all)
    func datagramsAreCountedBySourceAndGroupAsTheFiltersSay(_ family: TestFamily) throws {
        var link = try Link(family)
        let groups = groups(family)
        var receiver = MulticastTester(port: 5_001, interface: link.rightIndex)
        var sender = MulticastTester(port: 5_001, interface: link.leftIndex)
        let calls = [
            MembershipCall(.join, groups.any), MembershipCall(.join, groups.sources + "+2", source: family.router),
        ]
        for made in calls {
            let call = try call(made)
            let result = receiver.perform(call, 0..<call.groups.count, name: nil, of: &link.right, at: link.now)
            #expect(result.refusal == nil && result.doneCount == call.groups.count)
        }
        let sockets = receiver.takeOpened()
        #expect(sockets.count == 3)
        link.run(seconds: 1)
        let now = link.now
        for request in [
            TestSendRequest(group: groups.any, count: 3), TestSendRequest(group: groups.sources + "+3", count: 6),
        ] {
            do throws(GroupRefusal) { try sender.begin(request, of: &link.left, at: now) } catch { throw error }
        }
        let later = now + .seconds(1)
        #expect(sender.send(of: &link.left, at: later) == nil)
        link.exchange()
        for socket in sockets { #expect(receiver.receive(socket, of: &link.right)) }
        let first = try AddressRow(groups: groups.sources)[0]
        let second = try AddressRow(groups: groups.sources + "+2")[1]
        let expected = [
            FlowCount(source: family.router, group: "\(first)", count: 2),
            FlowCount(source: family.router, group: "\(second)", count: 2),
            FlowCount(source: family.router, group: groups.any, count: 3),
        ]
        #expect(Set(receiver.counts) == Set(expected))
        #expect(link.watch.datagrams.map(\.count).reduce(0, +) == 9, "what nobody joined was on the link, too")
        #expect(link.watch.datagrams.allSatisfy { $0.timeToLive == 8 })
        receiver.reset()
        #expect(receiver.counts == [])

        // A block takes a source out, and what is refused is said as RFC 3678 has it.
        let block = try call(MembershipCall(.block, groups.any, source: family.router))
        #expect(receiver.perform(block, 0..<1, name: nil, of: &link.right, at: later).refusal == nil)
        let again = receiver.perform(block, 0..<1, name: nil, of: &link.right, at: later)
        #expect(again.refusal?.errno == "EADDRNOTAVAIL" && again.doneCount == 0)
        let address = try AddressRow(groups: groups.any).first
        do throws(GroupRefusal) {
            let filter = try receiver.filter(of: address, name: nil, in: &link.right)
            #expect(filter == GroupFilterReport(.exclude, [family.router]))
            try sender.begin(TestSendRequest(group: groups.any, count: 1), of: &link.left, at: later)
        } catch {
            throw error
        }
        _ = sender.send(of: &link.left, at: later)
        link.exchange()
        for socket in sockets { #expect(receiver.receive(socket, of: &link.right)) }
        #expect(receiver.counts == [])
    }

    @Test(arguments: TestFamily.all)
    func messagesOnTheLinkAreLoggedWithTheirRecords(_ family: TestFamily) throws {
        var link = try Link(family)
        link.watch.reset()
        var receiver = MulticastTester(port: 5_001, interface: link.rightIndex)
        let join = try call(MembershipCall(.join, groups(family).sources, source: family.router))
        #expect(receiver.perform(join, 0..<1, name: nil, of: &link.right, at: link.now).refusal == nil)
        link.run(seconds: 3)
        let reports = link.watch.messages(since: 0).filter(\.isOutbound)
        let kind = family.family == .ipv4 ? "v3report" : "mld2report"
        #expect(reports.count == 2 && reports.allSatisfy { $0.kind == kind })
        #expect(
            reports[0].records == [.init(kind: "ALLOW", group: groups(family).sources, sources: [family.router])])
        #expect(reports[0].destination == (family.family == .ipv4 ? "224.0.0.22" : "ff02::16"))
        #expect(link.watch.messages(since: reports[1].seconds).count == 1)
        let leave = try call(MembershipCall(.leave, groups(family).sources))
        #expect(receiver.perform(leave, 0..<1, name: nil, of: &link.right, at: link.now).refusal == nil)
        let rest = link.right.udpSockets
        #expect(rest == [], "the socket was the group's own")
    }

    @Test func socketsOfANameHoldManyGroupsAndGoWithIt() throws {
        var link = try Link(TestFamily.all[0])
        var tester = MulticastTester(port: 5_001, interface: link.rightIndex)
        let join = try call(MembershipCall(.join, "239.1.0.0+500"))
        #expect(tester.perform(join, 0..<500, name: "a", of: &link.right, at: link.now).doneCount == 500)
        var sockets = link.right.udpSockets
        #expect(sockets.count == 1)
        let joined = link.right.memberships(of: .socket(sockets[0].id)).count
        #expect(joined == 500)
        let more = try call(MembershipCall(.join, "239.1.1.240+9"))
        let result = tester.perform(more, 0..<9, name: "a", of: &link.right, at: link.now)
        #expect(result.doneCount == 0 && result.refusal?.errno == "EADDRINUSE")
        do throws(GroupRefusal) { try tester.close("a", of: &link.right) } catch { throw error }
        sockets = link.right.udpSockets
        let left = link.right.multicast(on: link.rightIndex)?.groups.contains { "\($0.group)".hasPrefix("239.") }
        #expect(sockets == [] && left == false)
        do throws(GroupRefusal) {
            try tester.close("a", of: &link.right)
            Issue.record("a socket was closed twice")
        } catch {
            #expect(error == GroupRefusal("there is no socket a", "EBADF"))
        }
    }

    @Test func socketThatWasOpenedForACallThatFailsIsClosed() throws {
        var link = try Link(TestFamily.all[0])
        var tester = MulticastTester(port: 5_001, interface: link.rightIndex)
        let leave = try call(MembershipCall(.leave, "239.1.1.1"))
        #expect(
            tester.perform(leave, 0..<1, name: nil, of: &link.right, at: link.now).refusal?.errno == "EADDRNOTAVAIL")
        let sockets = link.right.udpSockets
        #expect(sockets == [] && tester.takeOpened() == [] && tester.takeClosed() == [])
    }

    @Test func clientHasABoundOfSocketsAndOfThingsToSend() throws {
        var link = try Link(TestFamily.all[0])
        var tester = MulticastTester(port: 5_001, interface: link.rightIndex)
        let most = MulticastTester.socketsMax
        let join = try call(MembershipCall(.join, "239.1.0.0+\(most + 1)"))
        let result = tester.perform(join, 0..<most + 1, name: nil, of: &link.right, at: link.now)
        #expect(result.doneCount == most && result.refusal?.errno == "EMFILE")
        for number in 0...MulticastTester.sendingsMax {
            do throws(GroupRefusal) {
                try tester.begin(TestSendRequest(group: "239.1.1.1", count: 1), of: &link.right, at: link.now)
                #expect(number < MulticastTester.sendingsMax)
            } catch {
                #expect(number == MulticastTester.sendingsMax && error.errno == "EBUSY")
            }
        }
        tester.closeAll(of: &link.right)
        let sockets = link.right.udpSockets
        #expect(sockets == [])
    }

    @Test func datagramsLeaveAtTheirPaceAndInTurns() throws {
        var link = try Link(TestFamily.all[0])
        var sender = MulticastTester(port: 5_001, interface: link.leftIndex)
        let start = link.now
        do throws(GroupRefusal) {
            try sender.begin(
                TestSendRequest(group: "239.1.1.1", count: 3, packetsPerSecond: 10), of: &link.left, at: start)
        } catch { throw error }
        #expect(sender.send(of: &link.left, at: start) == start + .milliseconds(100))
        #expect(sender.send(of: &link.left, at: start + .milliseconds(50)) == start + .milliseconds(100))
        #expect(sender.send(of: &link.left, at: start + .milliseconds(100)) == start + .milliseconds(200))
        #expect(sender.send(of: &link.left, at: start + .milliseconds(200)) == nil)
        link.exchange()
        #expect(link.watch.datagrams.map(\.count) == [3])
        let most = MulticastTester.datagramsPerTurnMax
        do throws(GroupRefusal) {
            try sender.begin(
                TestSendRequest(group: "239.1.1.2", count: most + 1, packetsPerSecond: 1_000_000), of: &link.left,
                at: start)
        } catch { throw error }
        let later = start + .seconds(1)
        #expect(sender.send(of: &link.left, at: later) == later, "others have their turn at once")
        #expect(sender.send(of: &link.left, at: later) == nil)
    }

    @Test func flowsAndMessagesBeyondTheirBoundsCostNothingMore() {
        var tester = MulticastTester(port: 1, interface: nil)
        for number in 0..<UInt32(MulticastTester.flowsMax + 5) {
            let source = IPAddress.v4(IPv4Address(bits: 0x0A00_0000 + number))
            tester.count(.init(source: source, group: .v4(IPv4Address(239, 1, 1, 1))))
        }
        #expect(tester.counts.count == MulticastTester.flowsMax + 1)
        #expect(tester.counts.last == FlowCount(source: "*", group: "*", count: 5))
        let watch = LinkWatch(isEthernet: false, mac: .zero, addresses: [])
        let report: [UInt8] =
            [0x46, 0xC0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, 1, 239, 1, 1, 1, 0x94, 4, 0, 0]
            + [0x16, 0, 0, 0, 239, 1, 1, 1]
        for _ in 0...LinkWatch.messagesMax { unsafe watch.framePassed(report.span.bytes, at: .zero) }
        let messages = watch.messages(since: 0)
        #expect(messages.count == LinkWatch.messagesMax / 2 + 1)
        #expect(messages.first?.kind == "v2report" && messages.first?.group == "239.1.1.1")
        for end in 0..<report.count { unsafe watch.framePassed(Array(report[..<end]).span.bytes, at: .zero) }
    }
}
