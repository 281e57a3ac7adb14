import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// What libFuzzer calls with every input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? DHCPv4View(bytes) else { return }
        consume((view.isReply, view.hops, view.seconds, view.bootServer))
        do {
            try readAll(view)
            try readBack(view, byteCount: bytes.byteCount)
        } catch { consume(error) }
    }
}

/// Asks for everything that a client asks for; what is wrong there is an error and no more.
func readAll(_ view: DHCPv4View) throws {
    consume((try? view.address(.serverIdentifier), try? view.uint32(.leaseTime), try? view.uint16(.interfaceMTU)))
    consume((try? view.text(.domainName), try? view.text(.message)))
    let servers = (try? view.addresses(.nameServer, max: 4)) ?? []
    demand(servers.count <= 4, "a list stops at its bound")
    let routes = (try? view.classlessRoutes(max: 4)) ?? []
    demand(routes.count <= 4, "routes stop at their bound")
}

/// Writes the message anew and reads the same options from it.
func readBack(_ view: DHCPv4View, byteCount: Int) throws {
    var codes: Set<UInt8> = []
    var options = view.options
    while let option = try options.next() {
        codes.insert(option.code.rawValue)
        consume(bytes: option.data)
    }
    var message = DHCPv4Message(view.type, transaction: view.transaction, hardware: view.hardware)
    message.seconds = view.seconds
    message.wantsBroadcast = view.wantsBroadcast
    message.clientAddress = view.clientAddress
    message.yourAddress = view.yourAddress
    message.relay = view.relay
    codes.subtract([DHCPv4OptionCode.messageType.rawValue, DHCPv4OptionCode.overload.rawValue])
    var values: [(code: DHCPv4OptionCode, value: [UInt8])] = []
    for code in codes.sorted() {
        let code = DHCPv4OptionCode(rawValue: code)
        guard let value = try view.data(of: code) else { fatalError("an option that was seen is found") }
        values.append((code, value))
        try message.options.append(code, value)
    }
    demand(values.reduce(0) { $0 + $1.value.count } <= byteCount, "options are no longer than their message")
    let copy = written(message.byteCount) { message.write(into: &$0) }
    // The array outlives the view of it.
    let read = try unsafe DHCPv4View(copy.span.bytes)
    demand(read.type == view.type && read.transaction == view.transaction, "the fixed fields are written as read")
    demand(read.hardware == view.hardware && read.yourAddress == view.yourAddress, "the addresses are written as read")
    for (code, value) in values {
        demand(try read.data(of: code) == value, "option \(code.rawValue) is written as read")
    }
}
