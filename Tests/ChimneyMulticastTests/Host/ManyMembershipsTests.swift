import ChimneyMulticast
import ChimneyPrimitives
import Testing

@Suite struct ManyMembershipsTests {
    @Test func eachOfManyMembershipsIsFoundUntilItIsLeftOverIPv4() throws { try joinAndLeaveMany(IPv4Address.self) }
    @Test func eachOfManyMembershipsIsFoundUntilItIsLeftOverIPv6() throws { try joinAndLeaveMany(IPv6Address.self) }

    /// The tables grow, are filled and emptied in random order, so that what is removed leaves gaps of all kinds.
    private func joinAndLeaveMany<Address: Drawable>(_: Address.Type) throws {
        var random = StackRandom(seed: 3)
        var host = HostMemberships<Address>(using: &random)
        for interface in UInt32(1)...3 { host.attach(interface) }
        for socket in UInt32(0)..<4 { try host.setPort(5_000 + UInt16(socket % 2), of: socket) }
        let names = (0..<3_000).map { number in
            MembershipName(
                socket: UInt32(number % 4), interface: 1 + UInt32(number / 4 % 3), group: Address.group(number / 12))
        }
        for name in names { _ = try host.join(name.group, on: name.interface, socket: name.socket) }
        #expect((host.count, host.groupCount) == (3_000, 750))
        var isThere = Array(repeating: true, count: names.count)
        for step in 0..<8_000 {
            let number = Int(random.next() % 3_000)
            let name = names[number]
            if isThere[number] {
                _ = try host.leave(name.group, on: name.interface, socket: name.socket)
            } else if step < 4_000 {
                _ = try host.join(name.group, on: name.interface, socket: name.socket)
            } else {
                continue
            }
            isThere[number].toggle()
        }
        #expect(host.count == isThere.filter { $0 }.count)
        #expect(host.count > 100 && host.count < 1_500)
        for (number, name) in names.enumerated() {
            let admits = host.admits(Address.source(1), to: name.group, on: name.interface, socket: name.socket)
            let datagram = GroupDatagram(
                group: name.group, source: Address.source(1), interface: name.interface,
                port: 5_000 + UInt16(name.socket % 2))
            let receives = host.allReceivers(of: datagram).contains(name.socket)
            guard (admits != nil) == isThere[number], receives == isThere[number] else {
                Issue.record("\(name) is there: \(isThere[number]), and is found: \(admits != nil), \(receives)")
                return
            }
        }
    }
}
