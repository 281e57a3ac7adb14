package import ChimneyPrimitives
import ChimneyWire

/// What arrived in order and was not read.
package struct ReceiveQueue: ~Copyable {
    private var packets = PacketQueue()
    /// How many bytes of the first packet were read.
    private var readOfFirst = 0

    package init() {}

    /// How many bytes there are to read.
    package var count: Int { packets.byteCount - readOfFirst }
    /// Whether there is nothing to read.
    package var isEmpty: Bool { packets.isEmpty }
    /// How many packets hold the bytes.
    package var packetCount: Int { packets.count }

    /// Up to how many bytes are copied behind others rather than kept in a packet of their own, so that a
    /// peer that sends a byte at a time does not make us keep a packet for each.
    private static var copiedMax: Int { 1_024 }

    /// Puts the bytes of a packet, of which there are some, at the end.
    package mutating func append(_ packet: consuming Packet) {
        if packet.totalCount <= Self.copiedMax, packets.appendToLast(packet) { return }
        packets.append(packet)
    }

    /// Puts packets at the end.
    package mutating func append(contentsOf other: inout PacketQueue) { packets.append(contentsOf: &other) }

    /// Copies bytes until `target` is full or nothing is left.
    ///
    /// - Returns: how many bytes were read.
    package mutating func read(into target: inout MutableRawSpan) -> Int {
        var done = 0
        if !packets.isEmpty, readOfFirst == 0, packets.byteCount <= target.byteCount, packets.count == 1 {
            let packet = packets.removeFirst()
            return packet.copyBytes(into: &target)
        }
        while done < target.byteCount, !packets.isEmpty {
            let packet = packets.removeFirst()
            var rest = target.part(at: done, count: target.byteCount - done)
            let copied = packet.copyBytes(into: &rest, from: readOfFirst)
            done += copied
            readOfFirst += copied
            if readOfFirst < packet.totalCount {
                packets.prepend(packet)
            } else {
                readOfFirst = 0
            }
        }
        return done
    }

    /// Copies bytes until `target` is full or nothing is left, and leaves them where they are.
    ///
    /// - Returns: how many bytes were copied.
    /// - Complexity: O(n) in the bytes and the packets that hold them.
    package borrowing func peek(into target: inout MutableRawSpan) -> Int {
        packets.copyBytes(into: &target, from: readOfFirst)
    }

    /// Moves packets to a reader, whole, until it has at least `bytes` or nothing is left.
    ///
    /// - Returns: how many bytes were read.
    package mutating func read(_ bytes: Int, into reader: inout PacketQueue) -> Int {
        var done = 0
        while done < bytes, !packets.isEmpty {
            var packet = packets.removeFirst()
            packet.removeFirstBytes(readOfFirst)
            readOfFirst = 0
            done += packet.totalCount
            reader.append(packet)
        }
        return done
    }

    /// Drops everything.
    package mutating func removeAll() {
        packets.removeAll()
        readOfFirst = 0
    }
}
