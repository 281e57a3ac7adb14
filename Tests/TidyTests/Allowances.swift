/// The exceptions to the rules, each with its reason: `allowances.tsv` beside this file.
///
/// A row is a rule, a path and a reason, parted by tabs. A path that ends in `/` stands for the folder.
struct Allowances {
    struct Row: Hashable {
        let rule: String
        let path: String
        let reason: String
    }

    let rows: [Row]

    init(_ content: String) throws {
        var rows: [Row] = []
        for (number, line) in content.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3, fields.allSatisfy({ !$0.isEmpty }) else {
                throw TableError.badRow(line: number + 1, expected: "rule, path and reason, parted by tabs")
            }
            rows.append(Row(rule: fields[0], path: fields[1], reason: fields[2]))
        }
        self.rows = rows
    }

    static func standing() throws -> Self { try Self(SourceTree.content("Tests/TidyTests/allowances.tsv")) }

    func admits(_ violation: Violation) -> Bool { rows.contains { matches($0, violation) } }

    /// The rows that excuse none of the violations: they are to be removed.
    func unused(among violations: [Violation]) -> [Row] {
        rows.filter { row in !violations.contains { matches(row, $0) } }
    }

    private func matches(_ row: Row, _ violation: Violation) -> Bool {
        row.rule == violation.rule
            && (row.path.hasSuffix("/") ? violation.path.hasPrefix(row.path) : violation.path == row.path)
    }
}

/// A table of the tree that cannot be read.
enum TableError: Error {
    case badRow(line: Int, expected: String)
}
