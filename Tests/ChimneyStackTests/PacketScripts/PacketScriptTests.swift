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
        #expect(ScriptFiles.all.count >= 2)
    }
}

/// The scripts in Tests/Traces.
enum ScriptFiles {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Traces").resolvingSymlinksInPath()

    /// Their paths from Tests/Traces on.
    static let all: [String] = {
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? []
        return paths.filter { $0.hasSuffix(".trace") }.sorted()
    }()

    static func script(_ file: String) throws -> PacketScript {
        let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        return try PacketScript(text, file: "Tests/Traces/\(file)")
    }
}
