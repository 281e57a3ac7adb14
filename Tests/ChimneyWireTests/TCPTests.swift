import ChimneyPrimitives
import ChimneyWire
import Testing

@Suite struct TCPTests {
    private let segment: [UInt8] = [
        0x00, 0x50, 0xC0, 0x01, 0x01, 0x02, 0x03, 0x04, 0x0A, 0x0B, 0x0C, 0x0D, 0x80, 0x18, 0x20, 0x00, 0x12, 0x34,
        0x00,
        0x05, 1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 2, 0, 0x68, 0x69,
    ]

    private func failure(_ bytes: [UInt8]) -> TCPError? {
        thrown { () throws(TCPError) in _ = try TCPView(bytes.raw) }
    }

    private func options(_ bytes: [UInt8]) throws(TCPOptionError) -> TCPOptionValues {
        try TCPOptionValues(reading: bytes.raw)
    }

    private func optionFailure(_ bytes: [UInt8]) -> TCPOptionError? {
        thrown { () throws(TCPOptionError) in _ = try options(bytes) }
    }

    @Test func fieldsStandWhereRFC9293PutsThem() throws {
        let view = try TCPView(segment.raw)
        let (header, payload, count, checksum) = (
            view.header, array(view.payload), view.headerByteCount, view.checksum
        )
        let values = try TCPOptionValues(reading: view.optionBytes)
        #expect(
            header
                == TCPHeader(
                    sourcePort: 80, destinationPort: 0xC001, sequence: 0x0102_0304, acknowledgment: 0x0A0B_0C0D,
                    flags: [.psh, .ack], window: 0x2000, urgentPointer: 5))
        #expect(count == 32 && checksum == 0x1234 && payload == [0x68, 0x69])
        #expect(values.timestamps == TCPTimestamps(value: 256, echo: 512))
    }

    @Test func everyTruncationOfASegmentIsNamed() {
        for count in 0..<20 { #expect(failure(Array(segment[..<count])) == .truncated) }
        for count in 20..<32 { #expect(failure(Array(segment[..<count])) == .offsetBeyondSegment) }
        for offset in UInt8(0)..<5 { #expect(failure(segment.with(offset << 4, at: 12)) == .offsetBelowHeader) }
        #expect(failure(segment) == nil)
    }

    @Test func writtenSegmentsReadAsThemselves() throws {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let header = TCPHeader(
                sourcePort: random.number(0...65_535), destinationPort: random.number(0...65_535),
                sequence: random.number(0...UInt32.max), acknowledgment: random.number(0...UInt32.max),
                flags: TCPFlags(rawValue: random.number(0...0x1FF)), window: random.number(0...65_535),
                urgentPointer: random.number(0...65_535))
            var values = TCPOptionValues()
            if Bool.random(using: &random) { values.maximumSegmentSize = random.number(0...65_535) }
            if Bool.random(using: &random) { values.windowShift = random.number(0...14) }
            values.permitsSACK = Bool.random(using: &random)
            if Bool.random(using: &random) {
                values.timestamps = TCPTimestamps(
                    value: random.number(0...UInt32.max), echo: random.number(0...UInt32.max))
            }
            if Bool.random(using: &random) { values.userTimeout = random.number(0...65_535) }
            let blocks: Int = random.number(0...1)
            for _ in 0..<blocks {
                values.append(
                    TCPSACKBlock(left: random.number(0...UInt32.max), right: random.number(0...UInt32.max)))
            }
            let bytes = written(20 + values.byteCount + 3) { header.write(into: &$0, options: values) }
            let view = try TCPView(bytes.raw)
            let (read, count) = (view.header, view.payload.byteCount)
            let readValues = try TCPOptionValues(reading: view.optionBytes)
            #expect(read == header && count == 3, "seed \(seed)")
            #expect(readValues == values, "seed \(seed)")
        }
    }

    @Test func fourBlocksFitAloneAndAFifthIsNotTaken() throws {
        var values = TCPOptionValues()
        for number in 0..<5 as Range<UInt32> { values.append(TCPSACKBlock(left: number * 10, right: number * 10 + 5)) }
        #expect(values.sackCount == TCPOptionValues.sackMax && values.byteCount == 36)
        let header = TCPHeader(
            sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgment: 4, flags: .ack, window: 5)
        let bytes = written(56) { header.write(into: &$0, options: values) }
        let read = try TCPOptionValues(reading: TCPView(bytes.raw).optionBytes)
        #expect(read == values)
        #expect(read[sack: 3] == TCPSACKBlock(left: 30, right: 35))
    }

    @Test func optionsOfASYNAreReadInAnyOrderAndUnknownOnesAreSteppedOver() throws {
        let values = try options(
            [
                254, 4, 0, 0, 1, 3, 3, 7, 4, 2, 1, 1, 2, 4, 0x05, 0xB4, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 28, 4, 0x80,
                5, 0,
            ])
        #expect(values.maximumSegmentSize == 1_460 && values.windowShift == 7 && values.permitsSACK)
        #expect(values.timestamps == TCPTimestamps(value: 9, echo: 0) && values.userTimeout == 0x8005)
        #expect(!values.hasMD5Signature && values.sackCount == 0)
    }

    @Test func anMD5SignatureIsRecognisedAndRoomIsLeftForOne() throws {
        var values = TCPOptionValues()
        values.hasMD5Signature = true
        #expect(values.byteCount == 20)
        let header = TCPHeader(
            sourcePort: 1, destinationPort: 2, sequence: 3, acknowledgment: 4, flags: .ack, window: 5)
        let bytes = written(40) { header.write(into: &$0, options: values) }
        #expect(Array(bytes[20..<24]) == [1, 1, 19, 18])
        let read = try TCPOptionValues(reading: TCPView(bytes.raw).optionBytes)
        #expect(read.hasMD5Signature)
        #expect(try !options([1, 1, 1, 1]).hasMD5Signature)
    }

    @Test func whatFollowsTheEndOfTheListIsNotRead() throws {
        #expect(try options([0, 2, 4, 5]).maximumSegmentSize == nil)
        #expect(try options([2, 4, 5, 5, 0, 2]).maximumSegmentSize == 0x0505)
    }

    @Test func optionsThatLieAboutTheirLengthAreNamed() {
        #expect(optionFailure([2]) == .truncated)
        #expect(optionFailure([2, 4, 5]) == .truncated)
        #expect(optionFailure([254, 5, 0, 0]) == .truncated)
        #expect(optionFailure([254, 0, 0, 0]) == .length)
        #expect(optionFailure([254, 1, 0, 0]) == .length)
        for (kind, right) in [(2, 4), (3, 3), (4, 2), (5, 10), (8, 10), (19, 18), (28, 4)] as [(UInt8, UInt8)] {
            for length in UInt8(2)...36 {
                let bytes = [kind, length] + [UInt8](repeating: 1, count: Int(length) - 2)
                let isRight = length == right || (kind == 5 && [18, 26, 34].contains(length))
                #expect(optionFailure(bytes) == (isRight ? nil : .length), "kind \(kind), length \(length)")
            }
        }
    }

    @Test func anyBytesOfOptionsEndInValuesOrAnError() {
        for seed in seeds {
            var random = StackRandom(seed: seed)
            let count: Int = random.number(0...10)
            let bytes = (0..<count * 4).map { _ in random.number(0...UInt8(30)) }
            var steps = 0
            _ = thrown { () throws(TCPOptionError) in
                var walk = TCPOptions(bytes.raw)
                while let option = try walk.next() {
                    _ = option
                    steps += 1
                }
            }
            #expect(steps <= 40, "seed \(seed)")
        }
    }
}
