import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct DHCPv4Tests {
    private let mac = MACAddress(bits: 0x0200_0000_0001)

    /// The fixed fields and the cookie of a reply, without options.
    private var fixed: [UInt8] {
        var bytes: [UInt8] = [2, 1, 6, 0, 1, 2, 3, 4, 0, 9, 0x80, 0]
        bytes += [10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 3, 10, 0, 0, 4] + [2, 0, 0, 0, 0, 1]
        bytes += [UInt8](repeating: 0, count: 236 - bytes.count)
        return bytes + [0x63, 0x82, 0x53, 0x63]
    }

    private func failure(_ bytes: [UInt8]) -> DHCPv4Error? {
        thrown { () throws(DHCPv4Error) in _ = try DHCPv4View(bytes.raw) }
    }

    @Test func fieldsStandWhereRFC2131PutsThem() throws {
        let bytes = fixed + [53, 1, 5, 255]
        let view = try DHCPv4View(bytes.raw)
        let (type, isReply, transaction, seconds) = (view.type, view.isReply, view.transaction, view.seconds)
        #expect(type == .acknowledge && isReply && transaction == 0x0102_0304 && seconds == 9)
        let (client, your, boot, relay) = (view.clientAddress, view.yourAddress, view.bootServer, view.relay)
        #expect(client == IPv4Address(10, 0, 0, 1) && your == IPv4Address(10, 0, 0, 2))
        #expect(boot == IPv4Address(10, 0, 0, 3) && relay == IPv4Address(10, 0, 0, 4))
        let (hardware, wantsBroadcast, hops) = (view.hardware, view.wantsBroadcast, view.hops)
        #expect(hardware == mac && wantsBroadcast && hops == 0)
    }

    @Test func writtenMessageReadsAsItself() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let type = DHCPv4MessageType.allCases[random.number(0...7)]
            var message = DHCPv4Message(type, transaction: random.number(0...UInt32.max), hardware: random.mac())
            message.seconds = random.number(0...65_535)
            message.wantsBroadcast = Bool.random(using: &random)
            message.clientAddress = random.address()
            message.yourAddress = random.address()
            message.relay = random.address()
            var values: [UInt8: [UInt8]] = [:]
            for _ in 0..<random.number(0...6) {
                let code = random.number(UInt8(60)...254)
                let value = random.bytes(random.number(0...3) == 0 ? random.number(0...400) : random.number(0...20))
                guard values[code] == nil else { continue }
                values[code] = value
                try message.options.append(DHCPv4OptionCode(rawValue: code), value)
            }
            let bytes = written(message.byteCount) { message.write(into: &$0) }
            let view = try DHCPv4View(bytes.raw)
            let (readType, isReply, transaction) = (view.type, view.isReply, view.transaction)
            #expect(readType == type && isReply == message.isReply && transaction == message.transaction)
            let (seconds, wantsBroadcast, hardware) = (view.seconds, view.wantsBroadcast, view.hardware)
            #expect(seconds == message.seconds && wantsBroadcast == message.wantsBroadcast)
            #expect(hardware == message.hardware && bytes.count >= 300, "seed \(seed)")
            let (client, your, relay) = (view.clientAddress, view.yourAddress, view.relay)
            #expect(client == message.clientAddress && your == message.yourAddress && relay == message.relay)
            for (code, value) in values {
                let read = try view.data(of: DHCPv4OptionCode(rawValue: code))
                #expect(read == value, "seed \(seed) option \(code)")
            }
        }
    }

    @Test func truncationsAndWrongValuesAreNamed() {
        let good = fixed + [53, 1, 5, 255]
        #expect(failure(good) == nil)
        for count in 0..<240 { #expect(failure(Array(good[..<count])) == .truncated) }
        for (place, byte, expected) in [
            (0, UInt8(0), DHCPv4Error.operation), (0, 3, .operation), (1, 6, .hardware), (2, 5, .hardware),
            (239, 0, .cookie), (242, 0, .messageType), (242, 9, .messageType), (241, 0, .optionTruncated),
            (241, 3, .optionTruncated),
        ] { #expect(failure(good.with(byte, at: place)) == expected, "\(place)") }
        #expect(failure(fixed) == .messageType)
        #expect(failure(fixed + [53]) == .optionTruncated)
        #expect(failure(fixed + [53, 1]) == .optionTruncated)
        #expect(failure(fixed + [53, 1, 5]) == nil, "an end is not asked for")
        #expect(failure(fixed + [53, 1, 5, 53, 1, 5]) == .optionLength, "one message has one type")
        #expect(failure(fixed + [0, 0, 53, 1, 5, 255, 7, 77]) == nil, "nothing is read behind the end")
        #expect(failure(fixed + [53, 1, 5, 52, 1, 0]) == .overload)
        #expect(failure(fixed + [53, 1, 5, 52, 1, 4]) == .overload)
        #expect(failure(fixed + [53, 1, 5, 52, 2, 1, 1]) == .optionLength)
    }

    @Test func otherFieldsHoldOptionsWhereTheMessageSaysSo() throws {
        var bytes = fixed + [53, 1, 5, 52, 1, 3, 6, 2, 1, 1, 255]
        bytes.replaceSubrange(108..<114, with: [6, 2, 2, 2, 255, 6])
        bytes.replaceSubrange(44..<50, with: [6, 4, 3, 3, 4, 4])
        func servers(_ overload: UInt8) throws -> [UInt8]? {
            try DHCPv4View(bytes.with(overload, at: 245).raw).data(of: .nameServer)
        }
        #expect(try servers(3) == [1, 1, 2, 2, 3, 3, 4, 4], "options, file name, server name")
        #expect(try servers(1) == [1, 1, 2, 2])
        #expect(try servers(2) == [1, 1, 3, 3, 4, 4])
        let list = try DHCPv4View(bytes.raw).addresses(.nameServer, max: 8)
        #expect(list == [IPv4Address(1, 1, 2, 2), IPv4Address(3, 3, 4, 4)])
        // The server name ends at its 64th byte, whatever an option says.
        #expect(failure(bytes.with(63, at: 45)) == .optionTruncated)
        #expect(failure(bytes.with(62, at: 45)) == nil)
        #expect(failure(bytes.with(127, at: 109)) == .optionTruncated)
        // An overload that stands in an overloaded field says nothing.
        var nested = fixed + [53, 1, 5, 52, 1, 1, 255]
        nested.replaceSubrange(108..<112, with: [52, 1, 3, 255])
        nested.replaceSubrange(44..<48, with: [6, 2, 9, 9])
        let absent = try DHCPv4View(nested.raw).data(of: .nameServer)
        #expect(absent == nil)
    }

    @Test func longOptionsAreCutWhenWrittenAndJoinedWhenRead() throws {
        var random = StackRandom(seed: 1)
        let value = random.bytes(600)
        var options = DHCPv4Options()
        try options.append(.vendorClass, value)
        #expect(options.bytes.count == 606 && options.bytes[1] == 255 && options.bytes[258] == 255)
        #expect(options.bytes[257] == 60 && options.bytes[515] == 90)
        var message = DHCPv4Message(.offer, transaction: 1, hardware: mac)
        message.options = options
        let bytes = written(message.byteCount) { message.write(into: &$0) }
        #expect(try DHCPv4View(bytes.raw).data(of: .vendorClass) == value)
        // Other options may stand between the parts.
        let parted = fixed + [53, 1, 5, 15, 3, 97, 98, 99, 26, 2, 5, 220, 15, 2, 100, 101]
        let text = try DHCPv4View(parted.raw).text(.domainName)
        let mtu = try DHCPv4View(parted.raw).uint16(.interfaceMTU)
        #expect(text == "abcde" && mtu == 1_500)
    }

    @Test func valuesOfWrongLengthAreNamed() throws {
        let bytes =
            fixed + [53, 1, 5, 51, 3, 0, 0, 9, 6, 5, 1, 2, 3, 4, 5, 3, 0, 121, 5, 33, 1, 2, 3, 4, 26, 4, 0, 0, 0, 1]
        func error(_ body: (DHCPv4View) throws(DHCPv4Error) -> Void) -> DHCPv4Error? {
            thrown { () throws(DHCPv4Error) in try body(try DHCPv4View(bytes.raw)) }
        }
        #expect(error { (view) throws(DHCPv4Error) in _ = try view.uint32(.leaseTime) } == .optionLength)
        #expect(error { (view) throws(DHCPv4Error) in _ = try view.address(.leaseTime) } == .optionLength)
        #expect(error { (view) throws(DHCPv4Error) in _ = try view.addresses(.nameServer, max: 9) } == .optionLength)
        #expect(error { (view) throws(DHCPv4Error) in _ = try view.addresses(.router, max: 9) } == .optionLength)
        #expect(error { (view) throws(DHCPv4Error) in _ = try view.classlessRoutes(max: 9) } == .optionLength)
        #expect(error { (view) throws(DHCPv4Error) in _ = try view.uint16(.interfaceMTU) } == .optionLength)
        let absent = try DHCPv4View(bytes.raw).uint32(.renewalTime)
        #expect(absent == nil)
    }

    @Test func listsStopAtTheirBoundAndTextIsPrintable() throws {
        let bytes = fixed + [53, 1, 5, 6, 12, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 12, 2, 7, 65, 15, 3, 65, 0, 0, 14, 0]
        let two = try DHCPv4View(bytes.raw).addresses(.nameServer, max: 2)
        let bell = try DHCPv4View(bytes.raw).text(.hostName)
        let padded = try DHCPv4View(bytes.raw).text(.domainName)
        #expect(two == [IPv4Address(1, 1, 1, 1), IPv4Address(2, 2, 2, 2)] && bell == nil && padded == "A")
        let routes = fixed + [53, 1, 5, 121, 10, 0, 10, 0, 0, 1, 0, 10, 0, 0, 2]
        let one = try DHCPv4View(routes.raw).classlessRoutes(max: 1)
        #expect(one == [DHCPv4Route(destination: .all, gateway: IPv4Address(10, 0, 0, 1))])
    }

    @Test func optionsBeyondAFrameAreRefused() throws {
        var options = DHCPv4Options()
        try options.append(.message, [UInt8](repeating: 1, count: DHCPv4Options.bytesMax - 10))
        #expect(throws: DHCPv4OptionsError.noRoom(max: DHCPv4Options.bytesMax)) {
            try options.append(.leaseTime, UInt32(1))
        }
        #expect(throws: DHCPv4OptionsError.notAnOption) { try options.append(.end, [1]) }
        #expect(throws: DHCPv4OptionsError.notAnOption) { try options.append(.pad, [1]) }
        var message = DHCPv4Message(.offer, transaction: 1, hardware: mac)
        message.options = options
        #expect(message.byteCount <= 1_472)
    }
}
