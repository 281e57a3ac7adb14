/// What the innermost braces around a line belong to.
enum Blocks {
    enum Kind: Hashable {
        case top
        case type
        case body
    }

    static func kind(ofLine number: Int, in file: SourceText) -> Kind {
        var open: [Kind] = []
        var header = ""
        let type = Pattern(#"\b(struct|class|enum|actor|protocol|extension)\s+[A-Z]"#)
        for line in file.code.prefix(number - 1) {
            for character in line {
                switch character {
                case "{":
                    open.append(type.matches(header) ? .type : .body)
                    header = ""
                case "}":
                    open.removeLast(open.isEmpty ? 0 : 1)
                    header = ""
                default:
                    header.append(character)
                }
            }
            header.append(" ")
        }
        return open.last ?? .top
    }
}

/// A `switch` of a file: what its cases look like and where its `default:` is.
struct Switches {
    var defaultLine: Int?
    /// Every pattern begins with a number, a string, a tuple of them or a range; there is at least one.
    var isOverLiterals: Bool { patternCount > 0 && literalCount == patternCount }

    private var patternCount = 0
    private var literalCount = 0
    private let depth: Int

    /// All switches of the file, the order being that of their end.
    static func all(in file: SourceText) -> [Self] {
        var done: [Self] = []
        var open: [Self] = []
        var depth = 0
        var awaitsBrace = false
        let start = Pattern(#"(?<![\w.])switch\b"#)
        let fallback = Pattern(#"(^|[\s{;])default\s*:"#)
        let label = Pattern(#"(?:^|[\s{;])case\s+(.*)$"#)
        let literal = Pattern(#"^\(?\s*(-?\d|0x|"|\.\.[.<]\s*\d)"#)

        for (index, line) in file.code.enumerated() {
            let isLabelLine =
                !line.contains("if case") && !line.contains("guard case") && !line.contains("for case")
                && !line.contains("while case")
            if !open.isEmpty, depth == open[open.count - 1].depth {
                let place = open.count - 1
                if fallback.matches(line) { open[place].defaultLine = index + 1 }
                // The text, not the blanked code: a string literal is a pattern too.
                if isLabelLine, label.matches(line), let tail = label.groups(in: file.text[index]).first?.first {
                    open[place].patternCount += 1
                    if literal.matches(tail) { open[place].literalCount += 1 }
                }
            }
            if start.matches(line) { awaitsBrace = true }
            for character in line {
                if character == "{" {
                    depth += 1
                    if awaitsBrace {
                        open.append(Self(depth: depth))
                        awaitsBrace = false
                    }
                } else if character == "}" {
                    if let last = open.last, last.depth == depth {
                        done.append(last)
                        open.removeLast()
                    }
                    depth -= 1
                }
            }
        }
        return done + open
    }

    private init(depth: Int) { self.depth = depth }
}
