import ChimneyPrimitives

/// Addresses and prefixes as people type them.
enum AddressText {
    /// An interface's address with its prefix length, both as written.
    static func interfaceAddress(_ text: String) -> (address: IPv4Address, prefixLength: Int)? {
        guard let (address, length) = IPv4Prefix.addressAndLength(text) else { return nil }
        return (address, length)
    }

    /// A destination in its one form: `default` and a lone address get their lengths, bits behind the length go.
    static func prefix(_ text: String) -> String? {
        if text == "default" { return "0.0.0.0/0" }
        if let address = IPv4Address(text) { return "\(address)/32" }
        guard let (address, length) = IPv4Prefix.addressAndLength(text) else { return nil }
        return "\(IPv4Prefix(address, length: length))"
    }
}
