import CAllocationCounter
import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Testing

/// A segment allocates nothing once a connection has the memory that its window takes.
@Suite struct TCPAllocationTests {
    /// What two stacks send each other.
    enum Traffic: CaseIterable {
        /// The client writes as much as it may, the server reads it.
        case oneWay
        /// Both do.
        case bothWays
        /// Both do, and one packet in 64 is lost.
        case lossy
        /// One byte asks and one byte answers.
        case exchanges
    }

    /// How much of a stream the link between two stacks takes at once.
    enum Pieces: CaseIterable {
        /// Segments of an MTU of 1,500 bytes.
        case segments
        /// Pieces of up to 64 KiB that the device would cut into such segments.
        case offloaded
        /// Segments of an MTU of 65,535 bytes.
        case jumbo
    }

    struct Case: CustomTestStringConvertible {
        var traffic: Traffic
        var pieces: Pieces
        var testDescription: String { "\(traffic) in \(pieces)" }

        static var all: [Case] {
            Traffic.allCases.flatMap { traffic in Pieces.allCases.map { Case(traffic: traffic, pieces: $0) } }
        }
    }

    @Test(
        .enabled(if: Build.isOptimised, "allocations are counted in release builds"), arguments: Case.all,
        Family.allCases)
    func segmentsOfAConnectionAllocateNothing(_ test: Case, _ family: Family) throws {
        var line = try Line(family, test.pieces)
        // Each end arms a timer for the first time.
        try line.round(.exchanges)
        for _ in 0..<3_000 { try line.round(test.traffic) }
        let sent = line.sentCount
        let before = allocation_count()
        for _ in 0..<300 { try line.round(test.traffic) }
        let count = allocation_count() - before
        #expect(count == 0, "\(line.sentCount - sent) segments")
        // What is claimed to cost nothing did happen.
        #expect(line.sentCount - sent >= 2 * 300)
        #expect(test.traffic == .exchanges || line.readCount > 3_300 * 10_000)
        #expect((line.againCount > 0) == (test.traffic == .lossy))
    }

    /// A connection between two stacks on a link, and the buffers of the programs at its ends.
    private struct Line: ~Copyable {
        var left: VirtualStack
        var right: VirtualStack
        let leftIndex: InterfaceIndex
        let rightIndex: InterfaceIndex
        let client: TCPConnectionID
        let server: TCPConnectionID
        var now = Instant(nanoseconds: 1_000_000_000)
        var queue = PacketQueue()
        var kept = PacketQueue()
        var carried = 0
        var readCount = 0
        let bytes = [UInt8](repeating: 7, count: 65_536)
        let one: [UInt8] = [7]
        var sink = [UInt8](repeating: 0, count: 1 << 17)

        init(_ family: Family, _ pieces: Pieces) throws {
            let pool = PacketPool(packetsMax: 16_384, largeMax: 256)
            var settings = StackSettings()
            settings.duplicateDetection = .off
            settings.dropRecordsMax = 8
            var left = VirtualStack(name: "left", settings: settings, pool: pool, random: StackRandom(seed: 1))
            var right = VirtualStack(name: "right", settings: settings, pool: pool, random: StackRandom(seed: 2))
            var description = InterfaceDescription(
                name: "p0", kind: .ip, mtu: pieces == .jumbo ? 65_535 : 1_500, ipv6: family.mode)
            if pieces == .offloaded {
                description.capabilities = [
                    .segmentation4, .segmentation6, .transmitChecksum4, .transmitChecksum6, .largeReceive,
                ]
            }
            let leftIndex = try left.attach(description)
            let rightIndex = try right.attach(description)
            try left.addAddress(family.host(0, 1), to: leftIndex)
            try right.addAddress(family.host(0, 2), to: rightIndex)
            let listener = try right.listenTCP(on: Endpoint(port: 80))
            let client = try left.connectTCP(to: Endpoint(family.host(0, 2), 80), at: .zero)
            var queue = PacketQueue()
            for _ in 0..<3 {
                while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &queue) }
                right.framesArrived(&queue, on: rightIndex, at: .zero)
                while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &queue) }
                left.framesArrived(&queue, on: leftIndex, at: .zero)
            }
            guard let server = right.accept(listener) else { throw NotOpened() }
            self.left = left
            self.right = right
            self.leftIndex = leftIndex
            self.rightIndex = rightIndex
            self.client = client
            self.server = server
        }

        private struct NotOpened: Error {}

        /// Segments that the two stacks sent.
        var sentCount: Int { Int(left.tcpSummary.counters.sent + right.tcpSummary.counters.sent) }
        /// Segments that the two ends sent again.
        var againCount: Int {
            let ends = [left.snapshot(client, at: now), right.snapshot(server, at: now)]
            return ends.reduce(0) { $0 + Int($1?.recoveryCounters.retransmissions ?? 0) }
        }

        /// Carries what both stacks have to say, until they have said it or for a while.
        private mutating func pump(isLossy: Bool) {
            for _ in 0..<16 {
                while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &queue) }
                lose(isLossy)
                right.framesArrived(&queue, on: rightIndex, at: now)
                while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &queue) }
                lose(isLossy)
                left.framesArrived(&queue, on: leftIndex, at: now)
                guard left.hasTransmit || right.hasTransmit else { break }
            }
            left.timerFired(at: now)
            right.timerFired(at: now)
            left.dropTCPNews()
            right.dropTCPNews()
        }

        private mutating func lose(_ isLossy: Bool) {
            guard isLossy else { return }
            while !queue.isEmpty {
                carried += 1
                let packet = queue.removeFirst()
                if carried & 63 != 0 { kept.append(packet) }
            }
            swap(&queue, &kept)
        }

        mutating func round(_ traffic: Traffic) throws {
            // Where segments are lost, one round in four lasts as long as a retransmission timeout.
            now =
                now
                + (traffic == .lossy && Int(now.nanoseconds / 250_000) & 3 == 0
                    ? .milliseconds(300) : .microseconds(250))
            switch traffic {
            case .oneWay: try Self.write(&left, client, bytes, at: now)
            case .bothWays, .lossy:
                try Self.write(&left, client, bytes, at: now)
                try Self.write(&right, server, bytes, at: now)
            case .exchanges:
                try Self.write(&left, client, one, at: now)
            }
            pump(isLossy: traffic == .lossy)
            readCount += try Self.read(&right, server, into: &sink, at: now)
            if traffic == .exchanges { try Self.write(&right, server, one, at: now) }
            pump(isLossy: traffic == .lossy)
            readCount += try Self.read(&left, client, into: &sink, at: now)
            pump(isLossy: traffic == .lossy)
        }

        private static func write(
            _ stack: inout VirtualStack, _ id: TCPConnectionID, _ bytes: [UInt8], at now: Instant
        ) throws {
            repeat {
                guard stack.writableCount(id) >= bytes.count else { return }
                _ = try unsafe stack.write(id, bytes.span.bytes, at: now)
            } while bytes.count > 1
        }

        private static func read(
            _ stack: inout VirtualStack, _ id: TCPConnectionID, into sink: inout [UInt8], at now: Instant
        ) throws -> Int {
            var elements = sink.mutableSpan
            // Every byte written is a valid UInt8.
            var span = unsafe elements.mutableBytes
            return try stack.read(id, into: &span, at: now)
        }
    }
}
