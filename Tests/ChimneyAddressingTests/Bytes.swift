import ChimneyPrimitives
import Foundation

/// `count` bytes as `body` leaves them.
func written(_ count: Int, _ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xA5, count: count)
    var elements = bytes.mutableSpan
    // Every byte written is a valid UInt8.
    var span = unsafe elements.mutableBytes
    body(&span)
    return bytes
}

extension Array where Element == UInt8 {
    /// The bytes as the views take them.
    var raw: RawSpan {
        @_lifetime(borrow self)
        // Every element is initialised for as long as the array is borrowed.
        get { unsafe span.bytes }
    }
}

/// The seeds a property test runs: `count` fixed ones, or the single one in `CHIMNEY_SEED`.
enum Seeds {
    static func chosen(count: UInt64) -> [UInt64] {
        if let only = ProcessInfo.processInfo.environment["CHIMNEY_SEED"].flatMap(UInt64.init) { return [only] }
        return Array(0..<count)
    }
}

extension StackRandom {
    /// Whether something happens that does so once in `count` times.
    mutating func isOne(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}
