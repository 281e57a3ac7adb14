import ChimneyPrimitives
import ChimneyWire

extension Packet {
    /// Whether a frame holds a packet whose transport understands congestion marks and that has none yet (RFC 3168 §5).
    var canBeMarked: Bool {
        guard count >= 34 else { return false }
        switch bytes.uint16(at: 12) {
        case 0x0800: return bytes.uint8(at: 15) & 3 == 1 || bytes.uint8(at: 15) & 3 == 2
        case 0x86DD: return bytes.uint8(at: 15) & 0x30 == 0x10 || bytes.uint8(at: 15) & 0x30 == 0x20
        default: return false
        }
    }

    /// Sets Congestion Experienced in a frame that ``canBeMarked``, and mends the checksum of IPv4 (RFC 1624 equation 3).
    mutating func markCongestion() {
        let isIPv4 = bytes.uint16(at: 12) == 0x0800
        let old = bytes.uint8(at: 15)
        let new = old | (isIPv4 ? 3 : 0x30)
        if isIPv4 {
            var sum = UInt32(~bytes.uint16(at: 24)) + UInt32(~UInt16(old)) + UInt32(UInt16(new))
            sum = (sum & 0xFFFF) + sum >> 16
            sum = (sum & 0xFFFF) + sum >> 16
            let checksum = ~UInt16(truncatingIfNeeded: sum)
            var target = mutableBytes
            target.storeBytes(of: checksum.bigEndian, toByteOffset: 24, as: UInt16.self)
        }
        var target = mutableBytes
        target.storeBytes(of: new, toByteOffset: 15, as: UInt8.self)
    }
}
