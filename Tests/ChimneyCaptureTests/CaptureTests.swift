import ChimneyCapture
import ChimneyPrimitives
import Testing

/// A capture with two interfaces and `count` packets drawn from the seed.
private func sample(seed: UInt64, count: Int) -> (file: [UInt8], payloads: [[UInt8]]) {
    var random = StackRandom(seed: seed)
    var file: [UInt8] = []
    var writer = PcapngWriter(into: &file)
    let first = writer.addInterface(CaptureInterface(name: "red0"), into: &file)
    let second = writer.addInterface(CaptureInterface(name: "grün", linkType: .rawIP), into: &file)
    var payloads: [[UInt8]] = []
    for index in 0..<count {
        let payload = (0..<Int.random(in: 0...70, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        writer.packet(
            interface: index % 2 == 0 ? first : second, at: Instant(nanoseconds: UInt64(index) << 33 | 7),
            bytes: payload.span.octets, direction: index % 3 == 0 ? .inbound : .outbound,
            comment: index % 4 == 0 ? "word \(index)" : nil, dropReason: index % 5 == 0 ? "no route" : nil, into: &file)
        payloads.append(payload)
    }
    return (file, payloads)
}

/// How many packets can be read, and the error that ends them.
private func read(_ file: [UInt8]) -> (packets: [CapturedPacket], error: CaptureError?) {
    var packets: [CapturedPacket] = []
    do {
        var reader = try CaptureReader(file)
        while let packet = try reader.next() { packets.append(packet) }
        return (packets, nil)
    } catch {
        return (packets, error)
    }
}

/// A classic pcap file of one packet, in the byte order and resolution asked for.
private func classic(bigEndian: Bool, nanoseconds: Bool, fraction: UInt32) -> [UInt8] {
    func word(_ value: UInt32) -> [UInt8] {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        return bigEndian ? bytes.reversed() : bytes
    }
    let version: [UInt8] = bigEndian ? [0, 2, 0, 4] : [2, 0, 4, 0]
    return word(nanoseconds ? 0xA1B2_3C4D : 0xA1B2_C3D4) + version + word(0) + word(0) + word(65_535) + word(1)
        + word(10) + word(fraction) + word(3) + word(60) + [7, 8, 9]
}

@Suite struct CaptureTests {
    @Test func whatIsWrittenIsReadBack() throws {
        for seed in 0..<50 as Range<UInt64> {
            let (file, payloads) = sample(seed: seed, count: 20)
            var reader = try CaptureReader(file)
            for (index, payload) in payloads.enumerated() {
                let packet = try #require(try reader.next())
                #expect(Array(reader[packet]) == payload)
                #expect(packet.interface == index % 2)
                #expect(packet.nanoseconds == UInt64(index) << 33 | 7)
                #expect(packet.originalByteCount == payload.count)
                #expect(packet.direction == (index % 3 == 0 ? .inbound : .outbound))
                var comments = index % 4 == 0 ? ["word \(index)"] : []
                if index % 5 == 0 { comments.append("dropped: no route") }
                #expect(packet.comments == comments)
            }
            #expect(try reader.next() == nil)
            #expect(reader.interfaces.map(\.name) == ["red0", "grün"])
            #expect(reader.interfaces.map(\.linkType) == [.ethernet, .rawIP])
        }
    }

    @Test func packetOfSeveralPartsIsWrittenWholeOrCutShort() throws {
        let pool = PacketPool()
        guard var packet = pool.allocate(), var tail = pool.allocate() else {
            Issue.record("an empty pool gave no packet")
            return
        }
        let appended = (packet.append([1, 2, 3].span.octets), tail.append([4, 5, 6, 7].span.octets))
        #expect(appended == (true, true))
        packet.attach(tail)
        var file: [UInt8] = []
        var writer = PcapngWriter(epochNanoseconds: 1_000, into: &file)
        let interface = writer.addInterface(CaptureInterface(name: "a"), into: &file)
        writer.packet(packet, interface: interface, at: Instant(nanoseconds: 5), into: &file)
        writer.packet(packet, interface: interface, at: Instant(nanoseconds: 6), snapBytes: 5, into: &file)
        var reader = try CaptureReader(file)
        let whole = try #require(try reader.next())
        #expect(Array(reader[whole]) == [1, 2, 3, 4, 5, 6, 7])
        #expect(whole.nanoseconds == 1_005)
        let cut = try #require(try reader.next())
        #expect(Array(reader[cut]) == [1, 2, 3, 4, 5])
        #expect(cut.originalByteCount == 7)
    }

    @Test func pcapIsReadInBothByteOrdersAndResolutions() throws {
        for bigEndian in [false, true] {
            for nanoseconds in [false, true] {
                let (packets, error) = read(classic(bigEndian: bigEndian, nanoseconds: nanoseconds, fraction: 500))
                #expect(error == nil)
                #expect(packets.count == 1)
                #expect(packets.first?.nanoseconds == 10_000_000_000 + (nanoseconds ? 500 : 500_000))
                #expect(packets.first?.range == 40..<43)
                #expect(packets.first?.originalByteCount == 60)
            }
        }
    }

    @Test func bigEndianSectionWithAnotherResolutionIsRead() {
        func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        let section =
            word(0x0A0D_0D0A) + word(28) + word(0x1A2B_3C4D) + word(0x0001_0000) + word(.max)
            + word(.max) + word(28)
        // Two to the tenth units a second, 100 seconds added.
        let interface =
            word(1) + word(44) + word(0x0001_0000) + word(0) + word(0x0009_0001) + word(0x8A00_0000)
            + word(0x000E_0008) + word(0) + word(100) + word(0) + word(44)
        let packet =
            word(6) + word(36) + word(0) + word(0) + word(1_536) + word(1) + word(1)
            + word(0xAB00_0000) + word(36)
        let (packets, error) = read(section + interface + packet)
        #expect(error == nil)
        #expect(packets.map(\.nanoseconds) == [101_500_000_000])
    }

    @Test func fileCutAtAnyByteGivesThePacketsBeforeTheCutAndAnErrorThatNamesTheOffset() {
        let (file, payloads) = sample(seed: 3, count: 6)
        let whole = read(file).packets
        #expect(whole.count == payloads.count)
        var cleanCuts = 0
        for cut in 0..<file.count {
            let (packets, error) = read(Array(file[..<cut]))
            #expect(packets == Array(whole.prefix(packets.count)))
            guard let error else {
                cleanCuts += 1
                continue
            }
            guard case .truncated(let offset, let needed, let available) = error else {
                Issue.record("cut at \(cut): \(error)")
                continue
            }
            #expect(offset + available == cut && needed > available)
        }
        // Only the ends of blocks are clean: the section, two interfaces and all packets but the last.
        #expect(cleanCuts == 3 + payloads.count - 1)
    }

    @Test func classicFileCutAtAnyByteIsTruncated() {
        let file = classic(bigEndian: true, nanoseconds: true, fraction: 1)
        for cut in 0..<file.count where cut != 24 {
            guard case .truncated = read(Array(file[..<cut])).error else {
                Issue.record("cut at \(cut)")
                continue
            }
        }
        #expect(read(Array(file[..<24])).error == nil)
    }

    @Test func garbageNeverStopsTheProcess() {
        var errors = 0
        for seed in 0..<400 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            var (file, _) = sample(seed: seed, count: 4)
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                file[Int.random(in: 0..<file.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if read(file).error != nil { errors += 1 }
            let noise = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(read(noise).error != nil)
            #expect(read([0x0A, 0x0D, 0x0D, 0x0A] + noise).error != nil)
        }
        #expect(errors > 100)
    }

    @Test func wrongHeadersAreNamed() {
        #expect(read([1, 2, 3, 4, 5]).error == .notACapture)
        #expect(read([]).error == .truncated(offset: 0, needed: 4, available: 0))
        var (file, _) = sample(seed: 1, count: 1)
        file[8] = 0
        #expect(read(file).error == .badByteOrderMark(0x1A2B_3C00, offset: 8))
        (file, _) = sample(seed: 1, count: 1)
        file[12] = 9
        #expect(read(file).error == .unsupportedVersion(major: 9, minor: 0, offset: 12))
        (file, _) = sample(seed: 1, count: 1)
        file[file.count - 4] ^= 4
        guard case .lengthMismatch = read(file).error else {
            Issue.record("a block whose lengths differ was read")
            return
        }
    }

    @Test func packetOfAnInterfaceNobodyDescribedIsNamed() {
        var file: [UInt8] = []
        var writer = PcapngWriter(application: "", into: &file)
        let header = file.count
        _ = writer.addInterface(CaptureInterface(name: nil), into: &file)
        let described = file.count
        writer.packet(interface: 0, at: .zero, bytes: [1].span.octets, into: &file)
        let error = read(Array(file[..<header]) + Array(file[described...])).error
        #expect(error == .unknownInterface(0, offset: header + 8))
    }

    @Test func moreInterfacesThanTheBoundAreRefused() {
        var file: [UInt8] = []
        var writer = PcapngWriter(into: &file)
        for _ in 0...CaptureReader.interfacesMax {
            _ = writer.addInterface(CaptureInterface(name: nil), into: &file)
        }
        guard case .tooManyInterfaces(CaptureReader.interfacesMax, _) = read(file).error else {
            Issue.record("no error at the bound")
            return
        }
    }

    @Test func packetAboveTheBoundIsRefused() {
        var file = classic(bigEndian: false, nanoseconds: false, fraction: 0)
        file.replaceSubrange(32..<36, with: [1, 0, 0x10, 0])
        #expect(read(file).error == .badPacketLength(0x10_0001, offset: 32))
    }
}
