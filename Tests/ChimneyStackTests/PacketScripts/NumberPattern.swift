/// What a number of a packet script may be: `7`, `5..9`, `5..`, `..9`, or `*` for any.
struct NumberPattern: Hashable {
    private let range: ClosedRange<Int>
    private let text: String

    init?(_ word: String, _ read: (String) -> Int?) {
        text = word
        if word == "*" {
            range = .min ... .max
        } else if let exact = read(word) {
            range = exact...exact
        } else {
            guard let dots = word.firstRange(of: "..") else { return nil }
            let (low, high) = (String(word[..<dots.lowerBound]), String(word[dots.upperBound...]))
            guard !(low.isEmpty && high.isEmpty) else { return nil }
            guard let from = low.isEmpty ? .min : read(low), let to = high.isEmpty ? .max : read(high), from <= to
            else { return nil }
            range = from...to
        }
    }

    init(_ exact: Int) {
        range = exact...exact
        text = String(exact)
    }

    /// The number, where it can be but one.
    var exact: Int? { range.lowerBound == range.upperBound ? range.lowerBound : nil }
    var isAny: Bool { range == .min ... .max }

    static func ~= (pattern: Self, value: Int) -> Bool { pattern.range.contains(value) }
}

extension NumberPattern: CustomStringConvertible {
    var description: String { text }
}
