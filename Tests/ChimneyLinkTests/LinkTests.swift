import ChimneyLink
import ChimneyPrimitives
import Testing

@Suite struct InterfaceTableTests {
    var table = InterfaceTable(interfacesMax: 3)

    @Test mutating func indexStaysThroughRenamesAndIsNotGivenAgain() throws {
        let first = try table.attach(name: "eth0", kind: .ethernet)
        let second = try table.attach(name: "tun0", kind: .ip)
        #expect(first.rawValue == 1 && second.rawValue == 2)
        try table.rename(first, to: "wan")
        #expect(table[first]?.name == "wan" && table["wan"]?.index == first && table["eth0"] == nil)
        let snapshot = table
        try table.detach(first)
        #expect(table[first] == nil && snapshot[first]?.name == "wan")
        #expect(try table.attach(name: "wan", kind: .ethernet).rawValue == 3)
        #expect(table.interfaces.map(\.index.rawValue) == [2, 3])
    }

    @Test mutating func tableRefusesAtItsBound() throws {
        for name in ["a", "b", "c"] { _ = try table.attach(name: name, kind: .ethernet) }
        #expect(throws: InterfaceTableError.tooManyInterfaces(max: 3)) { try table.attach(name: "d", kind: .ip) }
        try table.detach(InterfaceIndex(rawValue: 2))
        #expect(try table.attach(name: "d", kind: .ip).rawValue == 4)
    }

    @Test mutating func namesAreCheckedAndUnique() throws {
        let first = try table.attach(name: "eth0", kind: .ethernet)
        let second = try table.attach(name: "eth1", kind: .ethernet)
        #expect(throws: InterfaceTableError.nameInUse("eth0", by: first)) { try table.rename(second, to: "eth0") }
        try table.rename(first, to: "eth0")
        for name in ["", "a b", "a%b", "a/b", "a:b", "..", "0123456789abcdef", "ä", "a\n"] {
            #expect(throws: InterfaceTableError.invalidName(name)) { try table.attach(name: name, kind: .ethernet) }
        }
        let gone = InterfaceIndex(rawValue: 9)
        #expect(throws: InterfaceTableError.noSuchInterface(gone)) { try table.rename(gone, to: "x") }
        #expect(throws: InterfaceTableError.noSuchInterface(gone)) { try table.detach(gone) }
    }

    @Test mutating func groupsListTheirMembersAndAreBounded() throws {
        let first = try table.attach(name: "eth0", kind: .ethernet)
        let second = try table.attach(name: "eth1", kind: .ethernet)
        try table.join("lan", second)
        try table.join("lan", first)
        try table.join("lan", first)
        #expect(table.members(of: "lan").map(\.name) == ["eth0", "eth1"] && table[first]?.groups == ["lan"])
        try table.leave("lan", first)
        #expect(table.members(of: "lan").map(\.name) == ["eth1"])
        for number in 0..<InterfaceTable.groupsMax { try table.join("g\(number)", first) }
        #expect(throws: InterfaceTableError.tooManyGroups(max: 16)) { try table.join("more", first) }
    }
}

@Suite struct TransmitQueueTests {
    let pool = PacketPool(packetsMax: 100)

    func frame(_ count: Int) -> Packet {
        guard var packet = pool.allocate(), packet.extend(by: count) else { preconditionFailure("the pool has room") }
        return packet
    }

    @Test func newFramesAreRefusedAtEitherBoundAndCounted() {
        var queue = TransmitQueue(packetsMax: 3, bytesMax: 250)
        let large = queue.append(frame(300))
        let second = queue.append(frame(1))
        #expect(large && !second && queue.count == 1 && queue.refused == 1)
        let dropped = queue.removeAll()
        #expect(dropped == 1 && pool.inUse == 0)
        let taken = (0..<4).map { _ in queue.append(frame(10)) }
        #expect(taken == [true, true, true, false] && queue.refused == 2 && queue.byteCount == 30)
        #expect(pool.inUse == 3)
    }

    @Test func batchesMoveInAndOutInOrder() {
        var queue = TransmitQueue(packetsMax: 3, bytesMax: 1_000)
        var batch = PacketQueue()
        for count in 1...5 { batch.append(frame(count)) }
        let fits = queue.append(contentsOf: &batch)
        #expect(!fits && queue.count == 3 && batch.count == 2 && queue.refused == 0)
        var out = PacketQueue()
        queue.takeAll(into: &out, packetsMax: 2)
        _ = out.removeFirst()
        queue.giveBack(&out)
        #expect(queue.count == 2 && out.count == 0)
        queue.takeAll(into: &out)
        let lengths = [out.removeFirst().count, out.removeFirst().count]
        #expect(lengths == [2, 3] && queue.count == 0)
    }
}

@Suite struct PipeTests {
    let pool = PacketPool(packetsMax: 100)

    @Test func oneEndReceivesWhatTheOtherTransmits() throws {
        let pipe = Pipe(packetsMax: 4)
        var batch = PacketQueue()
        for count in 1...6 {
            guard var packet = pool.allocate() else { return }
            _ = packet.extend(by: count)
            batch.append(packet)
        }
        try pipe.left.transmit(&batch)
        #expect(batch.count == 2 && pipe.right.hasIncoming && !pipe.left.hasIncoming)
        var received = PacketQueue()
        #expect(try pipe.right.receive(into: &received, packetsMax: 3, pool: pool, at: .zero) == 3)
        #expect(try pipe.left.receive(into: &received, packetsMax: 3, pool: pool, at: .zero) == 0)
        try pipe.left.transmit(&batch)
        #expect(try pipe.right.receive(into: &received, packetsMax: 10, pool: pool, at: .zero) == 3)
        var lengths: [Int] = []
        while !received.isEmpty { lengths.append(received.removeFirst().count) }
        #expect(lengths == [1, 2, 3, 4, 5, 6])
    }

    @Test func cutPipeDeliversWhatWasOnItsWayAndIsGone() throws {
        let pipe = Pipe()
        var batch = PacketQueue()
        if let packet = pool.allocate() { batch.append(packet) }
        try pipe.left.transmit(&batch)
        pipe.left.cut()
        var received = PacketQueue()
        #expect(try pipe.right.receive(into: &received, packetsMax: 8, pool: pool, at: .zero) == 1)
        #expect(throws: LinkDriverError.deviceGone(errno: 0)) {
            try pipe.right.receive(into: &received, packetsMax: 8, pool: pool, at: .zero)
        }
        #expect(throws: LinkDriverError.deviceGone(errno: 0)) { try pipe.right.transmit(&received) }
        #expect(received.count == 1)
    }
}
