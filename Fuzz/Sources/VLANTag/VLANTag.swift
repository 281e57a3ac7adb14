import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? VLANTagView(bytes) else { return }
        let tag = view.tag
        precondition(written(VLANTag.byteCount) { tag.write(into: &$0) } == array(bytes.extracting(0..<4)))
        precondition(
            VLANTag(
                identifier: tag.identifier, priority: tag.priority, isDropEligible: tag.isDropEligible,
                etherType: tag.etherType) == tag)
        consume(bytes: view.payload)
    }
}
