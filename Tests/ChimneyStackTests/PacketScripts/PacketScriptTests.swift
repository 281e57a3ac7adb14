import Foundation
import Testing

/// Every script in Tests/Traces holds, over both families.
@Suite struct PacketScriptTests {
    @Test(arguments: ScriptFiles.all, Family.allCases)
    func everyScriptHolds(_ file: String, over family: Family) throws {
        let script = try ScriptFiles.script(file)
        guard script.families.contains(family) else { return }
        for lines in script.cases {
            do {
                try ScriptBench(script, lines, over: family).run()
            } catch {
                Issue.record(error)
            }
        }
    }

    @Test func thereAreScripts() {
        #expect(!ScriptFiles.all.isEmpty, "no script has \(ScriptFiles.wanted ?? ".trace") in its path")
    }

    /// What is said of kernels is said of scripts and cases that there are.
    @Test func everyDifferenceOfAKernelIsOfACase() throws {
        let rows = try ScriptFiles.text(of: "kernel.tsv").split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(rows.count > 10)
        for row in rows {
            let columns = row.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
            guard columns.count == 4, ["4", "6", "46"].contains(columns[2]), columns[3].hasSuffix(".") else {
                Issue.record("not a row: \(row)")
                continue
            }
            let script = try ScriptFiles.script(columns[0])
            #expect(script.cases.contains { $0.name == columns[1] }, "\(columns[0]) has no case '\(columns[1])'")
        }
    }
}

/// The scripts in Tests/Traces.
enum ScriptFiles {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Traces").resolvingSymlinksInPath()

    /// What a path must contain to be run, from the environment.
    static let wanted = ProcessInfo.processInfo.environment["CHIMNEY_TRACE"]

    /// Their paths from Tests/Traces on.
    static let all: [String] = {
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? []
        return paths.filter { $0.hasSuffix(".trace") && (wanted == nil || $0.contains(wanted ?? "")) }.sorted()
    }()

    static func script(_ file: String) throws -> PacketScript {
        try PacketScript(text(of: file), file: "Tests/Traces/\(file)")
    }

    static func text(of file: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
    }
}
