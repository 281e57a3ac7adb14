import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// TCP between two stacks over a pipe, in one thread: bulk, transactions, connections, memory.
func benchTCPPipe(seconds: Double) throws {
    try benchBulk("tcp-pipe-bulk-1500", seconds, mtu: 1_500, Pipe.capabilities)
    try benchBulk("tcp-pipe-bulk-1500-checksums", seconds, mtu: 1_500, [])
    try benchBulk("tcp-pipe-bulk-1500-large", seconds, mtu: 1_500, Pipe.capabilities.union(Pipe.largePackets))
    try benchBulk("tcp-pipe-bulk-65535", seconds, mtu: 65_535, Pipe.capabilities)
    try benchBulk("tcp-pipe-bulk-65535-checksums", seconds, mtu: 65_535, [])
    try benchTCPTransactions(seconds: seconds)
    let connections = try takeTurns(seconds: seconds) { try connectionsASecond($0, isIPv6: $1) }
    report("tcp-pipe-connections", connections.first, "a second")
    report("tcp-pipe-connections-ip6", connections.second, "a second")
}

/// Bulk data one way through a pipe that leaves out what memory does not need, or through one that leaves out nothing.
private func benchBulk(_ name: String, _ seconds: Double, mtu: Int, _ capabilities: LinkCapabilities) throws {
    let rates = try takeTurns(seconds: seconds) { seconds, isIPv6 in
        var line = try TCPLine(mtu: mtu, isIPv6: isIPv6, capabilities: capabilities, bufferMax: 262_144)
        return try line.bulk(seconds)
    }
    report(name, rates.first, "Gbit/s")
    report("\(name)-ip6", rates.second, "Gbit/s")
}

/// One byte there and one back, over and over.
func benchTCPTransactions(seconds: Double) throws {
    let transactions = try takeTurns(seconds: seconds) { try transactionsASecond($0, isIPv6: $1) }
    report("tcp-pipe-transactions", transactions.first, "a second")
    report("tcp-pipe-transactions-ip6", transactions.second, "a second")
}

/// What a connection at rest takes, both ends in this process, and what finding one among many costs.
func benchTCPMemory(count: Int) throws {
    for isIPv6 in [false, true] {
        let suffix = isIPv6 ? "-ip6" : ""
        var link = try TCPLine(mtu: 1_500, isIPv6: isIPv6, connectionsMax: count)
        try link.openMany(1)
        let alone = try link.nanosecondsASegment(1)
        let before = residentByteCount()
        try link.openMany(count - 1)
        let opened = Double(residentByteCount() - before) / Double(count - 1) / 2
        report("tcp-opened-connection-x\(count)\(suffix)", opened, "bytes a side")
        try link.rest()
        let each = Double(residentByteCount() - before) / Double(count - 1) / 2
        report("tcp-idle-connection-x\(count)\(suffix)", each, "bytes a side", ",\"bound\":1024")
        report("tcp-segment-among-1\(suffix)", alone, "ns")
        report("tcp-segment-among-\(count)\(suffix)", try link.nanosecondsASegment(1), "ns")
    }
}

private func transactionsASecond(_ seconds: Double, isIPv6: Bool) throws -> Double {
    var line = try TCPLine(mtu: 1_500, isIPv6: isIPv6)
    try line.openMany(1)
    return try line.exchangesASecond(seconds)
}

private func connectionsASecond(_ seconds: Double, isIPv6: Bool) throws -> Double {
    var line = try TCPLine(mtu: 1_500, isIPv6: isIPv6)
    return try line.connections(seconds)
}

/// Two stacks on a pipe of bare IP packets.
private struct TCPLine: ~Copyable {
    var left: VirtualStack
    var right: VirtualStack
    let out: InterfaceIndex
    let into: InterfaceIndex
    let listener: TCPListenerID
    let peer: Endpoint
    var clients: [TCPConnectionID]
    var servers: [TCPConnectionID]
    let start: UInt64
    var now: Instant
    var skipped = TimeSpan.zero
    var toRight: PacketQueue
    var toLeft: PacketQueue

    let pipe: Pipe
    var arrived: PacketQueue

    /// - Parameters:
    ///   - mtu: the largest packet.
    ///   - isIPv6: the family.
    ///   - connectionsMax: how many connections there will be.
    ///   - capabilities: what the pipe leaves out.
    ///   - bufferMax: what both ends keep of a stream; what a processor's own cache holds of it twice is fastest.
    /// - Throws: what attaching and listening do.
    init(
        mtu: Int, isIPv6: Bool, connectionsMax: Int = 65_536, capabilities: LinkCapabilities = Pipe.capabilities,
        bufferMax: Int = 1_048_576
    ) throws {
        let pool = PacketPool(packetsMax: 262_144, largeMax: 8_192)
        var settings = StackSettings()
        settings.duplicateDetection = .off
        settings.transmitPacketsMax = 65_536
        settings.transmitBytesMax = 64 << 20
        settings.tcp.connectionsMax = connectionsMax
        settings.tcp.timeWait = .milliseconds(1)
        settings.tcp.connection.sendBufferMax = bufferMax
        settings.tcp.connection.receiveBufferMax = bufferMax
        var left = VirtualStack(name: "left", settings: settings, pool: pool, random: StackRandom(seed: 1))
        var right = VirtualStack(name: "right", settings: settings, pool: pool, random: StackRandom(seed: 2))
        pipe = Pipe(kind: .ip, mtu: mtu, capabilities: capabilities, packetsMax: 65_536)
        var description = InterfaceDescription(name: "p0", kind: .ip, mtu: mtu, ipv6: isIPv6 ? .manual : .off)
        description.capabilities = capabilities
        let out = try left.attach(description)
        let into = try right.attach(description)
        // Each client address has 16,384 ports to draw from.
        for number in 0..<max(1, (connectionsMax + 15_999) / 16_000) {
            try left.addAddress(Self.client(number, isIPv6: isIPv6), to: out)
        }
        let address = host(net: 0, number: 2, isIPv6: isIPv6)
        try right.addAddress(address, to: into)
        let listener = try right.listenTCP(on: Endpoint(port: 80), backlogMax: 4_096)
        self.left = left
        self.right = right
        self.out = out
        self.into = into
        self.listener = listener
        peer = Endpoint(address, 80)
        clients = []
        servers = []
        start = nanoseconds()
        now = .zero
        toRight = PacketQueue()
        toLeft = PacketQueue()
        arrived = PacketQueue()
    }

    static func client(_ number: Int, isIPv6: Bool) -> IPAddress {
        host(net: 0, number: UInt8(3 + number), isIPv6: isIPv6)
    }

    mutating func tick() { now = Instant(nanoseconds: nanoseconds() - start) + skipped }

    /// Carries what waits in one direction and back, once.
    mutating func carry() throws {
        if left.hasTransmit {
            while let index = left.nextToTransmit() { left.takeTransmit(from: index, into: &toRight) }
            try pipe.left.transmit(&toRight)
            _ = try pipe.right.receive(into: &arrived, packetsMax: .max, pool: right.pool, at: now)
            right.framesArrived(&arrived, on: into, at: now)
        }
        if right.hasTransmit {
            while let index = right.nextToTransmit() { right.takeTransmit(from: index, into: &toLeft) }
            try pipe.right.transmit(&toLeft)
            _ = try pipe.left.receive(into: &arrived, packetsMax: .max, pool: left.pool, at: now)
            left.framesArrived(&arrived, on: out, at: now)
        }
    }

    mutating func pump() throws {
        repeat { try carry() } while left.hasTransmit || right.hasTransmit
        if let due = left.deadline, due <= now { left.timerFired(at: now) }
        if let due = right.deadline, due <= now { right.timerFired(at: now) }
        left.dropTCPNews()
        right.dropTCPNews()
    }

    mutating func openMany(_ count: Int) throws {
        for _ in 0..<count {
            let source = Endpoint(Self.client(clients.count / 16_000, isIPv6: !peer.isIPv4), 0)
            let id = try left.connectTCP(to: peer, from: source, at: now)
            try pump()
            guard let server = right.accept(listener) else { throw BenchError.packetsLost }
            clients.append(id)
            servers.append(server)
            if clients.count & 63 == 0 { tick() }
        }
    }

    /// Lets an exchange pass over each connection in turn, and the quiet second after it.
    mutating func rest() throws {
        for index in clients.indices {
            try exchange(index)
            if index & 63 == 0 { try pass(.milliseconds(1)) }
        }
        for _ in 0..<40 { try pass(.milliseconds(100)) }
    }

    /// Time passes that nobody waits for.
    private mutating func pass(_ span: TimeSpan) throws {
        skipped = skipped + span
        tick()
        try pump()
    }

    private mutating func exchange(_ index: Int) throws {
        let byte: InlineArray<1, UInt8> = [1]
        guard try unsafe left.write(clients[index], byte.span.bytes, at: now) == 1 else { throw BenchError.packetsLost }
        try carry()
        try Self.read(&right, servers[index], 1, at: now)
        guard try unsafe right.write(servers[index], byte.span.bytes, at: now) == 1 else {
            throw BenchError.packetsLost
        }
        try pump()
        try Self.read(&left, clients[index], 1, at: now)
    }

    private static func read(
        _ stack: inout VirtualStack, _ id: TCPConnectionID, _ count: Int, at now: Instant
    ) throws {
        var bytes: InlineArray<1, UInt8> = [0]
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        guard try stack.read(id, into: &span, at: now) == count else { throw BenchError.packetsLost }
    }

    mutating func exchangesASecond(_ seconds: Double) throws -> Double {
        let began = nanoseconds()
        var count = 0
        var place = 0
        repeat {
            for _ in 0..<256 {
                try exchange(place)
                place += 1
                if place == clients.count { place = 0 }
            }
            count += 256
            tick()
        } while Double(nanoseconds() - began) < seconds * 1e9
        return Double(count) / (Double(nanoseconds() - began) / 1e9)
    }

    /// What a segment to any of the connections costs, from the one stack into the other.
    mutating func nanosecondsASegment(_ seconds: Double) throws -> Double {
        var random = StackRandom(seed: 3)
        let (began, heard) = (nanoseconds(), heardCount)
        repeat {
            for _ in 0..<256 { try exchange(Int.random(in: clients.indices, using: &random)) }
            tick()
        } while Double(nanoseconds() - began) < seconds * 1e9
        return Double(nanoseconds() - began) / Double(heardCount - heard)
    }

    private var heardCount: UInt64 {
        left.tcpSummary.counters.received + right.tcpSummary.counters.received
    }

    mutating func bulk(_ seconds: Double) throws -> Double {
        try openMany(1)
        let piece = [UInt8](repeating: 7, count: 65_536)
        var sink = [UInt8](repeating: 0, count: 1 << 20)
        let began = nanoseconds()
        var count = 0
        repeat {
            for _ in 0..<16 {
                while left.writableCount(clients[0]) >= piece.count {
                    _ = try unsafe left.write(clients[0], piece.span.bytes, at: now)
                }
                try carry()
                var elements = sink.mutableSpan
                var span = unsafe elements.mutableBytes
                count += try right.read(servers[0], into: &span, at: now)
            }
            tick()
            try pump()
        } while Double(nanoseconds() - began) < seconds * 1e9
        guard right.tcpSummary.counters.unsent == 0, sink[9] == 7 else { throw BenchError.packetsLost }
        return Double(count) * 8 / Double(nanoseconds() - began)
    }

    mutating func connections(_ seconds: Double) throws -> Double {
        let began = nanoseconds()
        var count = 0
        repeat {
            for _ in 0..<64 {
                let id = try left.connectTCP(to: peer, at: now)
                try pump()
                guard let server = right.accept(listener) else { throw BenchError.packetsLost }
                clients = [id]
                servers = [server]
                try exchange(0)
                left.close(id, at: now)
                try pump()
                right.close(server, at: now)
                try pump()
            }
            count += 64
            tick()
        } while Double(nanoseconds() - began) < seconds * 1e9
        return Double(count) / (Double(nanoseconds() - began) / 1e9)
    }
}
