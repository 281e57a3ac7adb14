import ChimneyMulticast
import ChimneyPrimitives
import Testing

@Suite struct HostMembershipsTests {
    private let group = IPv4Address(239, 1, 1, 1)
    private let other = IPv4Address(239, 1, 1, 2)
    private let source = IPv4Address(10, 0, 0, 9)

    private func host(_ limits: MembershipLimits = MembershipLimits()) -> HostMemberships<IPv4Address> {
        var random = StackRandom(seed: 7)
        var host = HostMemberships<IPv4Address>(limits: limits, using: &random)
        host.attach(1)
        return host
    }

    private func error(
        of call: MembershipCall<IPv4Address>, _ group: IPv4Address, on interface: UInt32 = 1, socket: UInt32 = 0,
        in host: inout HostMemberships<IPv4Address>
    ) -> MembershipError? {
        switch host.apply(call, MembershipName(socket: socket, interface: interface, group: group)) {
        case .success: nil
        case .failure(let error): error
        }
    }

    @Test func addressesThatAreNoGroupOrNoSourceAreRefused() {
        var host = host()
        for address in [IPv4Address(10, 0, 0, 1), IPv4Address.any, .limitedBroadcast, IPv4Address(240, 0, 0, 1)] {
            #expect(error(of: .join, address, in: &host) == .notMulticast)
            #expect(error(of: .joinSource(source), address, in: &host) == .notMulticast)
            #expect(error(of: .setFilter(.all), address, in: &host) == .notMulticast)
        }
        for bad in [IPv4Address.any, .limitedBroadcast, other] {
            #expect(error(of: .joinSource(bad), group, in: &host) == .sourceInvalid)
            #expect(error(of: .setFilter(SourceFilter(.exclude, [source, bad])), group, in: &host) == .sourceInvalid)
        }
        #expect(error(of: .join, group, on: 2, in: &host) == .noSuchInterface(2))
        #expect(host.count == 0)
        #expect(error(of: .joinSource(source), group, in: &host) == nil)
        #expect(host.count == 1)
    }

    @Test func socketsAreBoundedEach() {
        var limits = MembershipLimits()
        limits.membershipsPerSocketMax = 2
        limits.socketsMax = 2
        var host = host(limits)
        #expect(error(of: .join, group, in: &host) == nil)
        #expect(error(of: .join, other, in: &host) == nil)
        #expect(error(of: .join, IPv4Address(239, 1, 1, 3), in: &host) == .tooManyMemberships(max: 2))
        #expect(error(of: .joinSource(source), IPv4Address(239, 1, 1, 3), in: &host) == .tooManyMemberships(max: 2))
        #expect(error(of: .join, IPv4Address(239, 1, 1, 3), socket: 1, in: &host) == nil)
        #expect(error(of: .join, group, socket: 2, in: &host) == .noSuchSocket(2))
        #expect(error(of: .leave, group, in: &host) == nil)
        #expect(error(of: .join, IPv4Address(239, 1, 1, 3), in: &host) == nil)
        #expect(host.count == 3)
    }

    @Test func boundsOfASocketTakeThePlaceOfTheStacks() throws {
        var limits = MembershipLimits()
        limits.membershipsPerSocketMax = 1
        limits.sourcesPerFilterMax = 1
        var host = host(limits)
        try host.setBounds(membershipsMax: 2, sourcesPerFilterMax: 2, of: 0)
        #expect(error(of: .joinSource(source), group, in: &host) == nil)
        #expect(error(of: .joinSource(IPv4Address(10, 0, 0, 8)), group, in: &host) == nil)
        #expect(error(of: .joinSource(IPv4Address(10, 0, 0, 7)), group, in: &host) == .tooManySources(max: 2))
        #expect(error(of: .joinSource(source), group, in: &host) == .sourceAlready)
        #expect(error(of: .join, other, in: &host) == nil)
        #expect(error(of: .join, IPv4Address(239, 1, 1, 3), in: &host) == .tooManyMemberships(max: 2))
        #expect(error(of: .join, group, socket: 1, in: &host) == nil)
        #expect(error(of: .join, other, socket: 1, in: &host) == .tooManyMemberships(max: 1))
        #expect(error(of: .block(source), group, socket: 1, in: &host) == nil)
        #expect(error(of: .block(IPv4Address(10, 0, 0, 8)), group, socket: 1, in: &host) == .tooManySources(max: 1))
        let two = SourceFilter(.exclude, [source, IPv4Address(10, 0, 0, 8)])
        #expect(error(of: .setFilter(two), group, socket: 1, in: &host) == .tooManySources(max: 1))
        #expect(error(of: .setFilter(two), group, in: &host) == nil)
        while host.leaveNext(of: 0) != nil {}
        #expect(error(of: .setFilter(two), group, in: &host) == .tooManySources(max: 1))
    }

    @Test func stackIsBoundedOverAllSockets() {
        var limits = MembershipLimits()
        limits.membershipsPerStackMax = 3
        limits.sourcesPerStackMax = 3
        var host = host(limits)
        let sources = (1...4).map { IPv4Address(10, 0, 0, $0) }
        let four = SourceFilter(.include, sources)
        #expect(error(of: .setFilter(four), group, in: &host) == .tooManySourcesInStack(max: 3))
        #expect(error(of: .setFilter(SourceFilter(.include, sources.prefix(2))), group, in: &host) == nil)
        #expect(error(of: .joinSource(sources[2]), group, socket: 1, in: &host) == nil)
        #expect(error(of: .joinSource(sources[3]), group, socket: 1, in: &host) == .tooManySourcesInStack(max: 3))
        #expect(error(of: .joinSource(sources[3]), group, socket: 2, in: &host) == .tooManySourcesInStack(max: 3))
        #expect(error(of: .setFilter(four), group, in: &host) == .tooManySourcesInStack(max: 3))
        #expect(host.filter(of: group, on: 1) == SourceFilter(.include, sources.prefix(3)))
        #expect(error(of: .join, group, socket: 2, in: &host) == nil)
        #expect(error(of: .join, group, socket: 3, in: &host) == .tooManyMembershipsInStack(max: 3))
        #expect((host.count, host.sourceCount) == (3, 3))

        // A lower bound takes nothing away, and what shrinks is not hindered by it.
        host.limits.sourcesPerStackMax = 1
        #expect(error(of: .setFilter(SourceFilter(.include, [sources[3]])), group, in: &host) == nil)
        #expect(error(of: .leaveSource(sources[2]), group, socket: 1, in: &host) == nil)
        #expect((host.count, host.sourceCount) == (2, 1))
    }

    @Test func socketOfTheStacksOwnGroupsIsExemptFromTheBoundOfTheStackAlone() throws {
        var limits = MembershipLimits()
        limits.membershipsPerStackMax = 1
        limits.membershipsPerSocketMax = 2
        var host = host(limits)
        host.exemptSocket = 0
        #expect(error(of: .join, group, socket: 1, in: &host) == nil)
        #expect(error(of: .join, group, in: &host) == nil)
        #expect(error(of: .join, other, in: &host) == nil)
        #expect(error(of: .join, IPv4Address(239, 1, 1, 3), in: &host) == .tooManyMemberships(max: 2))
        #expect(error(of: .join, other, socket: 1, in: &host) == .tooManyMembershipsInStack(max: 1))
        #expect(host.count == 3)
    }

    @Test func groupsForOneSourceAreNotJoinedWithoutSources() {
        var host = host()
        host.sourceSpecificGroups = [IPv4Prefix(IPv4Address(232, 0, 0, 0), length: 8)]
        let specific = IPv4Address(232, 1, 1, 1)
        #expect(error(of: .join, specific, in: &host) == .needsSource)
        #expect(error(of: .setFilter(SourceFilter(.exclude, [source])), specific, in: &host) == .needsSource)
        #expect(error(of: .joinSource(source), specific, in: &host) == nil)
        #expect(error(of: .setFilter(SourceFilter(.include, [source, other.host])), specific, in: &host) == nil)
        #expect(error(of: .leave, specific, in: &host) == nil)
        #expect(error(of: .join, IPv4Address(233, 1, 1, 1), in: &host) == nil)
    }

    @Test func joiningWithoutSourcesMakesOthersListsVoidAndLeavingBringsThemBack() {
        var host = host()
        let sources = (1...3).map { IPv4Address(10, 0, 0, $0) }
        func change(_ call: MembershipCall<IPv4Address>, _ socket: UInt32) -> FilterChange<IPv4Address>? {
            try? host.apply(call, MembershipName(socket: socket, interface: 1, group: group)).get()
        }
        #expect(
            change(.setFilter(SourceFilter(.exclude, sources)), 0) == .mode(to: SourceFilter(.exclude, sources)))
        #expect(change(.join, 1) == .sources(allow: sources, block: []))
        #expect(change(.join, 2) == nil)
        #expect(change(.leave, 1) == nil)
        #expect(change(.leave, 2) == .sources(allow: [], block: sources))
        #expect(change(.joinSource(sources[1]), 1) == .sources(allow: [sources[1]], block: []))
        #expect(change(.leave, 0) == .mode(to: SourceFilter(.include, [sources[1]])))
        #expect(change(.leaveSource(sources[1]), 1) == .sources(allow: [], block: [sources[1]]))
    }

    @Test func datagramReachesItsReceiversInTheOrderOfJoining() throws {
        var host = host()
        for socket in [UInt32(5), 2, 9, 4] {
            try host.setPort(socket == 9 ? 6_000 : 5_000, of: socket)
            _ = try host.join(group, on: 1, socket: socket)
        }
        let datagram = GroupDatagram(group: group, source: source, interface: 1, port: 5_000)
        #expect(host.allReceivers(of: datagram) == [5, 2, 4])
        _ = try host.block(source, of: group, on: 1, socket: 2)
        #expect(host.allReceivers(of: datagram) == [5, 4])
        #expect(host.admits(source, to: group, on: 1, socket: 2) == false)
        _ = try host.leave(group, on: 1, socket: 5)
        _ = try host.join(group, on: 1, socket: 5)
        #expect(host.allReceivers(of: datagram) == [4, 5])
        try host.setPort(5_000, of: 9)
        #expect(host.allReceivers(of: datagram) == [4, 5, 9])
        #expect(host.admits(source, to: group, on: 1, socket: 1) == nil)
    }

    @Test func socketReceivesWhatOthersJoinedOnlyWhenItAsksForIt() throws {
        var host = host()
        try host.setPort(5_000, of: 0)
        try host.setPort(5_000, of: 1)
        _ = try host.join(group, on: 1, socket: 0)
        let datagram = GroupDatagram(group: group, source: source, interface: 1, port: 5_000)
        #expect(host.allReceivers(of: datagram) == [0])
        try host.setReceivesEverything(true, of: 1)
        #expect(host.allReceivers(of: datagram) == [0, 1])
        // What a socket joined itself is as it asked for it, also where it blocks.
        _ = try host.setFilter(SourceFilter(.exclude, [source]), of: group, on: 1, socket: 1)
        #expect(host.allReceivers(of: datagram) == [0])
        _ = try host.leave(group, on: 1, socket: 1)
        #expect(host.allReceivers(of: datagram) == [0, 1])
        try host.setReceivesEverything(false, of: 1)
        #expect(host.allReceivers(of: datagram) == [0])
    }

    @Test func interfaceThatGoesTakesItsMembershipsAlong() throws {
        var host = host()
        host.attach(2)
        for socket in UInt32(0)..<3 {
            _ = try host.join(group, on: 1, socket: socket)
            _ = try host.join(group, on: 2, socket: socket)
        }
        host.detach(1)
        #expect(host.interfaces == [2])
        #expect((host.count, host.groupCount) == (3, 1))
        #expect(host.groups(of: 1).map(\.interface) == [2])
        #expect(throws: MembershipError.noSuchInterface(1)) { try host.leave(group, on: 1, socket: 0) }
        host.attach(1)
        #expect(host.groups(on: 1).isEmpty)
        #expect(throws: MembershipError.notMember) { try host.filter(of: group, on: 1, socket: 0) }
    }
}

extension IPv4Address {
    /// The address of a host that a group's last bits name.
    fileprivate var host: Self { Self(bits: 0x0A00_0000 | bits & 0xFFFF) }
}
