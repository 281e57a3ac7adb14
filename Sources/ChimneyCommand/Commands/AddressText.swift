import ChimneyControl
import ChimneyPrimitives

/// Addresses and prefixes as people type them.
enum AddressText {
    /// A destination: `default` and a lone address get their lengths, bits behind the length go.
    static func prefix(_ text: String, everything: IPPrefix = .v4(.all)) -> IPPrefix? {
        if text == "default" { return everything }
        if let address = IPAddress(text) { return .host(address) }
        return IPPrefix.addressAndLength(text).map { IPPrefix($0.address, length: $0.length) }
    }
}

extension IPAddress {
    var family: AddressFamily { isIPv4 ? .ipv4 : .ipv6 }
}
