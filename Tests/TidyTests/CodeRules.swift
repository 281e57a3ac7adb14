/// What a source file may not say.
///
/// Each rule names itself as `allowances.tsv` does.
enum CodeRules {
    /// The modules whose code is a value: no clock, no chance, no I/O of its own.
    static let engines: Set<String> = [
        "ChimneyPrimitives", "ChimneyWire", "ChimneyLink", "ChimneyAddressing", "ChimneyNeighbors", "ChimneyRouting",
        "ChimneyMulticast", "ChimneyTCP", "ChimneyStack",
    ]

    /// All rules, for a file below `Sources`.
    static func violations(in file: SourceText) -> [Violation] {
        bannedWords(in: file) + mutableStatics(in: file) + defaults(in: file) + unsafety(in: file)
            + undocumentedBounds(in: file) + imports(in: file) + size(of: file) + names(in: file) + marks(in: file)
    }

    // MARK: - Words

    private static let banned: [(rule: String, pattern: String, message: String)] = [
        ("clock", #"\bDate\("#, "an engine is told the time"),
        ("clock", #"\b(ContinuousClock|SuspendingClock|DispatchTime|clock_gettime)\b"#, "an engine is told the time"),
        ("chance", #"\bSystemRandomNumberGenerator\b"#, "an engine is given its random numbers"),
        (
            "chance", #"\.(random\(in:[^,()]*\)|shuffled\(\)|randomElement\(\))"#,
            "an engine is given its random numbers"
        ),
        (
            "platform", #"^\s*(\w+\s+)?import\s+(Foundation|FoundationEssentials|Glibc|Darwin|Musl|Dispatch)\b"#,
            "an engine imports no platform"
        ),
        ("print", #"(?<![\w.])(print|debugPrint|dump)\("#, "an engine writes nothing"),
        ("trap", #"\btry!"#, "an error is thrown or handled"),
        ("trap", #"\bfatalError\("#, "bad input is never a trap"),
        ("isolation", #"\bnonisolated\(unsafe\)"#, "an engine is confined to one thread, by its type"),
        ("isolation", #"@unchecked\s+Sendable\b"#, "an engine is confined to one thread, by its type"),
    ]

    static func bannedWords(in file: SourceText) -> [Violation] {
        guard engines.contains(file.module) else { return [] }
        return banned.flatMap { rule, pattern, message in
            file.lines(matching: pattern).map { line in
                Violation(rule: rule, path: file.path, line: line, message: message)
            }
        }
    }

    /// A stored `static var` is state that two stacks would share; a computed one is not.
    static func mutableStatics(in file: SourceText) -> [Violation] {
        guard engines.contains(file.module) else { return [] }
        return file.lines(matching: #"\b(static|class)\s+var\b"#).compactMap { line in
            let declaration = file.code[(line - 1)..<min(line + 2, file.code.count)].joined(separator: " ")
            let tail = declaration.split(separator: "var", maxSplits: 1).last ?? ""
            let firstMark = tail.first { $0 == "{" || $0 == "=" }
            guard firstMark != "{" else { return nil }
            return Violation(rule: "static", path: file.path, line: line, message: "a stack shares no mutable state")
        }
    }

    // MARK: - Switches

    /// A `default:` hides a case that is added later, except in a switch over integers.
    static func defaults(in file: SourceText) -> [Violation] {
        guard engines.contains(file.module) else { return [] }
        return Switches.all(in: file)
            .filter { $0.defaultLine != nil && !$0.isOverLiterals }
            .map { found in
                Violation(
                    rule: "default", path: file.path, line: found.defaultLine ?? 0,
                    message: "a switch over our own cases names them all")
            }
    }

    // MARK: - Memory

    /// The word stands only in listed files, and each of them says what keeps it safe.
    static func unsafety(in file: SourceText) -> [Violation] {
        let uses = file.lines(matching: #"(?<![\w(.])unsafe(?![\w)])"#)
        guard !uses.isEmpty else { return [] }
        let explained = file.text.contains { $0.contains("//") && $0.contains("Invariant:") }
        var found = [
            Violation(
                rule: "unsafe", path: file.path, line: uses[0],
                message: "unsafe code, \(uses.count) lines of it, stands in listed files only")
        ]
        if !explained {
            found.append(
                Violation(
                    rule: "invariant", path: file.path, line: uses[0],
                    message: "a file with unsafe code has a comment with the word 'Invariant:'"))
        }
        return found
    }

    // MARK: - Bounds

    /// A property that ends in `Max` is a promise: its comment says what happens at the bound.
    static func undocumentedBounds(in file: SourceText) -> [Violation] {
        let declaration = #"^\s*(?:[\w@()]+\s+)*(?:let|var)\s+\w+Max\b"#
        return file.lines(matching: declaration).compactMap { line in
            guard Blocks.kind(ofLine: line, in: file) == .type else { return nil }
            var above = line - 2
            while above >= 0, file.code[above].trimmed.hasPrefix("@") { above -= 1 }
            if above >= 0, file.text[above].trimmed.hasPrefix("///") { return nil }
            return Violation(rule: "bound", path: file.path, line: line, message: "a bound has a doc comment")
        }
    }

    // MARK: - Imports

    static func imports(in file: SourceText) -> [Violation] {
        guard file.path.hasPrefix("Sources/") else { return [] }
        guard let allowed = ImportTable.rows[file.module] else {
            return [
                Violation(
                    rule: "import", path: file.path, line: 1, message: "the module \(file.module) is not in ImportTable"
                )
            ]
        }
        let pattern = #"^\s*(?:@\w+(?:\(\w+\))?\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?import\s+"#
        return file.lines(matching: pattern).compactMap { line in
            let words = file.code[line - 1].split(separator: " ").map(String.init)
            guard let place = words.firstIndex(of: "import"), place + 1 < words.count else { return nil }
            let kinds: Set<String> = ["struct", "class", "enum", "func", "protocol", "typealias", "var", "let"]
            let name = kinds.contains(words[place + 1]) && place + 2 < words.count ? words[place + 2] : words[place + 1]
            let module = String(name.prefix { $0 != "." })
            guard !allowed.contains(module) else { return nil }
            return Violation(
                rule: "import", path: file.path, line: line, message: "\(file.module) may not import \(module)")
        }
    }

    // MARK: - Size and names

    static let linesMax = 800
    static let linesToQuestion = 500

    static func size(of file: SourceText) -> [Violation] {
        guard file.text.count > linesMax else { return [] }
        return [
            Violation(
                rule: "size", path: file.path, line: file.text.count, message: "a file has at most \(linesMax) lines")
        ]
    }

    static func names(in file: SourceText) -> [Violation] {
        let vague = #"(Utils?|Utilities|Manager|Helpers?)"#
        var found = file.lines(
            matching: #"\b(struct|class|enum|actor|protocol|extension|typealias)\s+\w*"# + vague + #"\b"#)
        let name = file.path.split(separator: "/").last.map(String.init) ?? ""
        if Pattern(vague + #"(\+\w+)?\.swift$"#).matches(name) { found.append(1) }
        return found.map { line in
            Violation(rule: "name", path: file.path, line: line, message: "a name says what the thing is")
        }
    }

    /// Marks of unfinished work, also in comments.
    static func marks(in file: SourceText) -> [Violation] {
        let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
        let pattern = Pattern(#"\b("# + words.joined(separator: "|") + #")\b"#)
        return file.text.indices.filter { pattern.matches(file.text[$0]) }.map { index in
            Violation(rule: "mark", path: file.path, line: index + 1, message: "work is finished or not begun")
        }
    }
}
