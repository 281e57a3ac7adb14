extension IPv6Address: LosslessStringConvertible {
    /// The address in any form of RFC 4291 §2.2, without a zone.
    public init?(_ description: String) { self.init(text: description.utf8[...]) }

    init?(text: Substring.UTF8View) {
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text
        if rest.starts(with: [colon, colon]) {
            rest.removeFirst(2)
            gap = 0
        }
        while !rest.isEmpty {
            if groups.count <= 6, let tail = IPv4Address(text: rest) {
                groups += [UInt16(tail.bits >> 16), UInt16(tail.bits & 0xFFFF)]
                break
            }
            guard groups.count < 8, let number = rest.takeHexadecimal(digitsMax: 4) else { return nil }
            groups.append(UInt16(number))
            if rest.isEmpty { break }
            guard rest.popFirst() == colon, !rest.isEmpty else { return nil }
            if rest.first == colon {
                guard gap == nil else { return nil }
                rest.removeFirst()
                gap = groups.count
            }
        }
        if let gap {
            // The gap stands for at least one group of zeros.
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        self.init(
            high: groups[..<4].reduce(0) { $0 << 16 | UInt64($1) },
            low: groups[4...].reduce(0) { $0 << 16 | UInt64($1) })
    }

    /// The address as RFC 5952 has it: lower case, the longest run of zeros shortened, mapped IPv4 dotted.
    public var description: String {
        if let mapped = mappedIPv4 { return "::ffff:\(mapped)" }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * ($0 & 3))) }
        // One group alone is not shortened, and of equal runs the first is (RFC 5952 §4.2).
        var longest = 0..<0
        var index = 0
        while index < 8 {
            let end = groups[index...].firstIndex { $0 != 0 } ?? 8
            if end - index > max(1, longest.count) { longest = index..<end }
            index = max(index + 1, end)
        }
        func joined(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard !longest.isEmpty else { return joined(groups[...]) }
        return joined(groups[..<longest.lowerBound]) + "::" + joined(groups[longest.upperBound...])
    }
}
