/// The names by which packets die, and the tests that see each of them.
enum DropReasons {
    /// The cases that the enumeration declares, in order; a `case` of its switches begins with a dot and is none.
    static func declared(in file: SourceText) -> [String] {
        guard let first = file.lines(matching: #"\benum DropReason\b"#).first else { return [] }
        let names = Pattern(#"^\s*case\s+(\w[\w\s,]*)$"#)
        return file.code[first...].flatMap { line in
            (names.groups(in: line).first?.first ?? "").split { $0 == "," || $0 == " " }.map(String.init)
        }
    }

    /// Those that no test compares a packet's death with.
    static func unseen(_ reasons: [String], by tests: [SourceText]) -> [String] {
        let text = tests.map { $0.code.joined(separator: "\n") }.joined(separator: "\n")
        let comparison = Pattern(#"(?:\bdropped\(|==\s*\[?|,\s*)\.(\w+)\b(?!\()"#)
        let seen = Set(comparison.groups(in: text).compactMap(\.first))
        return reasons.filter { !seen.contains($0) }
    }
}
