import ChimneyMulticast
import ChimneyPrimitives
import Testing

/// Random calls of random sockets, held against a model that keeps every filter and merges by the definition.
@Suite struct MembershipPropertyTests {
    @Test func callsDoWhatTheirDefinitionsSayOverIPv4() {
        for seed in Seeds.chosen(count: 2_000) { Run<IPv4Address>(seed: seed).run() }
    }

    @Test func callsDoWhatTheirDefinitionsSayOverIPv6() {
        for seed in Seeds.chosen(count: 2_000) { Run<IPv6Address>(seed: seed).run() }
    }

    /// One seed.
    private final class Run<Address: Drawable> {
        let seed: UInt64
        var random: StackRandom
        var host: HostMemberships<Address>
        var model = MembershipModel<Address>()
        /// What each interface's filter is, followed by the changes alone.
        var followed: [MembershipName<Address>: SourceFilter<Address>] = [:]
        let socketCount: UInt64
        let groupCount: UInt64
        let sourceCount: UInt64
        let interfaceCount: UInt64

        init(seed: UInt64) {
            self.seed = seed
            var random = StackRandom(seed: seed)
            host = HostMemberships(using: &random)
            socketCount = 1 + random.next() % 4
            groupCount = 1 + random.next() % 2
            sourceCount = 1 + random.next() % 5
            interfaceCount = 1 + random.next() % 2
            self.random = random
            for interface in 1...UInt32(interfaceCount) { host.attach(interface) }
        }

        func draw(_ count: UInt64) -> Int { Int(random.next() % count) }

        func run() {
            for step in 0..<24 {
                let complaint: String? =
                    switch draw(16) {
                    case 0: bind()
                    case 1: draw(4) == 0 ? close(UInt32(draw(socketCount))) : nil
                    case 2: draw(4) == 0 ? replug() : nil
                    case 3: takeEverything()
                    default: call() ?? deliver()
                    }
                if let complaint {
                    Issue.record("\(complaint) at step \(step), replay with CHIMNEY_SEED=\(seed)")
                    return
                }
            }
            for socket in 0..<UInt32(socketCount) {
                if let complaint = close(socket) {
                    Issue.record("\(complaint) on closing, replay with CHIMNEY_SEED=\(seed)")
                }
            }
            let left = (host.count, host.sourceCount, host.groupCount)
            #expect(left == (0, 0, 0), "replay with CHIMNEY_SEED=\(seed)")
        }

        func call() -> String? {
            let name = MembershipName(
                socket: UInt32(draw(socketCount)), interface: 1 + UInt32(draw(interfaceCount)),
                group: Address.group(draw(groupCount)))
            let source = Address.source(draw(sourceCount))
            let call: MembershipCall<Address> =
                switch draw(12) {
                case 0, 1: .join
                case 2: .leave
                case 3, 4: .joinSource(source)
                case 5, 6: .leaveSource(source)
                case 7, 8: .block(source)
                case 9: .unblock(source)
                default:
                    .setFilter(
                        SourceFilter(
                            draw(2) == 0 ? .include : .exclude,
                            (0..<draw(sourceCount + 1)).map { _ in Address.source(draw(sourceCount)) }))
                }
            let expected = model.apply(call, name)
            switch (host.apply(call, name), expected) {
            case (.success(let change), nil):
                follow(change, name.group, name.interface)
            case (.failure(let error), let expected?) where error == expected:
                break
            case (let result, _):
                return "\(call) of \(name) gave \(result), not \(String(describing: expected))"
            }
            return compare(name.group, name.interface) ?? compare(name)
        }

        func follow(_ change: FilterChange<Address>?, _ group: Address, _ interface: UInt32) {
            let place = MembershipName(socket: 0, interface: interface, group: group)
            if let change { followed[place, default: .none].apply(change) }
        }

        func compare(_ group: Address, _ interface: UInt32) -> String? {
            let expected = model.merged(group, interface)
            let told = followed[MembershipName(socket: 0, interface: interface, group: group)] ?? .none
            let found = host.filter(of: group, on: interface)
            if found != expected { return "the interface wants \(found), not \(expected)" }
            if told != expected { return "the interface was told \(told), not \(expected)" }
            let isJoined = host.isJoined(group, on: interface)
            return isJoined == expected.isNone ? "the group counts as joined: \(isJoined)" : nil
        }

        func compare(_ name: MembershipName<Address>) -> String? {
            let found = try? host.filter(of: name.group, on: name.interface, socket: name.socket)
            let expected = model.filter(name)
            if found != expected { return "\(name) has \(String(describing: found))" }
            let listed = host.groups(of: name.socket).map(\.filter)
            let kept = model.joined.filter { $0.name.socket == name.socket }.map(\.filter)
            if listed != kept { return "the socket's groups are \(listed), not \(kept)" }
            let sum = model.joined.reduce(0) { $0 + $1.filter.sources.count }
            return host.count == model.joined.count && host.sourceCount == sum ? nil : "counts are off"
        }

        func bind() -> String? {
            let (socket, port) = (UInt32(draw(socketCount)), UInt16(draw(3)))
            model.ports[socket] = port
            do { try host.setPort(port, of: socket) } catch { return "binding fails with \(error)" }
            return deliver()
        }

        func takeEverything() -> String? {
            let (socket, receives) = (UInt32(draw(socketCount)), draw(2) == 0)
            model.everything.removeAll { $0 == socket }
            if receives { model.everything.append(socket) }
            do { try host.setReceivesEverything(receives, of: socket) } catch { return "it fails with \(error)" }
            return deliver()
        }

        func close(_ socket: UInt32) -> String? {
            let before = model.joined.filter { $0.name.socket == socket }.map(\.name)
            model.close(socket)
            for name in before {
                guard let left = host.leaveNext(of: socket) else { return "a group is not left" }
                let isNext = left.group == name.group && left.interface == name.interface
                if !isNext { return "groups are left out of order" }
                follow(left.change, name.group, name.interface)
            }
            if host.leaveNext(of: socket) != nil { return "a group too many is left" }
            for name in before {
                if let complaint = compare(name.group, name.interface) { return complaint }
            }
            return deliver()
        }

        /// An interface goes, and another takes its number.
        func replug() -> String? {
            let interface = 1 + UInt32(draw(interfaceCount))
            host.detach(interface)
            let name = MembershipName(socket: 0, interface: interface, group: Address.group(0))
            guard case .failure(.noSuchInterface(interface)) = host.apply(.join, name) else { return "it is there" }
            host.attach(interface)
            model.joined.removeAll { $0.name.interface == interface }
            for key in followed.keys where key.interface == interface { followed[key] = nil }
            return compare(Address.group(0), interface) ?? deliver()
        }

        func deliver() -> String? {
            let datagram = GroupDatagram(
                group: Address.group(draw(groupCount)), source: Address.source(draw(sourceCount + 1)),
                interface: 1 + UInt32(draw(interfaceCount)), port: UInt16(1 + draw(2)))
            let found = host.allReceivers(of: datagram)
            let expected = model.receivers(of: datagram)
            let isRight = found.count == expected.count && Set(found) == expected
            return isRight ? nil : "\(datagram) reaches \(found), not \(expected.sorted())"
        }
    }
}
