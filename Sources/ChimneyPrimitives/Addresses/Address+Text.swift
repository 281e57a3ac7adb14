extension IPAddress: LosslessStringConvertible {
    /// An address of either family, in the forms its family has.
    public init?(_ description: String) {
        if let address = IPv4Address(description) {
            self = .v4(address)
        } else if let address = IPv6Address(description) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    /// The address as its family writes it.
    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}

extension ScopedAddress: LosslessStringConvertible {
    /// An address, followed by `%` and a zone where it has one (RFC 4007 §11).
    ///
    /// An IPv4 address has no zone, and an empty zone is none.
    public init?(_ description: String) {
        guard let percent = description.firstIndex(of: "%") else {
            guard let address = IPAddress(description) else { return nil }
            self.init(address)
            return
        }
        let zone = description[description.index(after: percent)...]
        guard !zone.isEmpty, let address = IPv6Address(String(description[..<percent])) else { return nil }
        self.init(.v6(address), zone: String(zone))
    }

    /// The address and its zone.
    public var description: String { zone.map { "\(address)%\($0)" } ?? address.description }
}

extension MACAddress: LosslessStringConvertible {
    /// Six bytes in hexadecimal, of one or two digits each, all separated by colons or all by hyphens.
    public init?(_ description: String) {
        var rest = description.utf8[...]
        var bits: UInt64 = 0
        var separator: UInt8?
        for part in 0..<6 {
            if part > 0 {
                guard let next = rest.popFirst(), separator == nil || separator == next else { return nil }
                guard next == UInt8(ascii: ":") || next == UInt8(ascii: "-") else { return nil }
                separator = next
            }
            guard let byte = rest.takeHexadecimal(digitsMax: 2) else { return nil }
            bits = bits << 8 | byte
        }
        guard rest.isEmpty else { return nil }
        self.init(bits: bits)
    }

    /// The address as `02:00:00:00:00:01`.
    public var description: String {
        (0..<6).map {
            let byte = bits >> (40 - 8 * $0) & 0xFF
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined(separator: ":")
    }
}

extension Prefix: CustomStringConvertible, LosslessStringConvertible where Address: LosslessStringConvertible {
    /// The block written `address/length`; `nil` when a bit behind the length is set.
    public init?(_ description: String) {
        guard let (address, length) = Self.addressAndLength(description) else { return nil }
        self.init(address, length: length)
        guard address == self.address else { return nil }
    }

    /// An address and the length of its subnet, written `10.7.0.2/24`, as interfaces are given them.
    public static func addressAndLength(_ text: String) -> (address: Address, length: Int)? {
        guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        var rest = text.utf8[text.utf8.index(after: slash)...]
        guard let address = Address(String(text[..<slash])), let length = rest.takeDecimal(max: Address.bitWidth),
            rest.isEmpty
        else { return nil }
        return (address, length)
    }

    /// The block as `address/length`.
    public var description: String { "\(address)/\(length)" }
}
