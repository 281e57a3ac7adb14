import ChimneyMulticast
import ChimneyPrimitives

/// Memberships and their receivers; `peers/kernel-multicast.c` asks the kernel for the same.
///
/// Counted is the processor time of the calls on ``HostMemberships``: what a socket wants, what the interface then
/// wants, and the index of receivers. No report is sent.
func benchMulticast(seconds: Double) throws {
    try MulticastBench<IPv4Address>(prefix: "mc", seconds: seconds).run()
    try MulticastBench<IPv6Address>(prefix: "mc6", seconds: seconds).run()
}

/// What memberships cost in resident memory; one figure a process, since freed memory counts as resident.
func benchMulticastMemory(sources: Int, isIPv6: Bool) throws {
    if isIPv6 {
        try MulticastBench<IPv6Address>(prefix: "mc6", seconds: 0).memory(sources: sources)
    } else {
        try MulticastBench<IPv4Address>(prefix: "mc", seconds: 0).memory(sources: sources)
    }
}

/// The addresses of a family by number.
protocol NumberedAddress: InternetAddress {
    static func group(_ number: Int) -> Self
    static func source(_ number: Int) -> Self
}

extension IPv4Address: NumberedAddress {
    static func group(_ number: Int) -> Self { Self(bits: 0xEF00_0001 + UInt32(number)) }
    static func source(_ number: Int) -> Self { Self(bits: 0x0A00_0001 + UInt32(number)) }
}

extension IPv6Address: NumberedAddress {
    static func group(_ number: Int) -> Self { Self(high: 0xFF15_0000_0000_0000, low: 1 + UInt64(number)) }
    static func source(_ number: Int) -> Self { Self(high: 0x2001_0DB8_0000_0000, low: 1 + UInt64(number)) }
}

private struct MulticastBench<Address: NumberedAddress> {
    let prefix: String
    let seconds: Double

    func run() throws {
        try joins(1_000)
        try joins(100_000)
        try joinsAmong(1_000)
        try joinsAmong(100_000)
        try joinsOfManySockets()
        try sourcesOneByOne(inOrder: true)
        try sourcesOneByOne(inOrder: false)
        try sourcesAsOneSet()
        for count in [1, 1_000, 10_000] { try check(count) }
        try deliver(others: 0)
        try deliver(others: 10_000)
    }

    private func host() -> HostMemberships<Address> {
        var random = StackRandom(seed: 1)
        var limits = MembershipLimits()
        limits.sourcesPerFilterMax = 100_000
        var host = HostMemberships<Address>(limits: limits, using: &random)
        host.attach(1)
        return host
    }

    /// Runs a body, which says how much of its time counts, until enough of it has passed; operations a second.
    private func rate(_ count: Int, _ body: () throws -> UInt64) rethrows -> Double {
        var (spent, rounds) = (UInt64(0), 0)
        repeat {
            spent += try body()
            rounds += 1
        } while Double(spent) < seconds * 0.2e9
        return Double(rounds * count) * 1e9 / Double(max(spent, 1))
    }

    /// `count` groups on one bound socket: joins, then leaves, the oldest first.
    private func joins(_ count: Int) throws {
        var leaving: UInt64 = 0
        var rounds = 0
        let joined = try rate(count) {
            var host = host()
            try host.setPort(5_000, of: 0)
            var start = spentNanoseconds()
            for number in 0..<count { _ = try host.join(.group(number), on: 1, socket: 0) }
            let joining = spentNanoseconds() - start
            start = spentNanoseconds()
            for number in 0..<count { _ = try host.leave(.group(number), on: 1, socket: 0) }
            leaving += spentNanoseconds() - start
            rounds += 1
            guard host.count == 0 else { throw BenchError.digestDiffers }
            return joining
        }
        report("\(prefix)-join-one-\(count)", joined, "joins/s")
        report("\(prefix)-leave-one-\(count)", Double(rounds * count) * 1e9 / Double(leaving), "leaves/s")
    }

    /// One group of `count` is left and joined again, a random one each time.
    private func joinsAmong(_ count: Int) throws {
        var host = host()
        try host.setPort(5_000, of: 0)
        for number in 0..<count { _ = try host.join(.group(number), on: 1, socket: 0) }
        var random = StackRandom(seed: 2)
        let numbers = (0..<65_536).map { _ in Int(random.next() % UInt64(count)) }
        let changed = try rate(numbers.count) {
            let start = spentNanoseconds()
            for number in numbers {
                _ = try host.leave(.group(number), on: 1, socket: 0)
                _ = try host.join(.group(number), on: 1, socket: 0)
            }
            return spentNanoseconds() - start
        }
        report("\(prefix)-rejoin-among-\(count)", changed, "leaves and joins/s")
    }

    /// 20 groups on each of 5,000 sockets.
    private func joinsOfManySockets() throws {
        var leaving: UInt64 = 0
        var rounds = 0
        let joined = try rate(100_000) {
            var host = host()
            for socket in UInt32(0)..<5_000 { try host.setPort(5_000, of: socket) }
            var start = spentNanoseconds()
            for number in 0..<100_000 { _ = try host.join(.group(number), on: 1, socket: UInt32(number / 20)) }
            let joining = spentNanoseconds() - start
            start = spentNanoseconds()
            for number in 0..<100_000 { _ = try host.leave(.group(number), on: 1, socket: UInt32(number / 20)) }
            leaving += spentNanoseconds() - start
            rounds += 1
            return joining
        }
        report("\(prefix)-join-many-100000", joined, "joins/s")
        report("\(prefix)-leave-many-100000", Double(rounds) * 1e14 / Double(leaving), "leaves/s")
    }

    /// 10,000 sources of one group, by one call each.
    private func sourcesOneByOne(inOrder: Bool) throws {
        let numbers = (0..<10_000).map { inOrder ? $0 : $0 * 7_919 % 10_000 }
        let added = try rate(numbers.count) {
            var host = host()
            let start = spentNanoseconds()
            for number in numbers { _ = try host.join(.group(0), from: .source(number), on: 1, socket: 0) }
            return spentNanoseconds() - start
        }
        report("\(prefix)-source-\(inOrder ? "one" : "scattered")-10000", added, "sources/s")
    }

    /// 10,000 sources of one group as one full filter, in place of none and in place of as many others.
    private func sourcesAsOneSet() throws {
        let filters = (0..<2).map { list in
            SourceFilter(.include, (0..<10_000).map { Address.source($0 * 2 + list) })
        }
        var host = host()
        var replacing: UInt64 = 0
        var rounds = 0
        let set = try rate(10_000) {
            var start = spentNanoseconds()
            _ = try host.setFilter(filters[0], of: .group(0), on: 1, socket: 0)
            let setting = spentNanoseconds() - start
            start = spentNanoseconds()
            _ = try host.setFilter(filters[1], of: .group(0), on: 1, socket: 0)
            replacing += spentNanoseconds() - start
            rounds += 1
            _ = try host.leave(.group(0), on: 1, socket: 0)
            return setting
        }
        report("\(prefix)-source-set-10000", set, "sources/s")
        report("\(prefix)-source-replace-10000", Double(rounds) * 1e13 / Double(replacing), "sources/s")
    }

    /// A datagram from a sender that is not among the `count` excluded ones.
    private func check(_ count: Int) throws {
        var host = host()
        try host.setPort(5_000, of: 0)
        let list = (0..<count).map { Address.source($0 * 2) }
        _ = try host.setFilter(SourceFilter(.exclude, list), of: .group(0), on: 1, socket: 0)
        let datagrams = (0..<1_024).map { number in
            GroupDatagram<Address>(
                group: .group(0), source: .source(number * 7_919 % 10_000 * 2 + 1), interface: 1, port: 5_000)
        }
        report("\(prefix)-check-\(count)", try deliveries(datagrams, host), "datagrams/s")
    }

    /// A datagram for one socket, with others on the port that joined other groups.
    private func deliver(others: Int) throws {
        var host = host()
        for socket in UInt32(0)...UInt32(others) {
            try host.setPort(5_000, of: socket)
            _ = try host.join(.group(Int(socket)), on: 1, socket: socket)
        }
        let datagram = GroupDatagram<Address>(group: .group(0), source: .source(1), interface: 1, port: 5_000)
        let datagrams = Array(repeating: datagram, count: 1_024)
        report("\(prefix)-deliver-others-\(others)", try deliveries(datagrams, host), "datagrams/s")
    }

    private func deliveries(
        _ datagrams: [GroupDatagram<Address>], _ host: borrowing HostMemberships<Address>
    ) throws -> Double {
        var (spent, rounds) = (UInt64(0), 0)
        repeat {
            let start = spentNanoseconds()
            for _ in 0..<64 {
                guard delivered(datagrams, host) == datagrams.count else { throw BenchError.digestDiffers }
            }
            spent += spentNanoseconds() - start
            rounds += 64
        } while Double(spent) < seconds * 0.2e9
        return Double(rounds * datagrams.count) * 1e9 / Double(spent)
    }

    /// How many sockets the datagrams reach.
    @inline(never)
    private func delivered(
        _ datagrams: [GroupDatagram<Address>], _ host: borrowing HostMemberships<Address>
    ) -> Int {
        var count = 0
        for datagram in datagrams {
            var walk = host.receivers(of: datagram)
            while host.next(&walk) != nil { count += 1 }
        }
        return count
    }

    /// What 100,000 memberships of one bound socket cost in memory.
    func memory(sources: Int) throws {
        let before = residentByteCount()
        var host = host()
        try host.setPort(5_000, of: 0)
        let filter = sources == 0 ? .all : SourceFilter(.include, (0..<sources).map(Address.source))
        for number in 0..<100_000 { _ = try host.setFilter(filter, of: .group(number), on: 1, socket: 0) }
        let each = Double(residentByteCount() - before) / 100_000
        report("\(prefix)-membership-bytes-\(sources)", each, "bytes each", ",\"count\":\(host.count)")
    }
}
