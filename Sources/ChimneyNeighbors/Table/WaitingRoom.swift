import ChimneyPrimitives

/// The packets held for neighbours, one queue for each that has any; queues are used again.
struct WaitingRoom: ~Copyable {
    // A class because an array cannot hold a noncopyable queue; at most `resolvingMax` of them are ever made,
    // and no packet with a known neighbour comes here.
    private final class Queue {
        var packets = PacketQueue()
    }

    private var queues: [Queue] = []
    private var free: [Int] = []
    private(set) var packetCount = 0
    private(set) var byteCount = 0

    mutating func open() -> Int {
        if let room = free.popLast() { return room }
        queues.append(Queue())
        return queues.count - 1
    }

    func count(in room: Int) -> Int { queues[room].packets.count }

    mutating func append(_ packet: consuming Packet, to room: Int) {
        packetCount += 1
        byteCount += packet.totalCount
        queues[room].packets.append(packet)
    }

    mutating func removeFirst(from room: Int) -> Packet {
        let packet = queues[room].packets.removeFirst()
        packetCount -= 1
        byteCount -= packet.totalCount
        return packet
    }

    mutating func close(_ room: Int) -> PacketQueue {
        var packets = PacketQueue()
        packets.append(contentsOf: &queues[room].packets)
        packetCount -= packets.count
        byteCount -= packets.byteCount
        free.append(room)
        return packets
    }
}
