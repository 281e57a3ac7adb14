import FuzzSupport

/// What libFuzzer calls with every input.
///
/// The bytes are actions on one stack: frames that arrive, time that passes, calls of sockets and of
/// the operator. Some inputs are run twice, because equal events must give equal bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzingTwice(start, count) { input in
        var world = World(input)
        world.run()
        return world.digest
    }
}
