import ChimneyCapture
import ChimneyPrimitives
import FuzzSupport

/// What libFuzzer calls with every input.
///
/// Whatever a file holds, it is read forwards to an end or to an error, and what was read stays the
/// same when it is written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        let file = array(bytes)
        guard var reader = try? CaptureReader(file) else { return }
        let packets = everything(of: &reader)
        // Every packet took at least the 16 bytes of its own header.
        precondition(packets.count <= file.count / 16, "a capture holds no more packets than fit")
        var last = 0
        for packet in packets {
            precondition(packet.range.lowerBound >= last, "packets lie one behind the other")
            last = packet.range.upperBound
            precondition(last <= file.count && reader.interfaces.indices.contains(packet.interface))
            consume(bytes: unsafe Array(reader[packet]).span.bytes)
        }
        precondition(reader.interfaces.count <= file.count, "an interface takes bytes to describe")
        compareRewritten(packets, reader)
    }
}

private func everything(of reader: inout CaptureReader) -> [CapturedPacket] {
    var packets: [CapturedPacket] = []
    do {
        while let packet = try reader.next() { packets.append(packet) }
    } catch {
        precondition((try? reader.next()) == .some(nil), "after an error the capture is at its end")
    }
    return packets
}

private func compareRewritten(_ packets: [CapturedPacket], _ reader: CaptureReader) {
    var output: [UInt8] = []
    var writer = PcapngWriter(into: &output)
    for interface in reader.interfaces { _ = writer.addInterface(interface, into: &output) }
    for packet in packets {
        writer.packet(
            interface: packet.interface, at: Instant(nanoseconds: packet.nanoseconds),
            bytes: unsafe Array(reader[packet]).span.bytes, originalByteCount: packet.originalByteCount,
            direction: packet.direction, comment: packet.comments.first, into: &output)
    }
    guard var second = try? CaptureReader(output) else { preconditionFailure("a written capture can be read") }
    let copies = everything(of: &second)
    precondition(copies.count == packets.count, "every packet written is read")
    for (packet, copy) in zip(packets, copies) {
        precondition(reader[packet] == second[copy], "the bytes are those that were written")
        precondition(packet.nanoseconds == copy.nanoseconds && packet.interface == copy.interface)
        precondition(packet.direction == copy.direction && packet.originalByteCount == copy.originalByteCount)
        precondition(packet.comments.first == copy.comments.first)
    }
    for (described, copy) in zip(reader.interfaces, second.interfaces) {
        precondition(described.linkType == copy.linkType && described.name == copy.name)
    }
}
