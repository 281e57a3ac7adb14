import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// Cuts a packet into fragments of at most `mtu` bytes (RFC 791 §3.2); `false` when buffers ran out.
    ///
    /// Options without the copied flag go with the first fragment only. A packet that is itself a
    /// fragment is cut the same way: offsets add up.
    static func fragment(
        _ packet: borrowing Packet, mtu: Int, pool: PacketPool, into fragments: inout PacketQueue
    ) -> Bool {
        guard let fields = IPv4Fields(packet.bytes) else { return false }
        let payloadEnd = Int(fields.totalLength)
        var position = fields.headerByteCount
        var headerByteCount = fields.headerByteCount
        var options = InlineArray<40, UInt8>(repeating: 0)
        var isFirst = true
        while position < payloadEnd {
            let room = (mtu - headerByteCount) & ~7
            guard room > 0 else { return false }
            let isLast = payloadEnd - position <= mtu - headerByteCount
            let length = isLast ? payloadEnd - position : room
            guard var piece = pool.allocate(byteCount: headerByteCount + length) else { return false }
            piece.write(packet.bytes.extracting(0..<20), at: 0)
            if isFirst {
                piece.write(packet.bytes.extracting(20..<headerByteCount), at: 20)
            } else {
                for index in 0..<(headerByteCount - 20) { piece.store8(options[index], at: 20 + index) }
            }
            piece.write(packet.bytes.extracting(position..<position + length), at: headerByteCount)
            let offset = fields.fragmentOffset + position - fields.headerByteCount
            let more = !isLast || fields.moreFragments
            piece.store8(UInt8(0x40 | headerByteCount / 4), at: 0)
            piece.store16(UInt16(headerByteCount + length), at: 2)
            piece.store16(fields.fragmentWord & 0x4000 | (more ? 0x2000 : 0) | UInt16(offset / 8), at: 6)
            piece.storeIPv4HeaderChecksum(headerByteCount: headerByteCount)
            piece.metadata.interface = packet.metadata.interface
            fragments.append(piece)
            position += length
            if isFirst {
                isFirst = false
                headerByteCount = 20 + copiedOptions(packet.bytes, headerByteCount: headerByteCount, into: &options)
            }
        }
        return true
    }

    /// Gathers the options that every fragment repeats, padded to a multiple of four bytes.
    private static func copiedOptions(
        _ bytes: RawSpan, headerByteCount: Int, into options: inout InlineArray<40, UInt8>
    ) -> Int {
        var count = 0
        var position = 20
        while position < headerByteCount {
            let kind = bytes.uint8(at: position)
            if kind == 0 { break }
            if kind == 1 {
                position += 1
                continue
            }
            guard position + 1 < headerByteCount else { break }
            let length = Int(bytes.uint8(at: position + 1))
            guard length >= 2, position + length <= headerByteCount else { break }
            if kind & 0x80 != 0 {
                for index in 0..<length { options[count + index] = bytes.uint8(at: position + index) }
                count += length
            }
            position += length
        }
        while count & 3 != 0 {
            options[count] = 0
            count += 1
        }
        return count
    }
}
