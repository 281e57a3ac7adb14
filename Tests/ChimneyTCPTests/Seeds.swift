import Foundation

/// The seeds a property test runs: `count` fixed ones, or the single one in `CHIMNEY_SEED`.
enum Seeds {
    static func chosen(count: UInt64) -> [UInt64] {
        if let only = ProcessInfo.processInfo.environment["CHIMNEY_SEED"].flatMap(UInt64.init) { return [only] }
        return Array(0..<count)
    }
}
