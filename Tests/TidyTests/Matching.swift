import Foundation

/// A regular expression of this target, compiled when it is made.
struct Pattern {
    private let expression: NSRegularExpression

    init(_ source: String) {
        do {
            expression = try NSRegularExpression(pattern: source)
        } catch {
            preconditionFailure("the expression \(source) does not compile: \(error)")
        }
    }

    func matches(_ text: String) -> Bool {
        expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
    }

    /// What the groups of every match caught; a group that caught nothing is empty.
    func groups(in text: String) -> [[String]] {
        expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).map { match in
            (1..<max(match.numberOfRanges, 1)).map { group in
                Range(match.range(at: group), in: text).map { String(text[$0]) } ?? ""
            }
        }
    }
}

extension SourceText {
    /// The numbers, from 1, of the lines whose code matches.
    func lines(matching pattern: String) -> [Int] {
        let compiled = Pattern(pattern)
        return code.indices.filter { compiled.matches(code[$0]) }.map { $0 + 1 }
    }
}

extension String {
    var trimmed: String { trimmingCharacters(in: .whitespaces) }
}
