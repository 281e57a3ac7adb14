import ChimneyPrimitives

/// How the last 64 bits of an address are made.
@frozen
public enum InterfaceIdentifierKind: String, Hashable, Sendable, CaseIterable {
    /// Another one on every network, always the same there, and saying nothing about the device (RFC 7217).
    case stableOpaque = "stable-opaque"
    /// The link address, by which the device is known on every network (RFC 4291 appendix A).
    case eui64
}

/// Makes interface identifiers for one interface.
struct IdentifierSource: Sendable {
    var mac: MACAddress
    /// What tells the interface from others of the stack; its name stays the same when its link address does not.
    let name: [UInt8]
    /// What tells the network from others that use the same prefix, such as an SSID; may be empty.
    var network: [UInt8] = []
    let secret: KeyedHash

    /// F(prefix, interface, network, counter, key), or the next counter for which that is no reserved identifier
    /// (RFC 7217 §5).
    ///
    /// Each part is preceded by its length, so that no two different lists give the same bytes.
    func stable(for prefix: IPv6Prefix, counter: inout UInt32) -> UInt64 {
        // Of 2^64 identifiers fewer than 2^25 are reserved: a second attempt is rare and a fourth is not seen.
        for _ in 0..<8 {
            var message = Self.bytes(prefix.address.high) + [UInt8(prefix.length)]
            for part in [name, network] { message += Self.bytes(UInt64(part.count)) + part }
            message += Self.bytes(UInt64(counter))
            let identifier = secret.hash(message)
            if !Self.isReserved(identifier) { return identifier }
            counter &+= 1
        }
        return secret.hash(Self.bytes(UInt64(counter))) | 1 << 40
    }

    /// The link address with the bit turned that says whether it is universal (RFC 4291 appendix A).
    var eui64: UInt64 {
        let bits = mac.bits ^ 0x0200_0000_0000
        return (bits >> 24) << 40 | 0xFF_FE00_0000 | bits & 0xFF_FFFF
    }

    /// A random identifier that is not reserved (RFC 8981 §3.3.1).
    static func temporary(using random: inout StackRandom) -> UInt64 {
        for _ in 0..<8 {
            let identifier = random.next()
            if !isReserved(identifier) { return identifier }
        }
        return random.next() | 1 << 40
    }

    /// The subnet's routers, proxy mobile nodes and all identifiers made of IANA's Ethernet block, and the anycast
    /// addresses at the end (RFC 5453).
    static func isReserved(_ identifier: UInt64) -> Bool {
        identifier == 0 || identifier >> 24 == 0x0200_5EFF_FE || identifier >> 7 == 0xFDFF_FFFF_FFFF_FF80 >> 7
    }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) }
    }
}
