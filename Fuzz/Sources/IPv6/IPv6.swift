import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? IPv6View(bytes) else {
            if let quote = try? IPv6View(quoted: bytes) { walk(quote) }
            return
        }
        let header = IPv6Header(view)
        precondition(written(IPv6Header.byteCount) { header.write(into: &$0) } == array(bytes.extracting(0..<40)))
        walk(view)
    }
}

func walk(_ view: IPv6View) {
    let limits = IPv6ExtensionLimits()
    var chain = IPv6ExtensionChain(view, limits: limits)
    var headers = 0
    do {
        while let header = try chain.next() {
            headers += 1
            precondition(headers <= limits.headersMax, "the chain is bounded")
            switch header {
            case .hopByHop(let options), .destinationOptions(let options): walk(options)
            case .routing(let routing):
                consume((routing.type, routing.segmentsLeft))
                consume(bytes: routing.data)
            case .fragment(let fragment): consume((fragment.offset, fragment.identification, fragment.isAtomic))
            case .authentication(let header):
                consume((header.securityParameters, header.sequence))
                consume(bytes: header.integrityCheck)
            case .other(_, let bytes): consume(bytes: bytes)
            }
        }
        consume(chain.upperLayer)
        consume(bytes: chain.payload)
    } catch {
        precondition(Int(error.pointer) <= view.totalLength, "the pointer stands in the packet")
    }
}

func walk(_ options: IPv6OptionsView) {
    var options = options
    do {
        while let option = try options.next() {
            consume((option.type, option.unknownAction, option.mayChange, option.routerAlert))
            consume(bytes: option.data)
        }
    } catch { consume(error.pointer) }
}
