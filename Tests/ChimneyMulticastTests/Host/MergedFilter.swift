import ChimneyMulticast
import ChimneyPrimitives

/// The definition of an interface's filter, computed anew from every socket's (RFC 9776 §3.2).
func merged<Address: InternetAddress>(_ filters: [SourceFilter<Address>]) -> SourceFilter<Address> {
    let included = Set(filters.filter { $0.mode == .include }.flatMap(\.sources))
    let excluding = filters.filter { $0.mode == .exclude }
    guard let first = excluding.first else { return SourceFilter(.include, included) }
    let excludedByAll = excluding.reduce(into: Set(first.sources)) { $0.formIntersection($1.sources) }
    return SourceFilter(.exclude, excludedByAll.subtracting(included))
}

/// Addresses of either family, few enough to meet again.
protocol Drawable: InternetAddress {
    static func source(_ number: Int) -> Self
    static func group(_ number: Int) -> Self
}

extension IPv4Address: Drawable {
    static func source(_ number: Int) -> Self { Self(bits: 0x0A00_0001 + UInt32(number)) }
    static func group(_ number: Int) -> Self { Self(bits: 0xEF01_0000 + UInt32(number)) }
}

extension IPv6Address: Drawable {
    // The numbers are spread over both halves, so that an order of one half alone is no order.
    static func source(_ number: Int) -> Self {
        Self(high: 0x2001_0DB8_0000_0000 | UInt64(number & 3), low: UInt64(0xFFFF - number))
    }
    static func group(_ number: Int) -> Self { Self(high: 0xFF15_0000_0000_0000, low: UInt64(number)) }
}
