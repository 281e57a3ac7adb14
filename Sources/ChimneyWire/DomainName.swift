/// A domain name of labels with letters, digits, hyphens and underscores, without compression (RFC 1035 §3.1).
public struct DomainName: Hashable, Sendable {
    /// The name with dots between its labels and none at the end, in lower case.
    public let text: String

    /// Bytes on the wire, the empty label at the end included.
    public var byteCount: Int { text.utf8.count + 2 }

    /// The most bytes on the wire (RFC 1035 §2.3.4); a longer name is none.
    public static var bytesMax: Int { 255 }
    /// The most bytes of a label (RFC 1035 §2.3.4); a longer one makes the name none.
    public static var labelBytesMax: Int { 63 }

    /// The name that `text` spells, a dot at its end or not; `nil` when it spells none.
    public init?(_ text: String) {
        var letters: [UInt8] = []
        var labelCount = 0
        for byte in text.hasSuffix(".") ? text.utf8.dropLast() : text.utf8[...] {
            if byte == UInt8(ascii: ".") {
                guard labelCount > 0 else { return nil }
                labelCount = 0
                letters.append(byte)
            } else {
                guard let letter = Self.letter(byte), labelCount < Self.labelBytesMax else { return nil }
                labelCount += 1
                letters.append(letter)
            }
        }
        guard labelCount > 0, letters.count + 2 <= Self.bytesMax else { return nil }
        self.text = String(decoding: letters, as: UTF8.self)
    }

    /// The name on the wire at `offset`; `nil` when it ends beyond `bytes`, or is the root.
    public init?(reading bytes: RawSpan, at offset: Int) {
        var letters: [UInt8] = []
        var position = offset
        while true {
            guard position < bytes.byteCount else { return nil }
            let length = Int(bytes.uint8(at: position))
            if length == 0 { break }
            guard length <= Self.labelBytesMax, position + length < bytes.byteCount,
                letters.count + length + 2 < Self.bytesMax
            else { return nil }
            if !letters.isEmpty { letters.append(UInt8(ascii: ".")) }
            for index in position + 1...position + length {
                guard let letter = Self.letter(bytes.uint8(at: index)) else { return nil }
                letters.append(letter)
            }
            position += length + 1
        }
        guard !letters.isEmpty else { return nil }
        text = String(decoding: letters, as: UTF8.self)
    }

    /// Writes the name at `offset`, where ``byteCount`` bytes must be free, and returns that count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        var label = offset
        var position = offset + 1
        for letter in text.utf8 {
            if letter == UInt8(ascii: ".") {
                span.store(UInt8(position - label - 1), at: label)
                label = position
            } else {
                span.store(letter, at: position)
            }
            position += 1
        }
        span.store(UInt8(position - label - 1), at: label)
        span.store(UInt8(0), at: position)
        return byteCount
    }

    private static func letter(_ byte: UInt8) -> UInt8? {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        if digits.contains(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") { return byte }
        let lower = byte | 0x20
        return letters.contains(lower) ? lower : nil
    }
}
