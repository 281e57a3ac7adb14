import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? UDPView(bytes) else { return }
        let header = view.header
        precondition(
            written(UDPHeader.byteCount) { header.write(into: &$0, checksum: view.checksum) }
                == array(bytes.extracting(0..<8)))
        consume(bytes: view.payload)
        // A checksum of ours is valid to us.
        let (source, destination) = (IPv4Address(bits: 0x0A00_0001), IPv4Address(bits: 0x0A00_0002))
        let checksum = header.checksum(
            from: source, to: destination, payloadSum: InternetChecksum.sum(view.payload))
        let sent = changed(array(bytes)) { header.write(into: &$0, checksum: checksum) }
        let isValid = (try? UDPView(unsafe sent.span.bytes).isChecksumValid(from: source, to: destination)) ?? false
        precondition(isValid, "a written checksum is valid")
        consume(view.isChecksumValid(from: source, to: destination))
    }
}
