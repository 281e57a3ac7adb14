import ChimneyPrimitives
import ChimneyRuntime
import ChimneySockets
import ChimneyStack
import ChimneyTCP

/// A server of HTTP/1.1 for clients such as curl: it hands out bytes and takes them.
enum HTTPService {
    /// The longest wait for the next bytes of a client, and for room to write.
    static var silenceSpanMax: TimeSpan { .seconds(60) }
    /// How many bytes are written at a time.
    private static var pieceBytes: Int { 65_536 }

    /// Listens on a port of a stack, for both families, as long as the stack lives.
    ///
    /// - Parameters:
    ///   - port: the port.
    ///   - settings: how connections behave.
    ///   - connectionsMax: the most connections at a time; further ones wait to be accepted.
    ///   - stack: the stack.
    ///   - notes: gets a line for each request that cannot be read.
    /// - Throws: `TCPSocketError`; nothing is opened.
    static func open(
        port: UInt16, settings: TCPSettings, connectionsMax: Int, on stack: StackHandle,
        notes: @escaping @Sendable (String) -> Void
    ) async throws(TCPSocketError) {
        let listener = try await TCPListener.bound(to: Endpoint(port: port), on: stack, settings: settings)
        let notes = ServiceNotes(about: "http", to: notes)
        Task(executorPreference: stack.shard) {
            await listener.serveEach(atMost: connectionsMax) { socket in
                do {
                    try await serve(socket)
                } catch let fault as HTTPFault {
                    notes.add("\(socket.remote): \(fault.status)")
                } catch {
                    // The connection failed or was silent for too long; the next is served.
                }
                await socket.close()
            }
        }
    }

    /// Answers the requests of a connection, one after another.
    private static func serve(_ socket: TCPSocket) async throws {
        // Nothing follows an answer's last segment that it could wait for.
        try await socket.setNoDelay(true)
        var reader = HTTPRequestReader()
        while true {
            let request: HTTPRequest
            do {
                guard case .request(let next)? = try await event(of: &reader, from: socket) else { return }
                request = next
            } catch let fault as HTTPFault {
                try await refuse(fault, on: socket)
            }
            let answer = HTTPAnswer.to(request)
            // A body that nobody asked for is not worth reading: it may be without end.
            let closes = !request.keepsAlive || request.body != .none && answer.content != .checksum
            switch answer.content {
            case .text(let text): try await write(answer, Array(text.utf8), to: request, closes: closes, on: socket)
            case .pattern(let count):
                try await write(answer.head(contentBytes: count, closes: closes), to: socket)
                if request.method != "HEAD" { try await writePattern(count, to: socket) }
            case .checksum:
                do {
                    let text = try await checksum(of: request, &reader, from: socket)
                    try await write(answer, Array(text.utf8), to: request, closes: closes, on: socket)
                } catch let fault as HTTPFault {
                    try await refuse(fault, on: socket)
                }
            }
            if closes { return }
            if answer.content != .checksum { _ = try await event(of: &reader, from: socket) }
        }
    }

    /// Says what was wrong and ends the connection.
    private static func refuse(_ fault: HTTPFault, on socket: TCPSocket) async throws -> Never {
        let answer = HTTPAnswer(fault.status)
        let text = Array("\(fault.status)\n".utf8)
        try await write(answer.head(contentBytes: text.count, closes: true) + text, to: socket)
        throw fault
    }

    /// The next event of a connection; `nil` at its end.
    private static func event(
        of reader: inout HTTPRequestReader, from socket: TCPSocket
    ) async throws -> HTTPRequestReader.Event? {
        while true {
            if let event = try reader.next() { return event }
            guard let bytes = try await socket.read(deadline: Shard.clock + silenceSpanMax) else { return nil }
            reader.append(bytes)
        }
    }

    /// Reads a body, and says what it was.
    private static func checksum(
        of request: HTTPRequest, _ reader: inout HTTPRequestReader, from socket: TCPSocket
    ) async throws -> String {
        if request.expectsContinue, request.body != .none {
            try await write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), to: socket)
        }
        var (sum, count) = (CRC32(), 0)
        while true {
            switch try await event(of: &reader, from: socket) {
            case .body(let piece)?:
                sum.add(piece)
                count += piece.count
            case .end?:
                let digits = String(sum.value, radix: 16)
                return "\(count) bytes, CRC-32 \(String(repeating: "0", count: 8 - digits.count))\(digits)\n"
            case .request?, nil: throw HTTPFault.malformed
            }
        }
    }

    private static func write(
        _ answer: HTTPAnswer, _ text: [UInt8], to request: HTTPRequest, closes: Bool, on socket: TCPSocket
    ) async throws {
        let head = answer.head(contentBytes: text.count, closes: closes)
        try await write(request.method == "HEAD" ? head : head + text, to: socket)
    }

    private static func writePattern(_ count: Int, to socket: TCPSocket) async throws {
        var pattern = BytePattern()
        while pattern.position < count {
            try await write(pattern.next(min(pieceBytes, count - pattern.position)), to: socket)
        }
    }

    private static func write(_ bytes: [UInt8], to socket: TCPSocket) async throws {
        try await socket.write(bytes, deadline: Shard.clock + silenceSpanMax)
    }
}
