import ChimneyPrimitives
import FuzzSupport

extension Script {
    /// Addresses with a part in the scene, or now and then any other.
    mutating func address() -> IPv4Address {
        let known: [UInt32] = [
            0x0A00_0001, 0x0A00_0101, 0x0A00_0201, 0x0A00_0002, 0x0A00_00FE, 0x0A00_00FF, 0xFFFF_FFFF, 0xE000_0001,
            0x7F00_0001, 0xC000_0207, 0x0A00_0102, 0x0A00_0202, 0xEF01_0203, 0, 0x0A00_0003,
        ]
        let chosen = Int(byte() & 0xF)
        return IPv4Address(bits: chosen < known.count ? known[chosen] : word())
    }

    /// The same for IPv6, its link-local addresses those of the scene's link addresses.
    mutating func ipv6Address() -> IPv6Address {
        let net: UInt64 = 0x2001_0DB8_0000_0000
        let (near, group): (UInt64, UInt64) = (0xFE80 << 48, 0xFF02 << 48)
        let known: [IPv6Address] = [
            IPv6Address(high: net, low: 1), IPv6Address(high: net | 1, low: 1), IPv6Address(high: net | 2, low: 1),
            IPv6Address(high: net, low: 2), IPv6Address(high: net, low: 0xFE), IPv6Address(high: net | 2, low: 2),
            IPv6Address(high: near, low: 0x00FF_FE00_0001), IPv6Address(high: near, low: 0x00FF_FE00_0010), .loopback,
            IPv6Address(high: group, low: 1), IPv6Address(high: group, low: 2), .any,
            IPv6Address(high: group, low: 0x0001_FF00_0001), IPv6Address(high: 0xFF0E << 48, low: 9),
        ]
        let chosen = Int(byte() & 0xF)
        guard chosen >= known.count else { return known[chosen] }
        let high = UInt64(word()) << 32 | UInt64(word())
        return IPv6Address(high: high, low: UInt64(word()) << 32 | UInt64(word()))
    }

    /// An address of either family.
    mutating func anyAddress() -> IPAddress { byte() & 1 == 0 ? .v4(address()) : .v6(ipv6Address()) }

    mutating func endpoint() -> Endpoint {
        let address = anyAddress()
        return Endpoint(address, port(), zone: UInt32(byte() & 3))
    }

    /// Few ports, so that sockets and packets meet.
    mutating func port() -> UInt16 {
        let chosen = byte()
        return chosen & 0x80 == 0 ? UInt16(chosen & 7) : 49_152 + UInt16(chosen & 7)
    }

    mutating func mac() -> MACAddress { MACAddress(bits: 0x0200_0000_0000 | UInt64(byte())) }
}
