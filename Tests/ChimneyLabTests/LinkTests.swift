import ChimneyPrimitives
import ChimneyStack
import Testing

@testable import ChimneyLab

/// Each fault shows in its counter, and is absent from it without the fault.
@Suite struct LinkTests {
    private func run(
        _ family: LabFamily, _ faults: LinkFaults = .none, settings: LinkSettings = .init(), flow: FlowSettings? = nil
    ) throws -> (lab: Lab, counters: LinkCounters, flow: FlowRecord) {
        let lab = try Sample.pair(family, seed: 5, settings: settings)
        try lab.link("lan").faults = faults
        let record = try lab.flow(flow ?? FlowSettings(from: "a", to: "b", count: 1_000))
        lab.run(.seconds(30))
        #expect(lab.check() == [])
        return (lab, try lab.link("lan").counters, record)
    }

    @Test(arguments: LabFamily.allCases)
    func withoutFaultsEveryFaultCounterStaysAtZero(_ family: LabFamily) throws {
        let (_, counters, flow) = try run(family)
        // The first station to come announces its address to nobody; that frame has no receiver.
        #expect(counters.dropped == counters.dropped(.noReceiver) && counters.dropped(.noReceiver) <= 1)
        #expect(counters.duplicated == 0 && counters.corrupted == 0)
        #expect(counters.reordered == 0 && flow.received == 1_000 && counters.delivered >= 1_000)
    }

    @Test(arguments: LabFamily.allCases)
    func lossDropsItsShare(_ family: LabFamily) throws {
        let (_, counters, flow) = try run(family, LinkFaults(loss: 0.2))
        #expect((150...250).contains(counters.dropped(.lost)))
        #expect(flow.received < 1_000 && flow.lost >= 150 && flow.duplicated == 0)
    }

    @Test(arguments: LabFamily.allCases)
    func duplicationDeliversTwice(_ family: LabFamily) throws {
        let (_, counters, flow) = try run(family, LinkFaults(duplication: 0.2))
        #expect((150...260).contains(counters.duplicated) && flow.received == 1_000)
        #expect((150...250).contains(flow.duplicated))
    }

    @Test(arguments: LabFamily.allCases)
    func reorderingLetsLaterFramesOvertake(_ family: LabFamily) throws {
        let (_, counters, flow) = try run(family, LinkFaults(reordering: 0.2, reorderingDelay: .milliseconds(50)))
        #expect((150...260).contains(counters.reordered) && flow.received == 1_000)
        #expect(flow.reordered > 100 && flow.duplicated == 0)
    }

    @Test(arguments: LabFamily.allCases)
    func jitterDelaysButKeepsOrder(_ family: LabFamily) throws {
        let (_, counters, flow) = try run(family, settings: LinkSettings(jitter: .milliseconds(50)))
        #expect(counters.reordered == 0 && flow.reordered == 0 && flow.received == 1_000)
        #expect(flow.delays.longest > .milliseconds(40) && flow.delays.shortest < .milliseconds(10))
    }

    @Test(arguments: LabFamily.allCases)
    func corruptionIsFoundByAChecksumAndNeverDelivered(_ family: LabFamily) throws {
        let (lab, counters, flow) = try run(family, LinkFaults(corruption: 0.3))
        #expect((200...420).contains(counters.corrupted))
        #expect(flow.damaged == 0 && flow.received < 900)
        let ledger = try lab.node("b").stack.ledger
        #expect(ledger.dropped(.udpChecksumBad) > 100)
        // The header of IPv6 has none; its addresses are in that of UDP.
        #expect(family == .ipv6 || ledger.dropped(.ipChecksumBad) > 5)
    }

    @Test(arguments: LabFamily.allCases)
    func aFullQueueDropsAndTheRateDelays(_ family: LabFamily) throws {
        let settings = LinkSettings(bitsPerSecond: 1_000_000, queuePacketsMax: 10)
        let burst = FlowSettings(
            from: "a", to: "b", byteCount: 1_000...1_000, packetsPerSecond: 50, count: 500, pattern: .burst(50))
        let (_, counters, flow) = try run(family, settings: settings, flow: burst)
        #expect(counters.dropped(.queueFull) >= 390 && (95...120).contains(flow.received))
        // Ten frames of 1,042 bytes take 83 ms at 1 Mbit/s.
        #expect(flow.delays.longest > .milliseconds(75) && flow.delays.longest < .milliseconds(90))
        let (_, free, _) = try run(family, flow: burst)
        #expect(free.dropped(.queueFull) == 0)
    }

    @Test(arguments: LabFamily.allCases)
    func aQueueCountsBytesToo(_ family: LabFamily) throws {
        let settings = LinkSettings(bitsPerSecond: 1_000_000, queueBytesMax: 3_200)
        let burst = FlowSettings(
            from: "a", to: "b", byteCount: 1_000...1_000, packetsPerSecond: 50, count: 100, pattern: .burst(50))
        let (_, counters, flow) = try run(family, settings: settings, flow: burst)
        #expect(counters.dropped(.queueFull) >= 90 && (5...8).contains(flow.received))
    }

    @Test func framesAboveTheMTUAreDroppedWithTheirReason() throws {
        let lab = try Sample.pair(.ipv4, seed: 5)
        let lan = try lab.link("lan")
        lan.settings.mtu = 500
        let large = try lab.flow(FlowSettings(from: "a", to: "b", byteCount: 473...473, count: 10))
        let small = try lab.flow(FlowSettings(from: "a", to: "b", port: 5_001, byteCount: 472...472, count: 10))
        lab.run(.seconds(2))
        #expect(lan.counters.dropped(.tooLarge) == 10 && large.received == 0 && small.received == 10)
        #expect(lab.check() == [])
    }

    @Test func faultsOfOneDirectionLeaveTheOtherAlone() throws {
        let lab = try Sample.pair(.ipv4, seed: 5, kind: .cable)
        let there = try lab.flow(FlowSettings(from: "a", to: "b", count: 100, start: .seconds(1)))
        let back = try lab.flow(FlowSettings(from: "b", to: "a", count: 100, start: .seconds(1)))
        try lab.ping(PingSettings(from: "a", to: "b", count: 1))
        try lab.at(.milliseconds(900), .setFaults(link: "lan", LinkFaults(loss: 1), toward: "b"))
        try lab.at(.milliseconds(1_500), .endFaults)
        lab.run(.seconds(4))
        #expect((45...55).contains(there.lost) && back.lost == 0)
    }

    @Test func aSwitchLearnsAndForgetsAndIsBounded() {
        var table = SwitchTable()
        let now = Instant.zero + .seconds(10)
        table.learn(MACAddress(bits: 1), port: 3, at: now)
        table.learn(.broadcast, port: 4, at: now)
        #expect(table.port(of: MACAddress(bits: 1), at: now) == 3 && table.port(of: .broadcast, at: now) == nil)
        table.learn(MACAddress(bits: 1), port: 5, at: now)
        #expect(table.port(of: MACAddress(bits: 1), at: now) == 5)
        #expect(table.port(of: MACAddress(bits: 1), at: now + SwitchTable.age) == nil)
        for bits in 1...UInt64(SwitchTable.addressesMax + 10) {
            table.learn(MACAddress(bits: bits << 1), port: 0, at: now)
        }
        #expect(table.count == SwitchTable.addressesMax)
        table.learn(MACAddress(bits: 0x0200_0000_0001), port: 1, at: now + SwitchTable.age)
        #expect(table.count == 1)
    }

    @Test func aFrameThatNobodyTakesIsCounted() throws {
        let lab = Lab(seed: 1)
        let link = try lab.addLink("lonely")
        try lab.connect(lab.addNode("a"), to: link, address: "10.0.0.1/24", mac: MACAddress(bits: 0x0200_0000_0001))
        try lab.ping(PingSettings(from: "a", to: "10.0.0.9", count: 3))
        lab.run(.seconds(10))
        #expect(link.counters.dropped(.noReceiver) >= 1 && link.counters.dropped(.noReceiver) == link.counters.sent)
        #expect(lab.check() == [])
    }
}
