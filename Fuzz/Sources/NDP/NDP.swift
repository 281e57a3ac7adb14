import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// The first byte chooses the message, the rest stands behind type, code and checksum.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard bytes.byteCount > 0 else { return }
        let input = array(bytes)
        let message = [133 + input[0] % 5, 0, 0, 0] + input.dropFirst()
        // Every element is initialised for as long as the array is borrowed.
        guard let view = try? ICMPv6View(unsafe message.span.bytes) else { return }
        do {
            switch try view.content() {
            case .routerSolicitation(let view):
                walk(view.options)
                demand(again(.routerSolicitation(view.message)), "a router solicitation reads as itself")
            case .routerAdvertisement(let view):
                walk(view.options)
                consume((view.hopLimit, view.isManaged, view.isOtherManaged, view.isHomeAgent, view.preference))
                consume((view.lifetimeSeconds, view.reachableMilliseconds, view.retransmitMilliseconds))
            case .neighborSolicitation(let view):
                walk(view.options)
                demand(again(.neighborSolicitation(view.message)), "a neighbour solicitation reads as itself")
            case .neighborAdvertisement(let view):
                walk(view.options)
                demand(again(.neighborAdvertisement(view.message)), "a neighbour advertisement reads as itself")
            case .redirect(let view):
                walk(view.options)
                let redirect = view.message
                let quoted = array(view.redirected)
                let sent = written(redirect.byteCount(quoting: quoted.count)) {
                    redirect.write(into: &$0, source: .any, destination: .any, quoting: unsafe quoted.span.bytes)
                }
                demand(sent.count <= 1_240, "a redirect fits in the least MTU")
                demand((try? NDPRedirectView(unsafe sent.span.bytes).message) == redirect, "a redirect reads as itself")
            case .destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem, .otherError, .echoRequest,
                .echoReply, .multicastListener:
                demand(false, "the type is one of discovery's")
            }
        } catch { consume(error) }
    }
}

/// Whether a message that was read is written so that it is read alike.
func again(_ message: NDPMessage) -> Bool {
    let bytes = written(message.byteCount) { message.write(into: &$0, source: .any, destination: .allNodes) }
    let span = unsafe bytes.span.bytes
    guard (try? ICMPv6View(span).isChecksumValid(from: .any, to: .allNodes)) == true else { return false }
    switch message {
    case .routerSolicitation(let message): return (try? RouterSolicitationView(span).message) == message
    case .neighborSolicitation(let message): return (try? NeighborSolicitationView(span).message) == message
    case .neighborAdvertisement(let message): return (try? NeighborAdvertisementView(span).message) == message
    case .routerAdvertisement: return true
    }
}

func walk(_ options: NDPOptions) {
    var iterator = options.makeIterator()
    var count = 0
    while let option = iterator.next() {
        count += 1
        switch option {
        case .sourceLinkAddress(let mac), .targetLinkAddress(let mac): consume(mac)
        case .prefixInformation(let prefix): demand(prefix.prefix.length <= 128, "a prefix has a length")
        case .redirectedHeader(let bytes), .nonce(let bytes), .other(_, let bytes): consume(bytes: bytes)
        case .mtu(let mtu): consume(mtu)
        case .routeInformation(let route): demand(route.byteCount <= 24, "a route fits in its option")
        case .dnsServers(let servers):
            demand(servers.count > 0, "a list of servers has one")
            for index in 0..<servers.count { consume(servers[index]) }
        case .dnsSearchList(var list):
            var names = 0
            while let name = list.next() {
                names += 1
                demand(DomainName(name.text) == name, "a name is spelled as it is read")
            }
            demand(names > 0, "a list of domains has one")
        case .malformed(let kind): consume(kind)
        }
    }
    demand(count <= NDPOptions.optionsMax, "options are bounded")
}
