import ChimneyPrimitives

/// What the service answers: its paths, and what they give.
///
/// - `GET /` says what there is.
/// - `GET /bytes/N` gives the first `N` bytes of ``BytePattern``.
/// - `PUT` or `POST /crc32` tells length and CRC-32 of what was sent.
struct HTTPAnswer: Hashable, Sendable {
    var status = "200 OK"
    /// A field that some statuses need.
    var field: String?
    var content: Content

    /// What an answer carries.
    enum Content: Hashable, Sendable {
        case text(String)
        /// So many bytes of the pattern.
        case pattern(Int)
        /// Length and checksum of what the client sends.
        case checksum
    }

    /// The most bytes of an answer.
    static var patternBytesMax: Int { 1 << 40 }

    /// The answer to a request.
    static func to(_ request: HTTPRequest) -> Self {
        let isReading = request.method == "GET" || request.method == "HEAD"
        let isWriting = request.method == "PUT" || request.method == "POST"
        switch request.path {
        case "/crc32": return isWriting ? Self(content: .checksum) : refused("PUT, POST")
        case "/":
            let text = "chimney\nGET /bytes/N gives N bytes\nPUT /crc32 tells length and CRC-32 of what is sent\n"
            return isReading ? Self(content: .text(text)) : refused("GET, HEAD")
        default:
            let digits = request.path.dropFirst(7)
            guard request.path.hasPrefix("/bytes/"), digits.utf8.allSatisfy({ 48...57 ~= $0 }),
                let count = Int(digits), count <= patternBytesMax
            else { return Self("404 Not Found") }
            return isReading ? Self(content: .pattern(count)) : refused("GET, HEAD")
        }
    }

    private init(content: Content) { self.content = content }

    /// An answer of one line that says its status.
    init(_ status: String) {
        self.status = status
        content = .text("\(status)\n")
    }

    private static func refused(_ methods: String) -> Self {
        var answer = Self("405 Method Not Allowed")
        answer.field = "Allow: \(methods)"
        return answer
    }

    /// The answer's first line and fields, for content of a length.
    func head(contentBytes: Int, closes: Bool) -> [UInt8] {
        var lines = ["HTTP/1.1 \(status)", "Server: chimney", "Content-Length: \(contentBytes)"]
        switch content {
        case .text, .checksum: lines.append("Content-Type: text/plain")
        case .pattern: lines.append("Content-Type: application/octet-stream")
        }
        if let field { lines.append(field) }
        if closes { lines.append("Connection: close") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}

/// Bytes that repeat nowhere near: byte `i` is the exclusive or of the four low bytes of `i`.
struct BytePattern {
    /// Where the next piece begins.
    private(set) var position = 0

    /// The next bytes.
    mutating func next(_ count: Int) -> [UInt8] {
        defer { position += count }
        return (position..<(position + count)).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8 ^ $0 >> 16 ^ $0 >> 24) }
    }
}

/// The CRC-32 of gzip and zip (ISO 3309, RFC 1952 §8), over bytes that come in pieces.
struct CRC32 {
    private var register: UInt32 = .max
    private let tables: [UInt32]

    /// How many bytes a step takes: as many as there are tables.
    private static var lanes: Int { 8 }

    /// Of no bytes.
    init() {
        var tables = (0..<UInt32(256)).map { byte in
            (0..<8).reduce(byte) { sum, _ in sum & 1 == 1 ? 0xEDB8_8320 ^ sum >> 1 : sum >> 1 }
        }
        for index in 256..<(256 * Self.lanes) {
            let before = tables[index - 256]
            tables.append(tables[Int(before & 0xFF)] ^ before >> 8)
        }
        self.tables = tables
    }

    /// The checksum of the bytes so far.
    var value: UInt32 { ~register }

    /// Takes further bytes.
    mutating func add(_ bytes: [UInt8]) {
        var sum = register
        var index = 0
        while index + Self.lanes <= bytes.count {
            var mixed: UInt32 = 0
            for lane in 0..<Self.lanes {
                let byte = UInt32(bytes[index + lane]) ^ (lane < 4 ? sum >> UInt32(8 * lane) & 0xFF : 0)
                mixed ^= tables[256 * (Self.lanes - 1 - lane) + Int(byte)]
            }
            sum = mixed
            index += Self.lanes
        }
        for byte in bytes[index...] { sum = tables[Int((sum ^ UInt32(byte)) & 0xFF)] ^ sum >> 8 }
        register = sum
    }
}
