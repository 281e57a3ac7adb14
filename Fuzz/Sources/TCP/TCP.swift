import FuzzSupport

/// What libFuzzer calls with every input.
///
/// The bytes are settings, a state in which the peer of a connection becomes hostile, and actions: segments near to those
/// that count, ICMP errors, time that passes, calls of programs. Some inputs are run twice, because equal events must give
/// equal bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzingTwice(start, count) { input in
        var world = World(input)
        world.run()
        return world.digest
    }
}
