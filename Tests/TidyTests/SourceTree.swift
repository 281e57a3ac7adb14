import Foundation

/// The checked-out tree that this test was built from.
enum SourceTree {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every file under the folder whose name ends so, sorted; build folders are left out.
    static func paths(under folder: String, endingIn suffix: String) -> [String] {
        let top = root.appendingPathComponent(folder).path
        guard let found = FileManager.default.enumerator(atPath: top) else { return [] }
        return found.compactMap { $0 as? String }
            .filter { path in
                path.hasSuffix(suffix) && !path.split(separator: "/").contains { $0.hasPrefix(".build") }
            }
            .map { "\(folder)/\($0)" }
            .sorted()
    }

    static func content(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).standardizedFileURL.path)
    }

    static func sources(under folder: String) throws -> [SourceText] {
        try paths(under: folder, endingIn: ".swift").map { SourceText(path: $0, content: try content($0)) }
    }
}
