import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? ICMPv4View(bytes) else { return }
        let wasValid = view.isChecksumValid
        do {
            switch try view.content() {
            case .echoRequest(let query, let data):
                // RFC 1624 keeps right what was right.
                let reply = changed(array(bytes)) { ICMPv4Message.answerEcho(in: &$0) }
                let isValid = (try? ICMPv4View(unsafe reply.span.bytes).isChecksumValid) ?? false
                precondition(!wasValid || isValid, "the checksum follows")
                consume(query)
                consume(bytes: data)
            case .echoReply(let query, let data):
                let message = ICMPv4Message.echoReply(query)
                let sent = changed(array(bytes)) { message.write(into: &$0, payloadByteCount: data.byteCount) }
                let isValid = (try? ICMPv4View(unsafe sent.span.bytes).isChecksumValid) ?? false
                precondition(isValid, "a written checksum is valid")
            case .destinationUnreachable(_, let mtu, let quote):
                consume(mtu)
                read(quote)
            case .sourceQuench(let quote), .redirect(_, _, let quote), .timeExceeded(_, let quote),
                .parameterProblem(_, _, let quote):
                read(quote)
            case .routerAdvertisement(let view):
                for index in 0..<view.count { consume(view[index]) }
                consume(view.lifetimeSeconds)
            case .timestampRequest(let query, let times), .timestampReply(let query, let times):
                let message = ICMPv4Message.timestampReply(query, times)
                consume(written(message.byteCount) { message.write(into: &$0) })
            case .addressMaskRequest(_, let mask), .addressMaskReply(_, let mask): consume(mask)
            case .informationRequest(let query), .informationReply(let query): consume(query)
            case .routerSolicitation: break
            }
        } catch { consume(error) }
    }
}

func read(_ quote: ICMPQuoteView) {
    consume(bytes: quote.packet)
    if let packet = try? IPv4View(quoted: quote.packet) { consume(bytes: packet.payload) }
    guard var extensions = quote.extensions else { return }
    while let object = extensions.next() {
        consume((object.classNumber, object.classType))
        consume(bytes: object.payload)
    }
}
