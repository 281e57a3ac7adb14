import FuzzSupport

extension Script {
    /// A number near `base`, near `other`, between the two, or anywhere.
    mutating func number(near base: UInt32, _ other: UInt32) -> UInt32 {
        let shape = byte()
        switch shape & 15 {
        case 0...7: return base
        case 8: return base &+ UInt32(byte())
        case 9: return base &- UInt32(byte())
        case 10: return other
        case 11: return other &+ UInt32(byte())
        case 12: return other &+ (base &- other) / 2
        case 13: return base &+ UInt32(half())
        case 14: return base &- UInt32(half())
        default: return word()
        }
    }
}
