import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// The input is up to 40 bytes of options behind a header that is right.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        let options = min(bytes.byteCount, IPv4Header.optionsBytesMax) & ~3
        guard
            let header = IPv4Header(
                source: IPv4Address(bits: 1), destination: IPv4Address(bits: 2), protocol: .udp, payloadByteCount: 0,
                optionsByteCount: options)
        else { preconditionFailure("up to 40 bytes of options fit") }
        var packet = [UInt8](repeating: 0, count: 20) + array(bytes.extracting(0..<options))
        packet = changed(packet) { header.write(into: &$0) }
        guard let view = try? IPv4View(unsafe packet.span.bytes) else { preconditionFailure("the header is right") }

        let isWellFormed = walk(view)
        precondition(((try? IPv4Options(view)) != nil) == isWellFormed, "options are copied when they are well-formed")
        if let copied = try? IPv4Options(copiedFrom: view) { precondition(copied.byteCount <= 40) }

        var recorded: Bool?
        let after = changed(packet) { span in
            recorded = try? IPv4Header.recordHop(
                address: IPv4Address(bits: 3), time: 4, isOwn: { $0.bits & 1 == 1 }, in: &span)
        }
        precondition(recorded == nil || isWellFormed, "nothing is recorded in malformed options")
        precondition(recorded == true || after == packet, "a header changes only when it says so")
        guard let passed = try? IPv4View(unsafe after.span.bytes) else { preconditionFailure("the header stays right") }
        precondition(passed.isChecksumValid, "the checksum follows")
        precondition(!isWellFormed || walk(passed), "a hop leaves well-formed options well-formed")
    }
}

func walk(_ view: IPv4View) -> Bool {
    var iterator = IPv4OptionIterator(view)
    do {
        while let option = try iterator.next() {
            switch option {
            case .noOperation: break
            case .routerAlert(let value), .streamIdentifier(let value): consume(value)
            case .recordRoute(let route), .looseSourceRoute(let route), .strictSourceRoute(let route):
                precondition(route.usedCount >= 0 && route.usedCount <= route.count)
                for index in 0..<route.count { consume(route[index]) }
            case .timestamp(let list):
                precondition(list.usedCount >= 0 && list.usedCount <= list.count)
                for index in 0..<list.count { consume((list.time(index), list.address(index))) }
            case .security(let data), .other(_, let data): consume(bytes: data)
            }
        }
        return true
    } catch {
        precondition(Int(error.pointer) < 60, "the pointer stands in the header")
        return false
    }
}
