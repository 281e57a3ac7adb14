import Testing

@testable import ChimneyControl

@Suite struct LineFramerTests {
    @Test func linesComeOutWholeHoweverTheBytesAreCut() throws {
        let text = Array("one\ntwo\n\nfour\n".utf8)
        for piece in 1...text.count {
            var framer = LineFramer(lineBytesMax: 16)
            var lines: [String] = []
            var rest = text[...]
            while !rest.isEmpty {
                framer.append(rest.prefix(piece))
                rest = rest.dropFirst(piece)
                while let line = try framer.next() { lines.append(String(decoding: line, as: UTF8.self)) }
            }
            #expect(lines == ["one", "two", "", "four"], "cut into pieces of \(piece)")
            #expect(framer.heldBytes == 0)
        }
    }

    @Test func lineOfTheLimitPassesAndOneByteMoreDoesNot() throws {
        var framer = LineFramer(lineBytesMax: 8)
        framer.append(Array("1234567\n".utf8))
        #expect(try framer.next() == Array("1234567".utf8))
        framer.append(Array("12345678\n".utf8))
        #expect(throws: ControlError.lineTooLong(bytesMax: 8)) { try framer.next() }
    }

    @Test func lineWithoutAnEndIsGivenUpAtTheLimit() throws {
        var framer = LineFramer(lineBytesMax: 8)
        framer.append(Array("1234567".utf8))
        #expect(try framer.next() == nil)
        framer.append([0x38])
        #expect(throws: ControlError.lineTooLong(bytesMax: 8)) { try framer.next() }
    }
}
