import ChimneyPrimitives

/// What a client asks for: the first line and the fields of its request that the service minds.
struct HTTPRequest: Hashable, Sendable {
    var method: String
    /// The path, without a query.
    var path: String
    /// Whether the connection goes on after the answer.
    var keepsAlive: Bool
    /// Whether the client waits for a word before it sends the body (RFC 9110 §10.1.1).
    var expectsContinue = false
    /// How the body ends.
    var body = Body.none

    /// How a body ends (RFC 9112 §6.3).
    enum Body: Hashable, Sendable {
        case none
        /// After so many bytes.
        case bytes(Int)
        /// After a chunk of no bytes.
        case chunks
    }
}

/// Why a request cannot be read.
enum HTTPFault: Error, Hashable, Sendable {
    /// It does not have the form of a request.
    case malformed
    /// Its first line and fields, or the fields behind its body, are longer than ``HTTPRequestReader/headBytesMax``.
    case headTooLong
    /// Another version than 1.0 and 1.1.
    case version
    /// A transfer coding other than chunks.
    case coding
    /// An expectation other than `100-continue`.
    case expectation
    /// A body longer than ``HTTPRequestReader/bodyBytesMax``.
    case bodyTooLong

    /// The status that says so.
    var status: String {
        switch self {
        case .malformed: "400 Bad Request"
        case .headTooLong: "431 Request Header Fields Too Large"
        case .version: "505 HTTP Version Not Supported"
        case .coding: "501 Not Implemented"
        case .expectation: "417 Expectation Failed"
        case .bodyTooLong: "413 Content Too Large"
        }
    }
}

/// The requests of one connection of HTTP/1.1 (RFC 9112): bytes in, requests and pieces of their bodies out.
///
/// It reads what the paths of ``HTTPAnswer`` need and refuses the rest. A library would bring channels, event loops and a dozen
/// modules to build for those few paths, and wants kernel sockets under it.
struct HTTPRequestReader {
    /// What comes next.
    enum Event: Hashable, Sendable {
        case request(HTTPRequest)
        case body([UInt8])
        /// The request is complete.
        case end
    }

    private enum State {
        case head
        /// So many bytes of the body, or of a chunk, are to come.
        case body(left: Int)
        case chunk(left: Int)
        case chunkEnd, chunkSize
        /// The fields behind the last chunk, of which there were so many bytes.
        case trailer(seen: Int)
    }

    private var state = State.head
    private var inbox: [UInt8] = []
    /// Where what was not read yet begins.
    private var start = 0
    private var bodyCount = 0

    /// The most bytes of a request's first line and fields.
    static var headBytesMax: Int { 16_384 }
    /// The most bytes of a body.
    static var bodyBytesMax: Int { 1 << 40 }
    /// The most bytes of a line with the size of a chunk.
    static var chunkLineBytesMax: Int { 256 }

    /// Whether a request has begun and is not complete.
    var isInside: Bool {
        if case .head = state { return start < inbox.count }
        return true
    }

    /// Takes what came.
    mutating func append(_ bytes: [UInt8]) {
        inbox.removeFirst(start)
        start = 0
        inbox += bytes
    }

    /// What comes next; `nil` when that is not there yet.
    ///
    /// - Throws: ``HTTPFault``; nothing that follows has a meaning then.
    mutating func next() throws(HTTPFault) -> Event? {
        while true {
            switch state {
            case .head: return try takeHead().map { .request($0) }
            case .body(left: 0):
                state = .head
                return .end
            case .body(let left):
                guard let piece = take(left) else { return nil }
                state = .body(left: left - piece.count)
                return .body(piece)
            case .chunkSize:
                guard let line = try takeLine(atMost: Self.chunkLineBytesMax, .malformed) else { return nil }
                let size = try Self.chunkSize(line)
                bodyCount += size
                guard bodyCount <= Self.bodyBytesMax else { throw .bodyTooLong }
                state = size == 0 ? .trailer(seen: 0) : .chunk(left: size)
            case .chunk(left: 0): state = .chunkEnd
            case .chunk(let left):
                guard let piece = take(left) else { return nil }
                state = .chunk(left: left - piece.count)
                return .body(piece)
            case .chunkEnd:
                guard let line = try takeLine(atMost: 2, .malformed) else { return nil }
                guard line.isEmpty else { throw .malformed }
                state = .chunkSize
            case .trailer(let seen):
                guard let line = try takeLine(atMost: Self.headBytesMax - seen, .headTooLong) else { return nil }
                state = line.isEmpty ? .body(left: 0) : .trailer(seen: seen + line.count + 2)
            }
        }
    }

    private mutating func take(_ most: Int) -> [UInt8]? {
        guard start < inbox.count else { return nil }
        let end = min(inbox.count, start + most)
        defer { start = end }
        return Array(inbox[start..<end])
    }

    /// A line of at most so many bytes, and without its end, which is a carriage return and a line feed.
    private mutating func takeLine(atMost most: Int, _ fault: HTTPFault) throws(HTTPFault) -> [UInt8]? {
        guard let end = inbox[start...].prefix(max(0, most)).firstIndex(of: 10) else {
            guard inbox.count - start < most else { throw fault }
            return nil
        }
        guard end > start, inbox[end - 1] == 13 else { throw .malformed }
        defer { start = end + 1 }
        return Array(inbox[start..<(end - 1)])
    }

    private static func chunkSize(_ line: [UInt8]) throws(HTTPFault) -> Int {
        // What follows a semicolon is an extension, which nobody needs to know (RFC 9112 §7.1.1).
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: " ") }
        guard !digits.isEmpty, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else { throw .malformed }
        guard digits.count <= 15, let size = Int(text(Array(digits)), radix: 16) else { throw .bodyTooLong }
        return size
    }

    // MARK: The first line and the fields

    private mutating func takeHead() throws(HTTPFault) -> HTTPRequest? {
        // An empty line before a request means nothing (RFC 9112 §2.2).
        while inbox.count >= start + 2, inbox[start] == 13, inbox[start + 1] == 10 { start += 2 }
        let first = start
        var lines: [[UInt8]] = []
        while true {
            let left = Self.headBytesMax - (start - first)
            let line: [UInt8]?
            do throws(HTTPFault) {
                line = try takeLine(atMost: left, .headTooLong)
            } catch {
                start = first
                throw error
            }
            guard let line else {
                start = first
                return nil
            }
            if line.isEmpty { break }
            lines.append(line)
        }
        guard let requestLine = lines.first else { throw .malformed }
        let request = try Self.request(requestLine, fields: lines.dropFirst())
        bodyCount = 0
        switch request.body {
        case .none: state = .body(left: 0)
        case .bytes(let count): state = .body(left: count)
        case .chunks: state = .chunkSize
        }
        return request
    }

    private static func request(_ line: [UInt8], fields: ArraySlice<[UInt8]>) throws(HTTPFault) -> HTTPRequest {
        let words = text(line).split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[0].utf8.allSatisfy(isTokenByte), words[1].hasPrefix("/") else {
            throw .malformed
        }
        guard words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else {
            throw words[2].hasPrefix("HTTP/") ? .version : .malformed
        }
        let path = words[1].prefix { $0 != "?" && $0 != "#" }
        var request = HTTPRequest(method: String(words[0]), path: String(path), keepsAlive: words[2] == "HTTP/1.1")
        var hostCount = 0
        for field in fields { try take(field, into: &request, hostCount: &hostCount) }
        guard hostCount == 1 || words[2] == "HTTP/1.0" && hostCount == 0 else { throw .malformed }
        return request
    }

    private static func take(
        _ field: [UInt8], into request: inout HTTPRequest, hostCount: inout Int
    ) throws(HTTPFault) {
        // A name ends at its colon: white space before it has hidden fields from proxies (RFC 9112 §5.1).
        guard let colon = field.firstIndex(of: UInt8(ascii: ":")), colon > 0, field[..<colon].allSatisfy(isTokenByte),
            !field.contains(where: { $0 < 32 && $0 != 9 || $0 == 127 })
        else { throw .malformed }
        let isSpace: (UInt8) -> Bool = { $0 == 32 || $0 == 9 }
        var value = field[(colon + 1)...].drop(while: isSpace)
        while let last = value.last, isSpace(last) { value.removeLast() }
        let word = text(Array(value)).lowercased()
        switch text(Array(field[..<colon])).lowercased() {
        case "host": hostCount += 1
        case "connection":
            let options = word.split(separator: ",").map { $0.drop { $0 == " " } }
            if options.contains("close") { request.keepsAlive = false }
        case "expect":
            guard word == "100-continue" else { throw .expectation }
            request.expectsContinue = true
        case "content-length":
            guard request.body == .none, !word.isEmpty, word.utf8.allSatisfy({ 48...57 ~= $0 }) else {
                throw .malformed
            }
            guard let count = Int(word), count <= bodyBytesMax else { throw .bodyTooLong }
            request.body = .bytes(count)
        case "transfer-encoding":
            // A length beside it, whichever comes first, would let two readers see two bodies (RFC 9112 §6.3).
            guard request.body == .none else { throw .malformed }
            guard word == "chunked" else { throw .coding }
            request.body = .chunks
        default: break
        }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Bytes as text of single bytes, so that no bytes are refused or changed.
    private static func text(_ bytes: [UInt8]) -> String {
        String(String.UnicodeScalarView(bytes.map { UnicodeScalar($0) }))
    }
}
