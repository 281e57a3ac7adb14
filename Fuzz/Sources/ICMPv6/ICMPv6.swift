import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? ICMPv6View(bytes) else { return }
        let (source, destination) = (IPv6Address(high: 1, low: 2), IPv6Address(high: 3, low: 4))
        let wasValid = view.isChecksumValid(from: source, to: destination)
        do {
            switch try view.content() {
            case .echoRequest(let query, let data):
                // RFC 1624 keeps right what was right.
                let own = IPv6Address(high: UInt64(query.identifier) << 48, low: UInt64(query.sequence))
                let reply = changed(array(bytes)) {
                    ICMPv6Message.answerEcho(in: &$0, asked: destination, answering: own)
                }
                demand(!wasValid || isValid(reply, own, source), "the checksum follows")
                consume(bytes: data)
            case .echoReply(let query, let data):
                let message = ICMPv6Message.echoReply(query)
                let sent = changed(array(bytes)) {
                    message.write(
                        into: &$0, source: source, destination: destination, payloadByteCount: data.byteCount)
                }
                demand(isValid(sent, source, destination), "a written checksum is valid")
                consume(bytes: data)
            case .destinationUnreachable(_, let quote), .packetTooBig(_, let quote), .timeExceeded(_, let quote),
                .parameterProblem(_, _, let quote), .otherError(_, let quote):
                read(quote)
            case .multicastListener(let type, let body):
                consume(type)
                consume(bytes: body)
            case .routerSolicitation(let view): consume(view.message)
            case .routerAdvertisement(let view): consume((view.preference, view.lifetimeSeconds))
            case .neighborSolicitation(let view): consume(view.message)
            case .neighborAdvertisement(let view): consume(view.message)
            case .redirect(let view): consume(bytes: view.redirected)
            }
        } catch { consume(error) }
    }
}

func isValid(_ bytes: [UInt8], _ source: IPv6Address, _ destination: IPv6Address) -> Bool {
    // Every element is initialised for as long as the array is borrowed.
    (try? ICMPv6View(unsafe bytes.span.bytes).isChecksumValid(from: source, to: destination)) ?? false
}

func read(_ quote: ICMPQuoteView) {
    consume(bytes: quote.packet)
    if let packet = try? IPv6View(quoted: quote.packet) { consume(bytes: packet.payload) }
    guard var extensions = quote.extensions else { return }
    while let object = extensions.next() {
        consume((object.classNumber, object.classType))
        consume(bytes: object.payload)
    }
}
