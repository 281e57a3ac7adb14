package import ChimneyPrimitives

extension Cursor {
    /// The value as an IPv4 address in dotted form.
    package func ipv4Address() throws(ConfigurationError) -> IPv4Address {
        guard let address = IPv4Address(try text("an IPv4 address")) else { throw mismatch("an IPv4 address") }
        return address
    }

    /// The value as an address of either family, behind `%` the name of the interface that it is on.
    package func scopedAddress() throws(ConfigurationError) -> ScopedAddress {
        guard let address = ScopedAddress(try text("an address")) else { throw mismatch("an address") }
        return address
    }

    /// The value as an address and the length of its prefix, `address/length`.
    package func addressSetting() throws(ConfigurationError) -> AddressSetting {
        let expected = "an address and a prefix length such as 10.7.0.2/24"
        guard let (address, length) = IPPrefix.addressAndLength(try text(expected)) else { throw mismatch(expected) }
        return AddressSetting(address: address, prefixLength: length)
    }

    /// The value as one such setting or a list of at most so many.
    package func addressSettings(max: Int) throws(ConfigurationError) -> [AddressSetting] {
        guard isList else { return [try addressSetting()] }
        var settings: [AddressSetting] = []
        for element in try elements(max: max) { settings.append(try element.addressSetting()) }
        return settings
    }

    /// The value as a prefix without bits beyond its length; a bare address has its whole length, `default` is `everything`.
    package func ipPrefix(everything: IPPrefix = .v4(.all)) throws(ConfigurationError) -> IPPrefix {
        let expected = "a prefix such as 10.0.0.0/8, an address or default"
        let text = try text(expected)
        if text == "default" { return everything }
        if let address = IPAddress(text) { return .host(address) }
        guard let (address, length) = IPPrefix.addressAndLength(text) else { throw mismatch(expected) }
        let prefix = IPPrefix(address, length: length)
        guard prefix.address == address else { throw mismatch("a prefix without bits beyond its length, \(prefix)") }
        return prefix
    }

    /// The value as such a prefix of IPv4.
    package func ipv4Prefix() throws(ConfigurationError) -> IPv4Prefix {
        guard case .v4(let prefix) = try ipPrefix() else { throw mismatch("a prefix of IPv4 such as 10.0.0.0/8") }
        return prefix
    }

    /// The value as such a prefix of IPv6.
    package func ipv6Prefix() throws(ConfigurationError) -> IPv6Prefix {
        guard case .v6(let prefix) = try ipPrefix() else { throw mismatch("a prefix of IPv6 such as 2001:db8::/64") }
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
}
