import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? EthernetView(bytes) else { return }
        let again = written(EthernetHeader.byteCount) { view.header.write(into: &$0) }
        precondition(again == array(bytes.extracting(0..<14)), "a header is written as it was read")
        consume(bytes: view.payload)
    }
}
