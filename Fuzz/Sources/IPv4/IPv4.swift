import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? IPv4View(bytes) else {
            if let quote = try? IPv4View(quoted: bytes) { consume(bytes: quote.payload) }
            return
        }
        let header = IPv4Header(view)
        let sent = changed(array(bytes)) { header.write(into: &$0) }
        guard let again = try? IPv4View(unsafe sent.span.bytes) else { preconditionFailure("a written header reads") }
        precondition(IPv4Header(again) == header, "a header is written as it was read")
        precondition(again.isChecksumValid, "a written checksum is valid")
        precondition(
            20 + view.options.byteCount + view.payload.byteCount == view.totalLength, "the parts make the whole")
        consume(bytes: view.payload)
        consume(view.isChecksumValid)
        consume(view.isFragment)
    }
}
