import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let message = try? ARPView(bytes).message else { return }
        precondition(written(ARPMessage.byteCount) { message.write(into: &$0) } == array(bytes.extracting(0..<28)))
    }
}
