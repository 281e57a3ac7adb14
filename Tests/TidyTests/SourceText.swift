import Foundation

/// One file of the tree, as it is and with comments and string literals blanked.
///
/// Both have the same lines and columns, so that a rule looks for words in ``code`` and for comments in ``text``.
struct SourceText {
    /// Where the file is, from the top of the tree.
    let path: String
    let text: [String]
    let code: [String]

    /// The target the file belongs to, such as `ChimneyWire`.
    var module: String {
        let parts = path.split(separator: "/")
        return parts.count > 2 ? String(parts[1]) : ""
    }

    init(path: String, content: String) {
        self.path = path
        text = Self.lines(of: content)
        code = Self.lines(of: Blanking.blanked(content))
    }

    private static func lines(of content: String) -> [String] {
        content.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}

/// Something a rule does not accept, and where.
struct Violation: Hashable, CustomStringConvertible {
    let rule: String
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message) [\(rule)]" }
}

/// Replaces comments and string literals by spaces; line breaks stay.
private enum Blanking {
    private enum State {
        case code
        case lineComment
        case blockComment(depth: Int)
        case string(pounds: Int, isMultiline: Bool)
    }

    static func blanked(_ content: String) -> String {
        let input = Array(content.utf8)
        var output = input
        var state = State.code
        var index = 0

        func at(_ offset: Int) -> UInt8 { index + offset < input.count ? input[index + offset] : 0 }
        func blank(_ count: Int) {
            for place in index..<min(index + count, input.count) where input[place] != UInt8(ascii: "\n") {
                output[place] = UInt8(ascii: " ")
            }
            index += count
        }

        while index < input.count {
            switch state {
            case .code:
                if at(0) == UInt8(ascii: "/"), at(1) == UInt8(ascii: "/") {
                    state = .lineComment
                    blank(2)
                } else if at(0) == UInt8(ascii: "/"), at(1) == UInt8(ascii: "*") {
                    state = .blockComment(depth: 1)
                    blank(2)
                } else {
                    var pounds = 0
                    while at(pounds) == UInt8(ascii: "#") { pounds += 1 }
                    if at(pounds) == UInt8(ascii: "\"") {
                        let isMultiline = at(pounds + 1) == UInt8(ascii: "\"") && at(pounds + 2) == UInt8(ascii: "\"")
                        state = .string(pounds: pounds, isMultiline: isMultiline)
                        blank(pounds + (isMultiline ? 3 : 1))
                    } else {
                        index += max(1, pounds)
                    }
                }
            case .lineComment:
                if at(0) == UInt8(ascii: "\n") { state = .code }
                blank(1)
            case .blockComment(let depth):
                if at(0) == UInt8(ascii: "*"), at(1) == UInt8(ascii: "/") {
                    state = depth == 1 ? .code : .blockComment(depth: depth - 1)
                    blank(2)
                } else if at(0) == UInt8(ascii: "/"), at(1) == UInt8(ascii: "*") {
                    state = .blockComment(depth: depth + 1)
                    blank(2)
                } else {
                    blank(1)
                }
            case .string(let pounds, let isMultiline):
                let quotes = isMultiline ? 3 : 1
                let closes =
                    (0..<quotes).allSatisfy { at($0) == UInt8(ascii: "\"") }
                    && (0..<pounds).allSatisfy { at(quotes + $0) == UInt8(ascii: "#") }
                if closes || (!isMultiline && at(0) == UInt8(ascii: "\n")) {
                    state = .code
                    blank(closes ? quotes + pounds : 1)
                } else if at(0) == UInt8(ascii: "\\"), pounds == 0 {
                    blank(2)
                } else {
                    blank(1)
                }
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
