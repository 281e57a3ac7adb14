import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack

/// Groups through a whole stack: the calls of a program, the reports they cause, and datagrams from frame to socket.
///
/// `Multicast.swift` beside measures the memberships alone; `peers/kernel-multicast.c` asks the kernel for the same as here.
func benchStackGroups(seconds: Double) throws {
    try GroupBench(isIPv6: false, seconds: seconds).run()
    try GroupBench(isIPv6: true, seconds: seconds).run()
}

/// What 100,000 groups of one socket cost a whole stack in resident memory.
func benchStackGroupMemory() throws {
    let before = residentByteCount()
    var world = try GroupWorld(isIPv6: false)
    for number in 0..<100_000 {
        try world.stack.join(
            world.group(number), on: .index(world.index), as: .socket(world.sockets[0]), at: world.now)
    }
    world.passTime()
    report("stack-mc-membership-bytes", Double(residentByteCount() - before) / 100_000, "bytes each")
}

/// A stack on Ethernet whose reports are taken and thrown away.
private struct GroupWorld: ~Copyable {
    var stack: VirtualStack
    let index: InterfaceIndex
    let isIPv6: Bool
    var sockets: [SocketID] = []
    let pool: PacketPool
    var now = Instant.zero
    var reportCount = 0

    init(isIPv6: Bool, sockets count: Int = 1) throws {
        let pool = PacketPool()
        var settings = StackSettings()
        settings.duplicateDetection = .off
        settings.membershipLimits.sourcesPerFilterMax = 100_000
        var stack = VirtualStack(name: "groups", settings: settings, pool: pool, random: StackRandom(seed: 1))
        let index = try stack.attach(
            InterfaceDescription(
                name: "e0", kind: .ethernet, mac: MACAddress(bits: 0x0200_0000_0001), ipv6: isIPv6 ? .manual : .off))
        try stack.addAddress(host(net: 0, number: 1, isIPv6: isIPv6), to: index)
        var options = UDPOptions()
        options.sharesAddress = true
        var sockets: [SocketID] = []
        for _ in 0..<count {
            let socket = try stack.openUDP()
            stack.setOptions(options, of: socket)
            try stack.bind(socket, to: Endpoint(port: 5_000))
            sockets.append(socket)
        }
        self.pool = pool
        self.index = index
        self.isIPv6 = isIPv6
        self.sockets = sockets
        self.stack = stack
    }

    func group(_ number: Int) -> IPAddress { isIPv6 ? .v6(.group(number)) : .v4(.group(number)) }
    func source(_ number: Int) -> IPAddress { isIPv6 ? .v6(.source(number)) : .v4(.source(number)) }

    /// A hundredth of a second passes, in which reports leave.
    mutating func passTime() {
        now = now + .milliseconds(10)
        stack.timerFired(at: now)
        var queue = PacketQueue()
        while let next = stack.nextToTransmit() { stack.takeTransmit(from: next, into: &queue) }
        while let next = stack.nextFilterChange() { _ = stack.takeFilterChanges(of: next) }
        reportCount += queue.count
    }
}

private struct GroupBench {
    let isIPv6: Bool
    let seconds: Double

    private var prefix: String { isIPv6 ? "stack-mc6" : "stack-mc" }

    func run() throws {
        try joins(1_000)
        try joins(100_000)
        try joinsOfManySockets()
        try sources()
        for count in [1, 1_000, 10_000] { try check(excluding: count) }
        try deliver(others: 0)
        try deliver(others: 10_000)
        try deliver(receivers: 64)
    }

    /// Groups on one socket, joined and then left, the oldest first; after each thousand the reports are sent.
    private func joins(_ count: Int) throws {
        var (joining, leaving, rounds) = (UInt64(0), UInt64(0), 0)
        repeat {
            var world = try GroupWorld(isIPv6: isIPv6)
            joining += try time { try joinAll(&world, count) { _ in 0 } }
            leaving += try time { try leaveAll(&world, count) { _ in 0 } }
            guard world.reportCount > 0, world.stack.memberships(of: .socket(world.sockets[0])).isEmpty else {
                throw BenchError.digestDiffers
            }
            rounds += 1
        } while Double(joining) < seconds * 0.2e9
        report("\(prefix)-join-one-\(count)", Double(rounds * count) * 1e9 / Double(joining), "joins/s")
        report("\(prefix)-leave-one-\(count)", Double(rounds * count) * 1e9 / Double(leaving), "leaves/s")
    }

    /// 20 groups on each of 5,000 sockets.
    private func joinsOfManySockets() throws {
        var world = try GroupWorld(isIPv6: isIPv6, sockets: 5_000)
        let joining = try time { try joinAll(&world, 100_000) { $0 / 20 } }
        let leaving = try time { try leaveAll(&world, 100_000) { $0 / 20 } }
        report("\(prefix)-join-many-100000", 1e14 / Double(joining), "joins/s")
        report("\(prefix)-leave-many-100000", 1e14 / Double(leaving), "leaves/s")
    }

    private func joinAll(_ world: inout GroupWorld, _ count: Int, socket: (Int) -> Int) throws {
        for number in 0..<count {
            try world.stack.join(
                world.group(number), on: .index(world.index), as: .socket(world.sockets[socket(number)]), at: world.now)
            if number % 1_000 == 999 { world.passTime() }
        }
    }

    private func leaveAll(_ world: inout GroupWorld, _ count: Int, socket: (Int) -> Int) throws {
        for number in 0..<count {
            try world.stack.leave(
                world.group(number), on: .index(world.index), as: .socket(world.sockets[socket(number)]), at: world.now)
            if number % 1_000 == 999 { world.passTime() }
        }
    }

    /// 10,000 sources of one group, by one call each and as one filter.
    private func sources() throws {
        var (one, set, rounds) = (UInt64(0), UInt64(0), 0)
        repeat {
            var world = try GroupWorld(isIPv6: isIPv6)
            let me = GroupMember.socket(world.sockets[0])
            one += try time {
                for number in 0..<10_000 {
                    try world.stack.join(
                        world.group(0), from: world.source(number), on: .index(world.index), as: me, at: world.now)
                    if number % 1_000 == 999 { world.passTime() }
                }
            }
            let filter = GroupFilter(.include, (0..<10_000).map { world.source($0 * 2) })
            set += try time {
                try world.stack.setFilter(filter, of: world.group(1), on: .index(world.index), as: me, at: world.now)
                world.passTime()
            }
            rounds += 1
        } while Double(one) < seconds * 0.2e9
        report("\(prefix)-source-one-10000", Double(rounds) * 1e13 / Double(one), "sources/s")
        report("\(prefix)-source-set-10000", Double(rounds) * 1e13 / Double(set), "sources/s")
    }

    /// Datagrams from senders that are not among the excluded ones.
    private func check(excluding count: Int) throws {
        var world = try GroupWorld(isIPv6: isIPv6)
        let filter = GroupFilter(.exclude, (0..<count).map { world.source($0 * 2) })
        try world.stack.setFilter(
            filter, of: world.group(0), on: .index(world.index), as: .socket(world.sockets[0]), at: world.now)
        report("\(prefix)-check-\(count)", try receive(&world, receivers: 1), "datagrams/s")
    }

    /// Datagrams for one socket, with others on the port that joined other groups.
    private func deliver(others: Int) throws {
        var world = try GroupWorld(isIPv6: isIPv6, sockets: others + 1)
        for number in 0...others {
            try world.stack.join(
                world.group(number), on: .index(world.index), as: .socket(world.sockets[number]), at: world.now)
        }
        report("\(prefix)-deliver-others-\(others)", try receive(&world, receivers: 1), "datagrams/s")
    }

    /// Datagrams for many sockets, each of which reads them all.
    private func deliver(receivers: Int) throws {
        var world = try GroupWorld(isIPv6: isIPv6, sockets: receivers)
        for socket in world.sockets {
            try world.stack.join(world.group(0), on: .index(world.index), as: .socket(socket), at: world.now)
        }
        report("\(prefix)-deliver-to-\(receivers)", try receive(&world, receivers: receivers), "datagrams/s")
    }

    /// Frames to the first group handed in by batches of 64 and read by the sockets; datagrams a second.
    private func receive(_ world: inout GroupWorld, receivers: Int) throws -> Double {
        world.passTime()
        let templates = frames(world)
        var (spent, count, read) = (UInt64(0), 0, 0)
        repeat {
            for batch in 0..<templates.count / 64 {
                var queue = PacketQueue()
                for number in 0..<64 {
                    guard var packet = world.pool.allocate() else { throw BenchError.packetsLost }
                    let frame = templates[batch * 64 + number]
                    guard unsafe packet.append(frame.span.bytes) else { throw BenchError.packetsLost }
                    packet.metadata.checksum = .verified
                    queue.append(packet)
                }
                let start = spentNanoseconds()
                world.stack.framesArrived(&queue, on: world.index, at: world.now)
                for socket in world.sockets.prefix(receivers) {
                    while world.stack.receivableCount(socket) > 0 {
                        _ = world.stack.receive(socket)
                        read += 1
                    }
                }
                world.stack.dropAnnounced()
                spent += spentNanoseconds() - start
                count += 64
            }
        } while Double(spent) < seconds * 0.2e9
        guard read == count * receivers else { throw BenchError.packetsLost }
        return Double(count) * 1e9 / Double(spent)
    }

    /// A thousand and more frames to the first group, from as many senders.
    private func frames(_ world: borrowing GroupWorld) -> [[UInt8]] {
        (0..<1_024).map { number in
            frame(to: world.group(0), from: world.source(number * 7_919 % 10_000 * 2 + 1))
        }
    }

    private func frame(to group: IPAddress, from source: IPAddress) -> [UInt8] {
        func be(_ number: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> UInt64($0 * 8)) }
        }
        func bytes(_ address: IPAddress) -> [UInt8] {
            switch address {
            case .v4(let address): be(UInt64(address.bits), 4)
            case .v6(let address): be(address.high, 8) + be(address.low, 8)
            }
        }
        func mac(_ address: IPAddress) -> UInt64 {
            switch address {
            case .v4(let address): MACAddress(group: address).bits
            case .v6(let address): MACAddress(group: address).bits
            }
        }
        let payload = [UInt8](repeating: 7, count: 64)
        let udp = be(4_000, 2) + be(5_000, 2) + be(72, 2) + be(1, 2) + payload
        let link = be(mac(group), 6) + be(0x0200_0000_0009, 6) + be(isIPv6 ? 0x86DD : 0x0800, 2)
        if isIPv6 { return link + be(0x6000_0000, 4) + be(72, 2) + [17, 1] + bytes(source) + bytes(group) + udp }
        var header = [0x45, 0] + be(92, 2) + be(0, 4) + [1, 17, 0, 0] + bytes(source) + bytes(group)
        var sum = 0
        for place in stride(from: 0, to: 20, by: 2) { sum += Int(header[place]) << 8 | Int(header[place + 1]) }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        header.replaceSubrange(10..<12, with: be(UInt64(~sum & 0xFFFF), 2))
        return link + header + udp
    }

    private func time(_ body: () throws -> Void) rethrows -> UInt64 {
        let start = spentNanoseconds()
        try body()
        return spentNanoseconds() - start
    }
}
