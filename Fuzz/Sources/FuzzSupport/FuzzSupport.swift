/// Keeps the compiler from leaving out the work that made `value`.
@inline(never)
public func consume<Value>(_ value: Value) {}

/// Reads every byte of `bytes`, so that the address sanitizer sees where they lie.
@inline(never)
public func consume(bytes: RawSpan) {
    var sum: UInt8 = 0
    // The offsets are those of the span, and every byte is a valid UInt8.
    for offset in bytes.byteOffsets { unsafe sum &+= bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
    consume(sum)
}

/// The bytes libFuzzer gives, for as long as `body` runs.
public func fuzzing(_ start: UnsafePointer<UInt8>?, _ count: Int, _ body: (RawSpan) -> Void) -> CInt {
    // libFuzzer owns `count` bytes at `start` until the target returns.
    let buffer = unsafe UnsafeRawBufferPointer(start: start, count: count)
    unsafe body(buffer.bytes)
    return 0
}

/// Runs what `outcome` makes of the input, which gives a digest of all that it did; every eighth input twice, because equal events must
/// give equal bytes.
public func fuzzingTwice(_ start: UnsafePointer<UInt8>?, _ count: Int, _ outcome: ([UInt8]) -> UInt64) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        let input = array(bytes)
        let first = outcome(input)
        guard count & 7 == 0 else { return }
        demand(outcome(input) == first, "equal events give equal bytes")
    }
}

/// `count` bytes as `body` leaves them.
public func written(_ count: Int, _ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var elements = bytes.mutableSpan
    // Every byte written is a valid UInt8.
    var span = unsafe elements.mutableBytes
    body(&span)
    return bytes
}

/// A copy of `bytes` to change.
public func array(_ bytes: RawSpan) -> [UInt8] {
    // The offsets are those of the span, and every byte is a valid UInt8.
    bytes.byteOffsets.map { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
}

/// `bytes`, changed in place by `body`.
public func changed(_ bytes: [UInt8], _ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var bytes = bytes
    var elements = bytes.mutableSpan
    // Every byte written is a valid UInt8.
    var span = unsafe elements.mutableBytes
    body(&span)
    return bytes
}

/// Ends the run with a sentence when something that must hold does not.
///
/// A precondition says nothing in a release build.
public func demand(_ holds: Bool, _ sentence: @autoclosure () -> String) {
    guard holds else { fatalError(sentence()) }
}
