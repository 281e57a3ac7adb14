import ChimneyPrimitives

/// The words of a line of a packet script, taken one after the other.
struct ScriptWords {
    let file: String
    let line: Int
    /// The line without its comment.
    let text: String
    private let words: [String]
    private var next = 0

    init(file: String, line: Int, text: some StringProtocol) {
        self.file = file
        self.line = line
        let code = text.prefix { $0 != "#" }
        words = code.split { $0.isWhitespace }.map { String($0) }
        self.text = words.joined(separator: " ")
    }

    var isEmpty: Bool { next == words.count }
    var first: String? { isEmpty ? nil : words[next] }

    func error(_ fault: ScriptError.Fault) -> ScriptError { ScriptError(file: file, line: line, fault: fault) }

    /// Takes a word if it is this one.
    mutating func take(_ word: String) -> Bool {
        guard first == word else { return false }
        next += 1
        return true
    }

    /// Takes all words that are left.
    mutating func takeRest() -> String {
        defer { next = words.count }
        return words[next...].joined(separator: " ")
    }

    mutating func word(_ what: String) throws(ScriptError) -> String {
        guard let word = first else { throw error(.missing(what)) }
        next += 1
        return word
    }

    /// Nothing more may come.
    func end() throws(ScriptError) {
        if let word = first { throw error(.surplus(word)) }
    }

    mutating func number(_ what: String, in range: ClosedRange<Int> = 0...Int(UInt32.max)) throws(ScriptError) -> Int {
        let word = try word(what)
        guard let number = Int(word), range.contains(number) else {
            throw error(.notA("\(what), a number from \(range.lowerBound) to \(range.upperBound)", word))
        }
        return number
    }

    mutating func port() throws(ScriptError) -> UInt16 { UInt16(try number("a port", in: 1...65_535)) }

    mutating func flag(_ what: String) throws(ScriptError) -> Bool {
        let word = try word("on or off")
        guard word == "on" || word == "off" else { throw error(.notA("on or off, as \(what) is", word)) }
        return word == "on"
    }

    mutating func span(_ what: String) throws(ScriptError) -> TimeSpan {
        let word = try word(what)
        guard let span = Self.span(word) else { throw error(.notA("a time, as 0.2 or 200ms are", word)) }
        return span
    }

    /// One of the cases of an enumeration, by its name.
    mutating func choice<Choice: CaseIterable>(_ what: String, of type: Choice.Type) throws(ScriptError) -> Choice {
        let word = try word(what)
        guard let found = Choice.allCases.first(where: { "\($0)" == word }) else {
            throw error(.unknown(what, word, among: Choice.allCases.map { "\($0)" }))
        }
        return found
    }

    mutating func pattern(_ what: String) throws(ScriptError) -> NumberPattern {
        let word = try word(what)
        guard let pattern = NumberPattern(word, { Int($0) }) else {
            throw error(.notA("\(what): a number, A..B, A.., ..B or *", word))
        }
        return pattern
    }

    mutating func spanPattern(_ what: String) throws(ScriptError) -> NumberPattern {
        let word = try word(what)
        guard let pattern = NumberPattern(word, { Self.span($0).map { Int($0.nanoseconds) } }) else {
            throw error(.notA("\(what): a time, A..B, A.., ..B or *", word))
        }
        return pattern
    }

    /// A time: seconds, or with `s`, `ms` or `us` behind the number.
    static func span(_ word: some StringProtocol) -> TimeSpan? {
        let units: [(String, Double)] = [("ms", 1e6), ("us", 1e3), ("s", 1e9), ("", 1e9)]
        for (unit, scale) in units where word.hasSuffix(unit) {
            guard let value = Double(word.dropLast(unit.count)), value >= 0, value <= 1e9 else { return nil }
            return .nanoseconds(Int64((value * scale).rounded()))
        }
        return nil
    }
}
