import Foundation

/// A row of `docs/rfc`: one requirement, our answer to it and the tests that show the answer.
struct ClaimRow {
    let path: String
    let line: Int
    let section: String
    let requirement: String
    let answer: String
    let tests: [String]

    /// The rows of a page; the first violations are rows that cannot be read.
    static func rows(of page: String, at path: String) -> (rows: [ClaimRow], violations: [Violation]) {
        var rows: [ClaimRow] = []
        var violations: [Violation] = []
        for (index, line) in page.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard line.hasPrefix("|"), !line.hasPrefix("| Section"), !line.hasPrefix("| ---") else { continue }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 5, !cells[0].isEmpty, !cells[2].isEmpty else {
                violations.append(
                    Violation(
                        rule: "claim", path: path, line: index + 1,
                        message: "a row has section, level, requirement, answer and tests"))
                continue
            }
            let tests = Pattern("`([^`]+)`").groups(in: cells[4]).compactMap(\.first)
            rows.append(
                ClaimRow(
                    path: path, line: index + 1, section: cells[0], requirement: cells[2], answer: cells[3],
                    tests: tests))
        }
        return (rows, violations)
    }

    /// What is wrong with the row, given the names of all tests of the tree.
    func violations(knowing names: Set<String>) -> [Violation] {
        func wrong(_ message: String) -> Violation {
            Violation(rule: "claim", path: path, line: line, message: message)
        }
        guard let known = ["yes", "partly", "not applicable", "no"].first(where: { answers($0) }) else {
            return [wrong("the answer is yes, partly, no or not applicable, and '\(answer)' is none")]
        }
        var found = tests.filter { !names.contains($0) }.map { wrong("there is no test '\($0)'") }
        if (known == "yes" || known == "partly") && tests.isEmpty { found.append(wrong("'\(known)' names a test")) }
        if known == "partly" && answer == known { found.append(wrong("'partly' says which part is missing")) }
        return found
    }

    private func answers(_ word: String) -> Bool {
        answer == word || answer.hasPrefix(word + ":") || answer.hasPrefix(word + ",")
    }
}

/// Links and headings of a page.
enum Links {
    /// The relative links of a page that lead nowhere.
    static func broken(in page: String, at path: String, exists: (String) -> Bool) -> [Violation] {
        let folder = path.contains("/") ? path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex) + "/" : ""
        var violations: [Violation] = []
        let anchors = Set(headings(of: page))
        for (index, line) in prose(of: page).enumerated() {
            for target in Pattern(#"\]\(([^)\s]+)\)"#).groups(in: line).compactMap(\.first) {
                guard !target.contains("://"), !target.hasPrefix("mailto:") else { continue }
                let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
                let file = String(parts[0])
                let isBroken =
                    file.isEmpty ? !anchors.contains(String(parts.last ?? "")) : !exists(String(folder) + file)
                if isBroken {
                    violations.append(
                        Violation(rule: "link", path: path, line: index + 1, message: "'\(target)' leads nowhere"))
                }
            }
        }
        return violations
    }

    /// The lines of a page with the fenced code blanked.
    private static func prose(of page: String) -> [String] {
        var isFenced = false
        return page.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if line.hasPrefix("```") { isFenced.toggle() }
            return isFenced ? "" : String(line)
        }
    }

    private static func headings(of page: String) -> [String] {
        prose(of: page).filter { $0.hasPrefix("#") }.map { heading in
            heading.drop { $0 == "#" || $0 == " " }.lowercased()
                .filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
                .replacingOccurrences(of: " ", with: "-")
        }
    }
}

/// A row of `Tests/mutations.tsv`: a line to break and the tests that must notice.
struct MutationRow {
    let line: Int
    let path: String
    let original: String
    let replacement: String
    let filter: String

    static func rows(of table: String) throws -> [MutationRow] {
        try table.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { number, line in
            guard !line.isEmpty, !line.hasPrefix("#") else { return nil }
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 4, !fields[0].isEmpty, !fields[1].isEmpty, !fields[3].isEmpty else {
                throw TableError.badRow(line: number + 1, expected: "path, text, replacement and test, parted by tabs")
            }
            return MutationRow(
                line: number + 1, path: fields[0], original: fields[1], replacement: fields[2], filter: fields[3])
        }
    }

    /// The text to break must stand exactly once in its file, and the test must exist.
    func violations(content: String?, tests: Set<String>) -> [Violation] {
        func wrong(_ message: String) -> Violation {
            Violation(rule: "mutation", path: "Tests/mutations.tsv", line: line, message: message)
        }
        guard let content else { return [wrong("there is no file \(path)")] }
        let count = content.components(separatedBy: original).count - 1
        var found: [Violation] = []
        if count != 1 { found.append(wrong("'\(original)' stands \(count) times in \(path), not once")) }
        if original == replacement { found.append(wrong("the replacement changes nothing")) }
        let name = String(filter.split(whereSeparator: { $0 == "/" || $0 == "." }).last ?? "")
        if !tests.contains(name) { found.append(wrong("there is no test '\(filter)'")) }
        return found
    }
}
