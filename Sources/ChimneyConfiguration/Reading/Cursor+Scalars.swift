package import ChimneyPrimitives

extension Cursor {
    /// The value as text of one line; quotes make no difference.
    package func text(_ expected: String = "a word") throws(ConfigurationError) -> String {
        guard case .scalar(let text, let isQuoted) = node.content, isQuoted || !text.isEmpty else {
            throw mismatch(expected)
        }
        return text
    }

    /// The value as a name: letters, digits and `-_.`, at most 64 of them.
    package func name() throws(ConfigurationError) -> String {
        let expected = "a name of 1 to 64 letters, digits or -_."
        let text = try text(expected)
        let isName = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isName, (1...64).contains(text.utf8.count) else { throw mismatch(expected) }
        return text
    }

    /// The value as a file system path of at most so many bytes.
    package func filePath(bytesMax: Int = 4_095) throws(ConfigurationError) -> String {
        let expected = "a path of 1 to \(bytesMax) bytes"
        let text = try text(expected)
        guard (1...bytesMax).contains(text.utf8.count), !text.utf8.contains(0) else { throw mismatch(expected) }
        return text
    }

    /// The value as a whole number within bounds; `_` may part its digits.
    package func integer(in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
        let expected = "an integer from \(range.lowerBound) to \(range.upperBound)"
        guard case .scalar(let text, false) = node.content, let number = Int(text.filter { $0 != "_" }),
            range.contains(number)
        else { throw mismatch(expected) }
        return number
    }

    /// The value as `a..b`, or one number for both ends.
    package func integers(in range: ClosedRange<Int>) throws(ConfigurationError) -> ClosedRange<Int> {
        let expected = "an integer or a range a..b from \(range.lowerBound) to \(range.upperBound)"
        let text = try text(expected)
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count == 1, let number = Int(text), range.contains(number) { return number...number }
        guard parts.count == 3, parts[1].isEmpty, let low = Int(parts[0]), let high = Int(parts[2]), low <= high,
            range.contains(low), range.contains(high)
        else { throw mismatch(expected) }
        return low...high
    }

    /// The value as on or off.
    package func flag() throws(ConfigurationError) -> Bool {
        switch node.content {
        case .scalar("on", false), .scalar("true", false), .scalar("yes", false): return true
        case .scalar("off", false), .scalar("false", false), .scalar("no", false): return false
        case .scalar, .list, .mapping: throw mismatch("on or off")
        }
    }

    /// The value as one of a few words.
    package func choice<Value: RawRepresentable & CaseIterable>(
        _ type: Value.Type = Value.self
    ) throws(ConfigurationError) -> Value where Value.RawValue == String {
        let words = Value.allCases.map(\.rawValue)
        let expected = "one of \(words.joined(separator: ", "))"
        guard let value = Value(rawValue: try text(expected)) else { throw mismatch(expected) }
        return value
    }

    /// The value as a length of time: a number and ns, us, ms, s or m.
    package func timeSpan(max: TimeSpan = .seconds(1_000_000)) throws(ConfigurationError) -> TimeSpan {
        let expected = "a time such as 250us, 10ms or 1.5s, at most \(Int(max.seconds))s"
        let units: [(String, Double)] = [("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9)]
        guard let value = quantity(units), value <= Double(max.nanoseconds) else { throw mismatch(expected) }
        return .nanoseconds(Int64(value))
    }

    /// The value as a length of time within bounds.
    package func timeSpan(from least: TimeSpan, to most: TimeSpan) throws(ConfigurationError) -> TimeSpan {
        let expected = "a time from \(Int(least.seconds))s to \(Int(most.seconds))s"
        guard let span = try? timeSpan(max: most), span >= least else { throw mismatch(expected) }
        return span
    }

    /// The value as bits a second: a number and bit, kbit, Mbit or Gbit.
    package func bitRate() throws(ConfigurationError) -> UInt64 {
        let units: [(String, Double)] = [("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9), ("bit", 1)]
        guard let value = quantity(units), value >= 1, value <= 1e12 else {
            throw mismatch("a rate such as 64kbit, 100Mbit or 1Gbit, at most 1000Gbit")
        }
        return UInt64(value)
    }

    /// The value as a count of bytes: a number, or one with KiB, MiB or GiB.
    package func byteCount(in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
        let expected = "a size such as 1500 or 64KiB, from \(range.lowerBound) to \(range.upperBound) bytes"
        let units: [(String, Double)] = [("KiB", 1_024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("B", 1), ("", 1)]
        guard let value = quantity(units), value <= 1e15, range.contains(Int(value)) else { throw mismatch(expected) }
        return Int(value)
    }

    /// The value as a probability: 0 to 1, or a percentage.
    package func probability() throws(ConfigurationError) -> Double {
        guard let value = quantity([("%", 0.01), ("", 1)]), value <= 1 else {
            throw mismatch("a probability from 0 to 1 or 0% to 100%")
        }
        return value
    }

    /// A number of at most 20 characters and one of the units, multiplied; nil for anything else.
    private func quantity(_ units: [(suffix: String, factor: Double)]) -> Double? {
        guard case .scalar(let text, false) = node.content else { return nil }
        let digits = text.prefix { ("0"..."9").contains($0) || $0 == "." || $0 == "_" }
        guard (1...20).contains(digits.count), let number = Double(digits.filter { $0 != "_" }) else { return nil }
        let suffix = text.dropFirst(digits.count).drop { $0 == " " }
        guard let unit = units.first(where: { $0.suffix == suffix }) else { return nil }
        return number * unit.factor
    }
}
