/// Cuts a byte stream into lines, never holding more than one line of the permitted length.
struct LineFramer: Sendable {
    /// The most bytes of a line with its end; the stream is given up at a longer one.
    let lineBytesMax: Int
    private var pending: [UInt8] = []
    /// Where the line that comes next begins.
    private var start = 0
    /// How far the line that comes next has been searched for its end.
    private var searched = 0

    init(lineBytesMax: Int) { self.lineBytesMax = lineBytesMax }

    /// The bytes that came in and were not handed out as lines.
    var heldBytes: Int { pending.count - start }

    /// Bytes came in; at most a read buffer's worth is held beyond the longest line.
    mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            pending.removeFirst(start)
            searched -= start
            start = 0
        }
        pending.append(contentsOf: bytes)
    }

    /// The next whole line without its end, or `nil` until more bytes come.
    mutating func next() throws(ControlError) -> [UInt8]? {
        while searched < pending.count {
            if pending[searched] == 0x0A {
                guard searched - start < lineBytesMax else { throw .lineTooLong(bytesMax: lineBytesMax) }
                let line = Array(pending[start..<searched])
                searched += 1
                start = searched
                return line
            }
            searched += 1
        }
        guard searched - start < lineBytesMax else { throw .lineTooLong(bytesMax: lineBytesMax) }
        return nil
    }
}
