import CAllocationCounter
import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import ChimneyTCP
import Testing

/// SYNs that nobody means cost a listener neither its memory nor its clients.
@Suite struct FloodTests {
    /// Who the SYNs claim to be from.
    enum Origin: CaseIterable {
        /// A million hosts.
        case everyone
        /// One host, from any of its ports.
        case oneHost
    }

    /// A million SYNs in a release build, 30,000 in a debug one, and a hundred clients among them.
    @Test(arguments: Origin.allCases, Family.allCases)
    func everyClientConnectsWhileSYNsFloodTheListener(_ origin: Origin, _ family: Family) throws {
        let batches = Build.isOptimised ? 10_000 : 300
        var bed = try Bed(family, origin)
        var allocations: UInt = 0
        var memory = 0
        var connected = 0
        for batch in 0..<batches {
            let before = allocation_count()
            bed.flood(100)
            // The tables have grown to their bounds by then.
            if batch > batches * 2 / 5 {
                allocations += allocation_count() - before
                #expect(bed.pool.allocatedBytes == memory)
            } else {
                memory = bed.pool.allocatedBytes
            }
            #expect(bed.halfOpen <= bed.bound)
            if batch % (batches / 100) == 0, bed.connects() { connected += 1 }
        }
        #expect(connected == 100)
        #expect(bed.halfOpen == bed.bound)
        if Build.isOptimised { #expect(allocations == 0) }
        let counters = bed.right.tcpSummary.synCache
        #expect(counters.arrived == UInt64(batches * 100 + 100))
        #expect(counters.completed + counters.cookiesTaken == 100)
        #expect(counters.cookiesSent + counters.repeated + counters.completed + UInt64(bed.bound) == counters.arrived)
        #expect(counters.cookiesRefused == 0 && counters.refused == 0)
        switch origin {
        case .everyone: #expect(counters.cookiesTaken >= 70 && counters.bucketsFull == 0)
        case .oneHost: #expect(counters.cookiesTaken == 0 && counters.bucketsFull == counters.cookiesSent)
        }
        bed.pass(seconds: 120)
        #expect(bed.halfOpen == 0 && bed.right.tcpSummary.connections == 0)
        #expect(bed.right.tcpSummary.synCache.expired == UInt64(bed.bound))
        #expect(bed.pool.inUse == 0)
        #expect(bed.right.conservation.isKept == true)
    }

    /// A stack that listens, one with clients, and a link on which anybody says anything.
    private struct Bed: ~Copyable {
        let pool: PacketPool
        var left: VirtualStack
        var right: VirtualStack
        let leftIndex: InterfaceIndex
        let rightIndex: InterfaceIndex
        let listener: TCPListenerID
        let peer: Endpoint
        let bound: Int
        var syn: SpoofedSYN
        var now = Instant(nanoseconds: 1_000_000_000)
        var queue = PacketQueue()

        init(_ family: Family, _ origin: Origin) throws {
            let pool = PacketPool(packetsMax: 4_096, largeMax: 4)
            var settings = StackSettings()
            settings.duplicateDetection = .off
            var left = VirtualStack(name: "left", settings: settings, pool: pool, random: StackRandom(seed: 1))
            var right = VirtualStack(name: "right", settings: settings, pool: pool, random: StackRandom(seed: 2))
            let description = InterfaceDescription(name: "p0", kind: .ip, ipv6: family.mode)
            let leftIndex = try left.attach(description)
            let rightIndex = try right.attach(description)
            try left.addAddress(family.host(0, 1), to: leftIndex)
            try right.addAddress(family.host(0, 2), to: rightIndex)
            try right.addRoute(IPv4Route(.all, .connected(on: rightIndex.rawValue)))
            try right.addRoute(IPv6Route(.all, .connected(on: rightIndex.rawValue)))
            listener = try right.listenTCP(on: Endpoint(port: 80))
            peer = Endpoint(family.host(0, 2), 80)
            bound = origin == .everyone ? settings.tcp.synCache.entriesMax : settings.tcp.synCache.bucketEntriesMax
            syn = SpoofedSYN(family, isOneHost: origin == .oneHost)
            self.pool = pool
            self.left = left
            self.right = right
            self.leftIndex = leftIndex
            self.rightIndex = rightIndex
        }

        var halfOpen: Int { right.tcpSummary.halfOpen }

        /// Hands the listening stack SYNs in the course of a millisecond; its answers go nowhere.
        mutating func flood(_ count: Int) {
            now = now + .milliseconds(1)
            for _ in 0..<count {
                syn.change()
                guard var packet = pool.allocate(), unsafe packet.append(syn.bytes.span.bytes) else { return }
                queue.append(packet)
            }
            right.framesArrived(&queue, on: rightIndex, at: now)
            right.timerFired(at: now)
            while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &queue) }
            queue.removeAll()
        }

        /// Whether a client connects at once, is answered, and leaves nothing behind.
        mutating func connects() -> Bool {
            guard let client = try? left.connectTCP(to: peer, at: now) else { return false }
            pump()
            guard left.state(of: client) == .established else { return false }
            let byte: [UInt8] = [9]
            _ = try? unsafe left.write(client, byte.span.bytes, at: now)
            pump()
            guard let server = right.accept(listener), right.readableCount(server) == 1 else { return false }
            var answer = PacketQueue()
            guard (try? right.read(server, into: &answer, at: now)) == 1 else { return false }
            guard (try? right.write(server, from: &answer, at: now)) == 1 else { return false }
            pump()
            guard left.readableCount(client) == 1 else { return false }
            answer.removeAll()
            _ = try? left.read(client, into: &answer, at: now)
            left.close(client, at: now)
            pump()
            right.close(server, at: now)
            pump()
            return right.tcpSummary.connections == 0 && left.tcpSummary.connections == 0
        }

        private mutating func pump() {
            repeat {
                while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &queue) }
                right.framesArrived(&queue, on: rightIndex, at: now)
                while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &queue) }
                left.framesArrived(&queue, on: leftIndex, at: now)
            } while left.hasTransmit || right.hasTransmit
            left.dropTCPNews()
            right.dropTCPNews()
        }

        mutating func pass(seconds: Int) {
            for _ in 0..<seconds * 20 {
                now = now + .milliseconds(50)
                left.timerFired(at: now)
                right.timerFired(at: now)
                while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &queue) }
                while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &queue) }
                queue.removeAll()
            }
        }
    }

    /// A SYN as most hosts send it, from another place each time.
    private struct SpoofedSYN {
        private(set) var bytes: [UInt8]
        private let segmentAt: Int
        private let isOneHost: Bool
        private var random = StackRandom(seed: 3)

        init(_ family: Family, isOneHost: Bool) {
            self.isOneHost = isOneHost
            switch family {
            case .ipv4:
                segmentAt = 20
                bytes = [0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 45, 0, 0, 1, 10, 0, 0, 2]
            case .ipv6:
                segmentAt = 40
                bytes = [0x60, 0, 0, 0, 0, 40, 6, 64, 0x20, 1, 0x0D, 0xB8, 0xBE, 0xEF, 0, 0]
                bytes += [0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
            }
            // Ports, numbers, SYN, window; then segment size, SACK, timestamps, window scale.
            bytes += [0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0xA0, 2, 0xFA, 0xF0, 0, 0, 0, 0]
            bytes += [2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]
        }

        /// Another source and another first number, with right checksums.
        mutating func change() {
            let numbers = random.next()
            for index in 0..<4 { bytes[segmentAt + 4 + index] = UInt8(truncatingIfNeeded: numbers >> (8 * index)) }
            bytes[segmentAt] = UInt8(truncatingIfNeeded: numbers >> 32)
            bytes[segmentAt + 1] = UInt8(truncatingIfNeeded: numbers >> 40)
            if !isOneHost {
                let host = random.next()
                let end = segmentAt == 20 ? 16 : 24
                for index in 1..<4 { bytes[end - index] = UInt8(truncatingIfNeeded: host >> (8 * index)) }
            }
            if segmentAt == 20 {
                set(0, at: 10)
                set(~fold(sum(0..<20)), at: 10)
            }
            set(0, at: segmentAt + 16)
            let addresses = segmentAt == 20 ? 12..<20 : 8..<40
            set(~fold(sum(addresses) + sum(segmentAt..<bytes.count) + 6 + 40), at: segmentAt + 16)
        }

        private func sum(_ range: Range<Int>) -> UInt32 {
            var result: UInt32 = 0
            for index in stride(from: range.lowerBound, to: range.upperBound, by: 2) {
                result += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
            }
            return result
        }

        private func fold(_ sum: UInt32) -> UInt16 {
            let once = sum & 0xFFFF + sum >> 16
            return UInt16(truncatingIfNeeded: once & 0xFFFF + once >> 16)
        }

        private mutating func set(_ value: UInt16, at place: Int) {
            bytes[place] = UInt8(value >> 8)
            bytes[place + 1] = UInt8(value & 0xFF)
        }
    }
}
