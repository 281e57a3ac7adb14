#if os(Linux)
    import ChimneyCapture
    import ChimneyDrivers
    import ChimneyLink
    import ChimneyPrimitives
    import Glibc
    import Testing

    @Suite struct PcapFileTests {
        private let path = "/tmp/chimney-\(getpid())-\(UInt64.random(in: 0..<(.max)))"

        @Test func whatOneFileDriverWritesAnotherReceives() throws {
            defer { unsafe unlink(path) }
            let pool = PacketPool()
            do {
                let writer = try PcapFileDriver(reading: nil, writing: path)
                var queue = PacketQueue()
                for number in 0..<10 {
                    if let frame = frame(number, byteCount: 60 + number * 400, pool: pool) { queue.append(frame) }
                }
                try writer.transmit(&queue)
                #expect(writer.counters.transmitted == 10 && writer.isAtEnd)
            }
            let reader = try PcapFileDriver(reading: path)
            var queue = PacketQueue()
            #expect(try reader.receive(into: &queue, packetsMax: 4, pool: pool, at: .zero) == 4)
            #expect(try reader.receive(into: &queue, packetsMax: 400, pool: pool, at: .zero) == 6)
            #expect(reader.isAtEnd && reader.readError == nil)
            for number in 0..<10 { #expect(takeFirst(&queue).bytes.count == 60 + number * 400) }
            #expect(pool.inUse == 0)
        }

        @Test func recordedPaceKeepsTheDistancesBetweenPackets() throws {
            defer { unsafe unlink(path) }
            var bytes: [UInt8] = []
            var writer = PcapngWriter(into: &bytes)
            let interface = writer.addInterface(CaptureInterface(name: "a"), into: &bytes)
            for second in [100, 101, 103] as [UInt64] {
                writer.packet(
                    interface: interface, at: Instant(nanoseconds: second * 1_000_000_000),
                    bytes: [UInt8](repeating: 1, count: 60).span.octets, into: &bytes)
            }
            try save(bytes)
            let pool = PacketPool()
            let driver = try PcapFileDriver(reading: path, pace: .recorded)
            var queue = PacketQueue()
            func arrived(_ seconds: UInt64) throws -> Int {
                try driver.receive(
                    into: &queue, packetsMax: 9, pool: pool,
                    at: Instant(nanoseconds: 7_000_000_000 + seconds * 1_000_000_000))
            }
            #expect(try arrived(0) == 1)
            #expect(try arrived(0) == 0)
            #expect(try arrived(1) == 1)
            #expect(try arrived(2) == 0)
            #expect(try arrived(3) == 1)
            #expect(driver.isAtEnd)
        }

        @Test func damagedFilesAreRefusedByNameAndOffset() throws {
            defer { unsafe unlink(path) }
            #expect(throws: CaptureFileError.system(path: path, call: "open", errno: ENOENT)) {
                try PcapFileDriver(reading: path)
            }
            try save([1, 2, 3, 4])
            #expect(throws: CaptureFileError.malformed(path: path, .notACapture)) { try PcapFileDriver(reading: path) }
            var bytes: [UInt8] = []
            var writer = PcapngWriter(into: &bytes)
            let interface = writer.addInterface(CaptureInterface(name: "a"), into: &bytes)
            writer.packet(interface: interface, at: .zero, bytes: [1, 2, 3, 4].span.octets, into: &bytes)
            let good = bytes.count
            writer.packet(interface: interface, at: .zero, bytes: [1, 2, 3, 4].span.octets, into: &bytes)
            try save(Array(bytes.dropLast()))
            let pool = PacketPool()
            let driver = try PcapFileDriver(reading: path)
            var queue = PacketQueue()
            #expect(try driver.receive(into: &queue, packetsMax: 9, pool: pool, at: .zero) == 1)
            #expect(
                driver.readError
                    == .truncated(offset: good, needed: bytes.count - good, available: bytes.count - good - 1))
            try save(bytes)
            #expect(throws: CaptureFileError.linkTypeUnsupported(path: path, .ethernet)) {
                try PcapFileDriver(reading: path, kind: .ip)
            }
        }

        private func save(_ bytes: [UInt8]) throws {
            let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
            try #require(file >= 0)
            // The array outlives the call.
            #expect(unsafe bytes.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) } == bytes.count)
            close(file)
        }
    }
#endif
