extension IPv4Address: LosslessStringConvertible {
    /// The address in dotted decimal: four numbers from 0 to 255 without leading zeros.
    ///
    /// Shorter and octal forms, which programs read differently, are refused (RFC 6943 §3.1.1).
    public init?(_ description: String) { self.init(text: description.utf8[...]) }

    init?(text: Substring.UTF8View) {
        var bits: UInt32 = 0
        var rest = text
        for part in 0..<4 {
            if part > 0 { guard rest.popFirst() == UInt8(ascii: ".") else { return nil } }
            guard let number = rest.takeDecimal(max: 255) else { return nil }
            bits = bits << 8 | UInt32(number)
        }
        guard rest.isEmpty else { return nil }
        self.init(bits: bits)
    }

    /// The address in dotted decimal.
    public var description: String { "\(bits >> 24).\(bits >> 16 & 0xFF).\(bits >> 8 & 0xFF).\(bits & 0xFF)" }
}

extension Substring.UTF8View {
    /// A decimal number from 0 to `max`, without leading zeros, taken off the front.
    mutating func takeDecimal(max: Int) -> Int? {
        var number = 0
        var digits = 0
        while let byte = first, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
            if digits == 1 && number == 0 { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
            if number > max { return nil }
            digits += 1
            removeFirst()
        }
        return digits == 0 ? nil : number
    }

    /// A hexadecimal number of one to `digitsMax` digits, taken off the front.
    mutating func takeHexadecimal(digitsMax: Int) -> UInt64? {
        var number: UInt64 = 0
        var digits = 0
        while let byte = first, let value = Character(UnicodeScalar(byte)).hexDigitValue, byte < 128 {
            if digits == digitsMax { return nil }
            number = number << 4 | UInt64(value)
            digits += 1
            removeFirst()
        }
        return digits == 0 ? nil : number
    }
}
