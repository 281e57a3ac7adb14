#if YAML && Tools && os(Linux)
    import ChimneyPrimitives
    import ChimneyRuntime
    import ChimneySockets
    import ChimneyStack
    import Foundation
    import Synchronization
    import Testing

    @testable import ChimneyCommand

    /// The services `iperf3` and `http`, asked by a stack on the other end of a pipe.
    @Suite struct StreamServiceTests {
        private final class Lines: Sendable {
            private let lines = Mutex<[String]>([])

            func add(_ line: String) { lines.withLock { $0.append(line) } }

            /// Waits until a line holds a text.
            func wait(for text: String) async throws {
                while !lines.withLock({ $0.contains { $0.contains(text) } }) {
                    try Task.checkCancellation()
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }

        private static var patience: Instant { Shard.clock + .seconds(30) }

        private static func cookie(_ letter: Character) -> [UInt8] {
            Array(String(repeating: letter, count: 36).utf8) + [0]
        }

        private static func framed(_ json: String) -> [UInt8] {
            let text = Array(json.utf8)
            return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: text.count >> $0) } + text
        }

        private static func read(_ count: Int, from socket: TCPSocket) async throws -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count, let more = try await socket.read(max: count - bytes.count, deadline: patience) {
                bytes += more
            }
            return bytes
        }

        /// Begins a test, and connects its streams.
        private static func begin(
            _ json: String, streams: Int, in world: TCPServiceTests.World
        ) async throws -> (control: TCPSocket, streams: [TCPSocket]) {
            let control = try await world.connect(5_201)
            try await control.write(cookie("a"))
            #expect(try await read(1, from: control) == [9])
            try await control.write(framed(json))
            #expect(try await read(1, from: control) == [10])
            var sockets: [TCPSocket] = []
            for _ in 0..<streams { sockets.append(try await world.connect(5_201)) }
            // The order of the connections counts, not that of their cookies.
            for socket in sockets.reversed() { try await socket.write(cookie("a")) }
            #expect(try await read(2, from: control) == [1, 2])
            return (control, sockets)
        }

        /// Ends a test, and gives what the server counted.
        private static func end(_ control: TCPSocket) async throws -> (bytes: [Int], congestion: String?) {
            try await control.write([4])
            #expect(try await read(1, from: control) == [13])
            try await control.write(framed(#"{"streams":[{"id":1,"bytes":1}]}"#))
            let count = try await read(4, from: control).reduce(0) { $0 << 8 | Int($1) }
            let json = try JSONSerialization.jsonObject(with: Data(try await read(count, from: control)))
            #expect(try await read(1, from: control) == [14])
            try await control.write([16])
            #expect(try await control.read(deadline: patience) == nil)
            let results = try #require(json as? [String: Any])
            let streams = try #require(results["streams"] as? [[String: Any]])
            return (streams.compactMap { $0["bytes"] as? Int }, results["congestion_used"] as? String)
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func iperfCountsWhatTheClientSendsAndWhatItSends(_ family: TestFamily) async throws {
            let lines = Lines()
            let world = try await TCPServiceTests.World(family, tcp: "{services: [iperf3]}") { lines.add($0) }
            let json =
                #"{"tcp":true,"time":5,"bidirectional":true,"nodelay":true,"window":65536,"congestion":"reno","TOS":16}"#
            let (control, streams) = try await Self.begin(json, streams: 2, in: world)
            try await streams[0].write([UInt8](repeating: 1, count: 300_000), deadline: Self.patience)
            var received = 0
            while received < 1_000_000, let bytes = try await streams[1].read(deadline: Self.patience) {
                received += bytes.count
            }
            let results = try await Self.end(control)
            #expect(results.bytes.count == 2 && results.bytes[0] == 300_000 && results.bytes[1] >= received)
            #expect(results.congestion == "reno")
            try await lines.wait(for: "received 300000 bytes at ")
            for socket in streams + [control] { await socket.close() }

            // The next test is as good as the first, and a rate is kept.
            let slow = try await Self.begin(
                #"{"tcp":true,"time":5,"reverse":true,"len":1000,"bandwidth":800000}"#, streams: 1, in: world)
            try await Task.sleep(for: .milliseconds(300))
            let sent = try await Self.end(slow.control)
            #expect(sent.bytes.count == 1 && sent.bytes[0] > 0 && sent.bytes[0] < 20_000_000)
            for socket in slow.streams + [slow.control] { await socket.close() }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func iperfRunsOneTestAtATimeAndNamesWhatIsWrong(_ family: TestFamily) async throws {
            let lines = Lines()
            let world = try await TCPServiceTests.World(family, tcp: "{services: {iperf3: 5201}}") { lines.add($0) }
            let (control, streams) = try await Self.begin(#"{"tcp":true,"time":5}"#, streams: 1, in: world)
            let other = try await world.connect(5_201)
            try await other.write(Self.cookie("b"))
            #expect(try await Self.read(1, from: other) == [255])
            try await lines.wait(for: "turned away, a test runs")
            let strange = try await world.connect(5_201)
            try await strange.write(Array("GET / HTTP/1.1\r\nHost: 10.0.0.1:5201\r\n\r\n".utf8))
            try await lines.wait(for: "it did not begin with a cookie")
            await control.close()
            try await lines.wait(for: "the control connection ended during the test")
            let udp = try await world.connect(5_201)
            try await udp.write(Self.cookie("c"))
            #expect(try await Self.read(1, from: udp) == [9])
            try await udp.write(Self.framed(#"{"udp":true}"#))
            #expect(try await Self.read(9, from: udp) == [254, 0, 0, 0, 13, 0, 0, 0, 0])
            try await lines.wait(for: "a test over UDP was asked for")
            for socket in streams + [other, strange, udp] { await socket.close() }
            await world.shard.stop()
        }

        @Test(.timeLimit(.minutes(1)), arguments: TestFamily.all)
        func httpHandsOutBytesAndTakesThem(_ family: TestFamily) async throws {
            let lines = Lines()
            let world = try await TCPServiceTests.World(family, tcp: "{services: {http: 8080}}") { lines.add($0) }
            let socket = try await world.connect(8_080)
            func ask(_ text: String, contentBytes: Int) async throws -> (head: String, content: [UInt8]) {
                try await socket.write(Array(text.utf8))
                var head: [UInt8] = []
                while !head.suffix(4).elementsEqual([13, 10, 13, 10]) {
                    let byte = try await Self.read(1, from: socket)
                    guard !byte.isEmpty else { break }
                    head += byte
                }
                return (String(decoding: head, as: UTF8.self), try await Self.read(contentBytes, from: socket))
            }
            var pattern = BytePattern()
            let bytes = pattern.next(200_000)
            let answer = try await ask("GET /bytes/200000 HTTP/1.1\r\nHost: x\r\n\r\n", contentBytes: 200_000)
            #expect(answer.head.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.content == bytes)
            let head = try await ask("HEAD /bytes/200000 HTTP/1.1\r\nHost: x\r\n\r\n", contentBytes: 0)
            #expect(head.head == answer.head)
            let expecting = "PUT /crc32 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
            #expect(try await ask(expecting, contentBytes: 0).head == "HTTP/1.1 100 Continue\r\n\r\n")
            let words = "9 bytes, CRC-32 cbf43926\n"
            #expect(try await ask("123456789", contentBytes: words.utf8.count).content == Array(words.utf8))
            let chunked =
                "POST /crc32 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n"
            #expect(try await ask(chunked, contentBytes: words.utf8.count).content == Array(words.utf8))
            let wrong = try await ask("BAD\r\n\r\n", contentBytes: 0)
            #expect(wrong.head.hasPrefix("HTTP/1.1 400 Bad Request\r\n") && wrong.head.contains("Connection: close"))
            try await lines.wait(
                for: "http: \(Endpoint(try #require(IPAddress(family.router)), socket.local.port)): 400")
            #expect(try await Self.read(1_000, from: socket) == Array("400 Bad Request\n".utf8))
            await socket.close()
            await world.shard.stop()
        }

        @Test func logLinesAreBoundedASecond() {
            let lines = Mutex<[String]>([])
            let sink = { @Sendable (line: String) in lines.withLock { $0.append(line) } }
            let notes = ServiceNotes(about: "x", to: sink)
            for number in 0..<25 as Range<Int64> { notes.add("\(number)", at: .zero + .milliseconds(number)) }
            #expect(lines.withLock { $0 } == (0..<10).map { "x: \($0)" })
            notes.add("later", at: .zero + .seconds(1))
            #expect(lines.withLock { $0.suffix(2) } == ["x: and 15 more", "x: later"])
        }
    }
#endif
