import Foundation
import Testing

/// The rules of the tree, held against the tree.
@Suite struct TidyTests {
    @Test func sourcesKeepTheRules() throws {
        let sources = try SourceTree.sources(under: "Sources")
        try #require(!sources.isEmpty)
        let all = sources.flatMap(CodeRules.violations(in:))
        let allowances = try Allowances.standing()
        for violation in all where !allowances.admits(violation) { Issue.record("\(violation)") }
        for row in allowances.unused(among: all) {
            Issue.record("allowances.tsv: nothing in \(row.path) needs the allowance for '\(row.rule)'")
        }
    }

    @Test func testsAreFinishedAndOfReadableSize() throws {
        for file in try SourceTree.sources(under: "Tests") {
            for violation in CodeRules.size(of: file) + CodeRules.marks(in: file) + CodeRules.names(in: file) {
                Issue.record("\(violation)")
            }
        }
    }

    @Test func filesThatAreLongAreFew() throws {
        let long = try SourceTree.sources(under: "Sources").filter { $0.text.count > CodeRules.linesToQuestion }
        for file in long {
            Issue.record("\(file.path) has \(file.text.count) lines: is it one thing?", severity: .warning)
        }
    }

    @Test func scriptsAndPagesAreFinished() throws {
        let paths =
            ["", "docs", "scripts", "Tests", "Benchmarks", "Fuzz", "Examples"].flatMap { folder in
                ["md", "sh", "py", "yaml", "yml"].flatMap { ending in
                    folder.isEmpty
                        ? SourceTree.topLevel(endingIn: ".\(ending)")
                        : SourceTree.paths(under: folder, endingIn: ".\(ending)")
                }
            } + ["Makefile", ".ci/run"]
        for path in paths {
            let file = SourceText(path: path, content: try SourceTree.content(path))
            for violation in CodeRules.marks(in: file) { Issue.record("\(violation)") }
        }
    }

    @Test func everyClaimNamesATestThatExists() throws {
        let names = try TestNames.all()
        for path in SourceTree.paths(under: "docs/rfc", endingIn: ".md") where !path.hasSuffix("/README.md") {
            let (rows, unreadable) = ClaimRow.rows(of: try SourceTree.content(path), at: path)
            if rows.isEmpty { Issue.record("\(path) has no rows") }
            for violation in unreadable + rows.flatMap({ $0.violations(knowing: names) }) {
                Issue.record("\(violation)")
            }
        }
    }

    @Test func everyDropReasonIsSeenByATest() throws {
        let reasons = try SourceTree.sources(under: "Sources/ChimneyStack").flatMap(DropReasons.declared(in:))
        try #require(!reasons.isEmpty)
        let tests = try SourceTree.sources(under: "Tests").filter { $0.module != "TidyTests" }
        for reason in DropReasons.unseen(reasons, by: tests) {
            Issue.record("no test sees a packet die of '\(reason)'")
        }
    }

    @Test func linksOfPagesResolve() throws {
        let pages = SourceTree.topLevel(endingIn: ".md") + SourceTree.paths(under: "docs", endingIn: ".md")
        for path in pages {
            for violation in Links.broken(in: try SourceTree.content(path), at: path, exists: SourceTree.exists) {
                Issue.record("\(violation)")
            }
        }
    }

    @Test func programOfTheReadmeIsTheExample() throws {
        let example = try SourceTree.content("Examples/HelloUDP/Sources/HelloUDP/HelloUDP.swift")
        #expect(try SourceTree.content("README.md").contains("```swift\n\(example)```"))
    }

    @Test func everyTraceFileIsRun() throws {
        let traces = SourceTree.paths(under: "Tests", endingIn: ".trace")
        let tests = try SourceTree.sources(under: "Tests").filter { $0.module != "TidyTests" }
        for trace in Traces.unrun(traces, by: tests) { Issue.record("no test runs \(trace)") }
    }

    @Test func mutationsFitTheTree() throws {
        guard SourceTree.exists("Tests/mutations.tsv") else { return }
        let names = try TestNames.all()
        for row in try MutationRow.rows(of: SourceTree.content("Tests/mutations.tsv")) {
            for violation in row.violations(content: try? SourceTree.content(row.path), tests: names) {
                Issue.record("\(violation)")
            }
        }
    }
}

/// The names that a claim or a mutation may call a test by.
enum TestNames {
    static func all() throws -> Set<String> {
        var names: Set<String> = []
        for file in try SourceTree.sources(under: "Tests") where file.module != "TidyTests" {
            names.formUnion(Self.names(in: file.text.joined(separator: "\n")))
        }
        for ending in [".py", ".sh"] {
            for path in SourceTree.paths(under: "Tests/InteropTests", endingIn: ending) {
                names.formUnion(Self.scriptNames(in: try SourceTree.content(path)))
            }
        }
        return names
    }

    /// Functions marked with `@Test`, and the types they stand in.
    static func names(in swift: String) -> Set<String> {
        let functions = Pattern(#"@Test(?:\([^\n]*\))?\s+(?:\w+\s+)*?func\s+(\w+)"#).groups(in: swift)
        let suites = Pattern(#"\b(?:struct|class|actor|enum)\s+(\w+Tests)\b"#).groups(in: swift)
        return Set((functions + suites).compactMap(\.first))
    }

    /// Functions of a Python or shell script.
    static func scriptNames(in script: String) -> Set<String> {
        let python = Pattern(#"(?m)^\s*def\s+(\w+)"#).groups(in: script)
        let shell = Pattern(#"(?m)^\s*(?:function\s+)?(\w+)\s*\(\)"#).groups(in: script)
        return Set((python + shell).compactMap(\.first))
    }
}

/// Packet scripts, which a test reads by name or by listing their folder.
enum Traces {
    static func unrun(_ traces: [String], by tests: [SourceText]) -> [String] {
        traces.filter { trace in
            let parts = trace.split(separator: "/").map(String.init)
            let name = (parts.last ?? "").replacingOccurrences(of: ".trace", with: "")
            let target = parts.count > 1 ? parts[1] : ""
            return !tests.contains { file in
                let text = file.text.joined(separator: "\n")
                return text.contains("\"\(name)\"") || text.contains("\"\(name).trace\"")
                    || (text.contains("\".trace\"") && (file.module == target || text.contains(target)))
            }
        }
    }
}

extension SourceTree {
    /// Files of the top folder itself.
    static func topLevel(endingIn suffix: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { $0.hasSuffix(suffix) }.sorted()
    }
}
