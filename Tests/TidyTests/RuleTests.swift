import Testing

/// Every rule fires on a sample that breaks it and is silent on one that does not.
@Suite struct RuleTests {
    private func sample(_ content: String, module: String = "ChimneyLink") -> SourceText {
        SourceText(path: "Sources/\(module)/Sample.swift", content: content)
    }

    private func rules(_ content: String, module: String = "ChimneyLink") -> [String] {
        CodeRules.violations(in: sample(content, module: module)).map(\.rule)
    }

    @Test(arguments: [
        ("let now = Date()", "clock"), ("let clock = ContinuousClock()", "clock"), ("SuspendingClock().now", "clock"),
        ("var chance = SystemRandomNumberGenerator()", "chance"), ("let die = Int.random(in: 1...6)", "chance"),
        ("let mixed = cards.shuffled()", "chance"), ("    print(packet)", "print"), ("debugPrint(packet)", "print"),
        ("let value = try! parse()", "trap"), ("fatalError(\"no\")", "trap"),
        ("nonisolated(unsafe) var shared = 0", "isolation"),
        ("final class Ring: @unchecked Sendable {}", "isolation"),
    ])
    func bannedWordIsFoundInAnEngineAndNotAtTheEdges(line: String, rule: String) {
        #expect(CodeRules.bannedWords(in: sample(line)).map(\.rule) == [rule])
        #expect(CodeRules.bannedWords(in: sample(line, module: "ChimneyCommand")).isEmpty)
        #expect(CodeRules.bannedWords(in: sample("// " + line)).isEmpty)
    }

    @Test(arguments: ["import Foundation", "internal import Glibc", "public import Foundation", "import Dispatch"])
    func platformImportIsFoundInAnEngine(line: String) {
        #expect(CodeRules.bannedWords(in: sample(line)).map(\.rule) == ["platform"])
        #expect(CodeRules.bannedWords(in: sample(line, module: "ChimneyRuntime")).isEmpty)
    }

    @Test func wordsThatOnlyLookBannedPass() {
        #expect(
            CodeRules.bannedWords(in: sample("let entry = update(route); sprint(1); pool.random(in: 0..<3, using: &r)"))
                .isEmpty)
        #expect(CodeRules.bannedWords(in: sample("let text = \"print(Date())\"")).isEmpty)
        #expect(CodeRules.bannedWords(in: sample("x.random(in: 0..<3, using: &random)")).isEmpty)
    }

    @Test(arguments: ["static var shared = 0", "    public static var table: [Int] = []", "class var state: Int = 1"])
    func storedStaticIsFound(line: String) {
        #expect(CodeRules.mutableStatics(in: sample(line)).map(\.rule) == ["static"])
    }

    @Test func computedStaticPasses() {
        #expect(CodeRules.mutableStatics(in: sample("public static var zero: Self { Self(0) }")).isEmpty)
        #expect(
            CodeRules.mutableStatics(in: sample("static var zero: Self {\n    let a = 0\n    return Self(a)\n}"))
                .isEmpty)
        #expect(CodeRules.mutableStatics(in: sample("static let zero = 0")).isEmpty)
    }

    @Test func defaultOverOurOwnCasesIsFound() {
        let found = CodeRules.defaults(in: sample("switch state {\ncase .open: close()\ndefault: break\n}"))
        #expect(found.map(\.line) == [3])
        let pair = "switch (state, event) {\ncase (.open, .closed): close()\ndefault:\n    break\n}"
        #expect(CodeRules.defaults(in: sample(pair)).map(\.line) == [3])
    }

    @Test func defaultOverLiteralsPassesAlsoAroundAnotherSwitch() {
        let outer =
            "switch octet {\ncase 0: end()\ncase 1...7:\n    switch state {\n    case .open: a()\n    }\ndefault: skip()\n}"
        #expect(CodeRules.defaults(in: sample(outer)).isEmpty)
        let inner =
            "switch octet {\ncase 0:\n    switch state {\n    case .open: a()\n    default: b()\n    }\ncase \"x\": c()\ndefault: d()\n}"
        #expect(CodeRules.defaults(in: sample(inner)).map(\.line) == [5])
    }

    @Test func unsafeCodeIsFoundAndAsksForItsInvariant() {
        #expect(CodeRules.unsafety(in: sample("let byte = unsafe base[3]")).map(\.rule) == ["unsafe", "invariant"])
        #expect(
            CodeRules.unsafety(in: sample("// Invariant: base outlives self.\nlet byte = unsafe base[3]")).map(\.rule)
                == ["unsafe"])
        #expect(CodeRules.unsafety(in: sample("// nothing unsafe here\nlet isUnsafe = true")).isEmpty)
    }

    @Test func boundWithoutACommentIsFound() {
        let bare = "struct Table {\n    let entriesMax: Int\n}"
        #expect(CodeRules.undocumentedBounds(in: sample(bare)).map(\.line) == [2])
        let said = "struct Table {\n    /// The oldest goes first.\n    @usableFromInline\n    let entriesMax: Int\n}"
        #expect(CodeRules.undocumentedBounds(in: sample(said)).isEmpty)
        let local = "struct Table {\n    func f() {\n        let entriesMax = 3\n    }\n}"
        #expect(CodeRules.undocumentedBounds(in: sample(local)).isEmpty)
    }

    @Test func importAgainstTheDirectionIsFound() {
        #expect(rules("import ChimneyRouting", module: "ChimneyLink") == ["import"])
        #expect(rules("public import ChimneyStack", module: "ChimneyWire") == ["import"])
        #expect(rules("import ChimneyRuntime", module: "ChimneyLab") == ["import"])
        #expect(rules("import struct ChimneyTCP.Segment", module: "ChimneyRouting") == ["import"])
        #expect(rules("@_exported public import ChimneyRouting", module: "ChimneyNeighbors") == ["import"])
        #expect(rules("public import ChimneyPrimitives", module: "ChimneyLink").isEmpty)
        #expect(rules("", module: "ChimneyElsewhere") == ["import"])
    }

    @Test func longFileIsFound() {
        #expect(rules(String(repeating: "\n", count: 800)) == ["size"])
        #expect(rules(String(repeating: "\n", count: 799)).isEmpty)
    }

    @Test(arguments: ["Uti" + "ls", "Mana" + "ger", "Hel" + "per"])
    func vagueNameIsFound(word: String) {
        #expect(rules("struct Packet\(word) {}") == ["name"])
        let file = SourceText(path: "Sources/ChimneyLink/Packet\(word).swift", content: "")
        #expect(CodeRules.names(in: file).map(\.rule) == ["name"])
        #expect(rules("struct \(word)Free {}").isEmpty)
    }

    @Test func markOfUnfinishedWorkIsFoundInAComment() {
        #expect(rules("// TO" + "DO: later") == ["mark"])
        #expect(rules("// FIX" + "ME") == ["mark"])
        #expect(rules("// nothing to do").isEmpty)
    }

    @Test func blankingKeepsCodeAfterStringsAndNestedComments() {
        let file = sample("let a = \"// \\\" no\"; b() /* x /* y */ z */; c()\nlet d = #\"\"\"#; e()\n\"\"\"#; f()")
        #expect(file.code[0].contains("b()") && file.code[0].contains("c()"))
        #expect(!file.code[0].contains("no") && !file.code[0].contains("z"))
        let raw = sample("let d = #\"a \" // b\"#; e()")
        #expect(raw.code[0].contains("e()") && !raw.code[0].contains("b"))
        let long = sample("let t = \"\"\"\n  print(1)\n  \"\"\"\nprint(2)")
        #expect(CodeRules.bannedWords(in: long).map(\.line) == [4])
    }

    @Test func allowanceExcusesOneRuleInOnePlaceAndIsReportedWhenUnused() throws {
        let allowances = try Allowances(
            "# comment\nprint\tSources/A/\tit says so\ntrap\tSources/B/C.swift\tnever reached\n")
        let excused = Violation(rule: "print", path: "Sources/A/B.swift", line: 1, message: "")
        let other = Violation(rule: "trap", path: "Sources/A/B.swift", line: 1, message: "")
        #expect(allowances.admits(excused) && !allowances.admits(other))
        #expect(allowances.unused(among: [excused, other]).map(\.rule) == ["trap"])
        #expect(throws: TableError.self) { try Allowances("print\tSources/A/\t\n") }
    }

    @Test(arguments: [
        ("| 3.1 | MUST | says | yes | |", "names a test"), ("| 3.1 | MUST | says | yes | `gone` |", "no test"),
        ("| 3.1 | MUST | says | maybe | `there` |", "none"), ("| 3.1 | MUST | says | partly | `there` |", "missing"),
        ("| 3.1 | MUST | says |", "a row has"),
    ])
    func claimWithoutProofIsFound(row: String, message: String) {
        let (rows, unreadable) = ClaimRow.rows(of: row, at: "docs/rfc/1.md")
        let found = unreadable + rows.flatMap { $0.violations(knowing: ["there"]) }
        #expect(found.count == 1 && found[0].message.contains(message))
    }

    @Test func claimsWithProofOrReasonPass() {
        let page = """
            | Section | Level | Requirement | Answer | Tests |
            | --- | --- | --- | --- | --- |
            | 3.1 | MUST | says | yes | `there` |
            | 3.2 | MUST | says | partly: not on tunnels | `there`, `there` |
            | 3.3 | MAY | says | no: sources are refused | |
            | 3.4 | MUST | says | not applicable: for hosts | |
            """
        let (rows, unreadable) = ClaimRow.rows(of: page, at: "docs/rfc/1.md")
        #expect(rows.count == 4 && unreadable.isEmpty)
        #expect(rows.flatMap { $0.violations(knowing: ["there"]) }.isEmpty)
    }

    @Test func brokenLinkIsFound() {
        let page = "# A heading\n[a](docs/a.md) [b](docs/b.md#x) [c](#a-heading) [d](#gone) [e](https://example.org)"
        let found = Links.broken(in: page, at: "README.md") { $0 == "docs/a.md" }
        #expect(found.map(\.message) == ["'docs/b.md#x' leads nowhere", "'#gone' leads nowhere"])
        #expect(Links.broken(in: "[a](b.md)", at: "docs/c.md") { $0 == "docs/b.md" }.isEmpty)
    }

    @Test func mutationThatDoesNotFitIsFound() throws {
        let rows = try MutationRow.rows(of: "# x\nSources/A.swift\ta < b\ta <= b\tSuite/holds\n")
        try #require(rows.count == 1)
        #expect(rows[0].violations(content: "if a < b {}", tests: ["holds"]).isEmpty)
        #expect(rows[0].violations(content: "a < b; a < b", tests: ["holds"]).count == 1)
        #expect(rows[0].violations(content: "a < b", tests: []).count == 1)
        #expect(rows[0].violations(content: nil, tests: ["holds"]).count == 1)
        #expect(throws: TableError.self) { try MutationRow.rows(of: "a\tb") }
    }

    @Test func namesOfTestsAreFound() {
        let swift =
            "@Suite struct WireTests {\n @Test func a() {}\n @Test(arguments: [1])\n mutating func b() {}\n func c() {}\n}"
        #expect(TestNames.names(in: swift) == ["WireTests", "a", "b"])
        #expect(TestNames.scriptNames(in: "def ping():\n  pass\nflood() {\n}\n") == ["ping", "flood"])
    }

    @Test func dropReasonThatNoTestSeesIsFound() {
        let reasons = DropReasons.declared(
            in: sample("enum DropReason: UInt8 {\n    // Kinds.\n    case a, bad, c\n    case last\n    case .a: 1\n}"))
        #expect(reasons == ["a", "bad", "c", "last"])
        #expect(DropReasons.declared(in: sample("enum Other {\n    case a\n}")).isEmpty)
        let test = SourceText(
            path: "Tests/StackTests/A.swift",
            content: "#expect(x.dropped(.a) == 1)\n#expect(y == .c)\n// z == .bad\n#expect(e == .last(1))")
        #expect(DropReasons.unseen(reasons, by: [test]) == ["bad", "last"])
    }

    @Test func traceThatNothingRunsIsFound() {
        let traces = ["Tests/TraceTests/Traces/a.trace", "Tests/TraceTests/Traces/b.trace"]
        let byName = SourceText(path: "Tests/TraceTests/A.swift", content: "run(\"a\")")
        #expect(Traces.unrun(traces, by: [byName]) == ["Tests/TraceTests/Traces/b.trace"])
        let byFolder = SourceText(
            path: "Tests/TraceTests/A.swift", content: "files.filter { $0.hasSuffix(\".trace\") }")
        #expect(Traces.unrun(traces, by: [byFolder]).isEmpty)
    }
}
