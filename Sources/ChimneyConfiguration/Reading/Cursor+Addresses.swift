package import ChimneyPrimitives

extension Cursor {
    /// The value as an IPv4 address in dotted form.
    package func ipv4Address() throws(ConfigurationError) -> IPv4Address {
        guard let address = IPv4Address(try text("an IPv4 address")) else { throw mismatch("an IPv4 address") }
        return address
    }

    /// The value as an address and the length of its prefix, `a.b.c.d/len`.
    package func addressSetting() throws(ConfigurationError) -> AddressSetting {
        let expected = "an address and a prefix length such as 10.7.0.2/24"
        guard let (address, length) = Self.addressAndLength(try text(expected)) else { throw mismatch(expected) }
        return AddressSetting(address: address, prefixLength: length)
    }

    /// The value as a prefix without bits beyond its length; `default` is 0.0.0.0/0 and a bare address a /32.
    package func prefixSetting() throws(ConfigurationError) -> AddressSetting {
        let expected = "a prefix such as 10.0.0.0/8, an address or default"
        let text = try text(expected)
        if text == "default" { return AddressSetting(address: .any, prefixLength: 0) }
        if let address = IPv4Address(text) { return AddressSetting(address: address, prefixLength: 32) }
        guard let (address, length) = Self.addressAndLength(text) else { throw mismatch(expected) }
        let prefix = AddressSetting(address: address, prefixLength: length)
        guard prefix.address == prefix.network else {
            throw mismatch("a prefix without bits beyond its length, \(prefix.network)/\(length)")
        }
        return prefix
    }

    /// The value as a unicast link address, six pairs of hexadecimal digits.
    package func macAddress() throws(ConfigurationError) -> MACAddress {
        let expected = "a unicast link address such as 02:00:00:00:00:01"
        guard let address = MACAddress(try text(expected)), !address.isMulticast, address != .zero else {
            throw mismatch(expected)
        }
        return address
    }

    private static func addressAndLength(_ text: String) -> (IPv4Address, Int)? {
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2, let address = IPv4Address(String(halves[0])), let length = Int(halves[1]),
            (0...32).contains(length)
        else { return nil }
        return (address, length)
    }
}
