import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import FuzzSupport

/// The pools of all runs, for each leaves them empty; libFuzzer has one thread.
nonisolated(unsafe) private let smallPool = PacketPool(packetsMax: 40, largeMax: 2)
nonisolated(unsafe) private let widePool = PacketPool(packetsMax: 1_024, largeMax: 16)

/// One stack, the programs on it, the peers that the input plays, and what must hold between any two actions.
struct World: ~Copyable {
    let pool: PacketPool
    let hasRoom: Bool
    var stack: VirtualStack
    var script: Script
    var now = Instant(nanoseconds: 1_000_000_000_000)
    let link: InterfaceIndex
    let settings: TCPStackSettings
    let mtu: Int
    let cuts: Bool
    var listeners: [TCPListenerID] = []
    /// The connections that programs have, and how much was written on each.
    var connections: [(id: TCPConnectionID, written: UInt32)] = []
    /// What was read last on each, for the next byte follows it.
    var lastRead: [TCPConnectionID: UInt8] = [:]
    var peers: [Peer] = []
    let observer = Observer()
    /// All that left the stack, folded into one number.
    var digest: UInt64 = 0xCBF2_9CE4_8422_2325

    static var listenerPort: UInt16 { 80 }

    init(_ bytes: [UInt8]) {
        script = Script(bytes)
        let (flags, options, limits) = (script.byte(), script.byte(), script.byte())
        var settings = StackSettings()
        settings.duplicateDetection = .off
        settings.dropRecordsMax = 8
        settings.transmitPacketsMax = limits & 1 == 0 ? 512 : 8
        settings.transmitBytesMax = 1 << 20
        settings.destinationsMax = 3
        settings.tcp.connectionsMax = 6
        settings.tcp.listenersMax = 3
        settings.tcp.backlogMax = 2
        settings.tcp.synCache.entriesMax = 4
        settings.tcp.synCache.bucketEntriesMax = 3
        settings.tcp.synCache.cookies = [.whenFull, .whenFull, .always, .off][Int(flags & 3)]
        settings.tcp.hostCache.hostCacheMax = 2
        settings.tcp.timeWaitMax = 3
        settings.tcp.reassemblyBytesMax = 40_000
        settings.tcp.closedPorts = flags & 4 == 0 ? .reset : .silent
        settings.tcp.connection.receiveBufferMax = limits & 2 == 0 ? 20_000 : limits & 4 == 0 ? 700 : 1_000_000
        settings.tcp.connection.receiveBufferInitial = limits & 8 == 0 ? nil : 3_000
        settings.tcp.connection.sendBufferMax = limits & 16 == 0 ? 30_000 : 2_000
        settings.tcp.connection.holesMax = 4
        settings.tcp.connection.reassemblyBytesMax = 16_000
        settings.tcp.connection.recovery.segmentsMax = limits & 32 == 0 ? 64 : 5
        settings.tcp.connection.userTimeout = limits & 64 == 0 ? nil : .seconds(5)
        if limits & 128 != 0 {
            settings.tcp.connection.keepAlive = KeepAlive()
            settings.tcp.connection.keepAlive?.idle = .seconds(3)
            settings.tcp.connection.keepAlive?.interval = .seconds(1)
        }
        settings.tcp.connection.hasTimestamps = options & 1 == 0
        settings.tcp.connection.hasSelectiveAcks = options & 2 == 0
        settings.tcp.connection.scalesWindow = options & 4 == 0
        settings.tcp.connection.ecn = options & 8 == 0 ? .requests : .accepts
        settings.tcp.connection.recovery.congestion = CongestionAlgorithm.builtIn[Int(options >> 4 & 3)]
        settings.tcp.connection.noDelay = options & 64 != 0
        self.settings = settings.tcp
        hasRoom = flags & 8 == 0
        // Runs follow one another on one thread.
        pool = hasRoom ? unsafe widePool : unsafe smallPool
        mtu = flags & 16 == 0 ? 1_500 : flags & 32 == 0 ? 9_000 : 1_280
        cuts = flags & 64 != 0
        var stack = VirtualStack(name: "fuzzed", settings: settings, pool: pool, random: StackRandom(seed: 1))
        var description = InterfaceDescription(name: "tun0", kind: .ip, mtu: mtu, ipv6: .manual)
        if cuts {
            description.capabilities = [.segmentation4, .segmentation6, .transmitChecksum4, .transmitChecksum6]
        }
        guard let link = try? stack.attach(description, at: now) else {
            preconditionFailure("there is room for a link")
        }
        try? stack.addAddress(IPv4Address(10, 0, 0, 1), prefixLength: 24, to: link, at: now)
        try? stack.addAddress(IPv6Address(high: 0x2001_0DB8 << 32, low: 1), prefixLength: 64, to: link, at: now)
        if flags & 128 != 0 { try? stack.register(observer) }
        self.link = link
        self.stack = stack
    }

    mutating func run() {
        check()
        begin()
        while !script.isOver {
            act()
            if script.byte() & 15 != 1 { transmit() }
            check()
        }
        drain()
    }

    /// What holds between any two actions.
    func check() {
        demand(stack.conservation.isKept, "every packet is accounted for")
        demand(pool.smallInUse <= pool.packetsMax && pool.largeInUse <= pool.largeMax, "the pool keeps its bounds")
        let summary = stack.tcpSummary
        demand(summary.connections <= settings.connectionsMax, "connections keep their bound")
        demand(summary.listeners <= settings.listenersMax, "listeners keep their bound")
        demand(summary.halfOpen <= settings.synCache.entriesMax, "half-open connections keep their bound")
        demand(summary.timeWait <= settings.timeWaitMax, "TIME-WAIT keeps its bound")
        demand(summary.reassemblyBytes <= settings.reassemblyBytesMax, "what is out of order keeps its bound")
        demand(summary.reassemblyBytes >= 0, "what is out of order is not less than nothing")
        demand(stack.tcpHosts.count <= settings.hostCache.hostCacheMax, "paths keep their bound")
        for listener in stack.tcpListeners {
            demand(listener.waiting <= settings.backlogMax, "those that wait to be accepted keep their bound")
        }
        var outOfOrder = 0
        for connection in stack.tcpConnections(at: now) {
            check(connection)
            outOfOrder += connection.tcp.reassemblyBytes
        }
        demand(outOfOrder <= summary.reassemblyBytes, "buffers are no smaller than what is in them")
        demand(outOfOrder > 0 || summary.reassemblyBytes == 0, "what is in no buffer is not counted")
    }

    private func check(_ connection: TCPConnectionSnapshot) {
        let limits = settings.connection
        let tcp = connection.tcp
        demand(tcp.holeCount <= limits.holesMax, "holes keep their bound")
        demand(tcp.reassemblyBytes <= limits.reassemblyBytesMax, "what is out of order keeps its bound")
        demand(tcp.segmentSize > 0, "a segment has room: \(tcp)")
        demand(tcp.peerWindow >= 0 && tcp.receiveWindow >= 0, "no window is less than nothing: \(tcp)")
        // A packet of the program's own is taken whole as long as there is room for a byte.
        demand(tcp.sendQueueBytes <= limits.sendBufferMax + 8_000, "the send buffer keeps its bound: \(tcp)")
        // What a window's shift cuts off is rounded up, and a probe of a closed window is taken.
        let rounding = 1 << Int(tcp.receiveShift ?? 0)
        demand(
            tcp.receiveQueueBytes + tcp.receiveWindow <= limits.receiveBufferMax + rounding,
            "no more is asked for than there is room: \(tcp)")
        switch tcp.state {
        case .closed, .timeWait:
            demand(tcp.timers.isEmpty && tcp.sendQueueBytes == 0, "what has ended waits for nothing: \(tcp)")
            demand(tcp.reassemblyBytes == 0, "what has ended keeps nothing out of order: \(tcp)")
        case .synSent, .synReceived:
            demand(tcp.timers.contains { $0.kind == .handshake }, "a SYN is waited for: \(tcp)")
        case .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck:
            demand(tcp.congestionWindow > 0, "something may be sent: \(tcp)")
            // The FIN is in no buffer.
            demand(tcp.outstandingBytes <= tcp.sendQueueBytes + 1, "what is under way is kept: \(tcp)")
            demand(
                tcp.outstandingBytes == 0
                    || tcp.timers.contains { ![.delayedAck, .keepAlive, .memory].contains($0.kind) },
                "what is under way is waited for: \(tcp)")
            demand(tcp.state != .finWait2 || tcp.sendQueueBytes == 0, "all was acknowledged: \(tcp)")
            check(connection.recovery, tcp)
        }
    }

    private func check(_ recovery: LossRecoveryState, _ tcp: TCPSnapshot) {
        demand(
            recovery.segmentCount <= settings.connection.recovery.segmentsMax, "records keep their bound: \(recovery)")
        demand(
            recovery.outstandingBytes == tcp.outstandingBytes, "recovery knows what is under way: \(recovery), \(tcp)")
        demand(
            recovery.sackedBytes + recovery.lostBytes <= recovery.outstandingBytes,
            "what is lost or has arrived was sent: \(recovery)")
        demand(
            recovery.inFlightBytes >= 0 && recovery.inFlightBytes <= recovery.outstandingBytes,
            "what is in flight was sent: \(recovery)")
    }

    private mutating func act() {
        switch script.byte() % 32 {
        case 0...11: hostile()
        case 12...15: friendly()
        case 16: stranger()
        case 17: error()
        case 18, 19: wait()
        case 20: connect()
        case 21: listen()
        case 22: accept()
        case 23: write()
        case 24: read()
        case 25: shutdown()
        case 26: close()
        case 27: setOptions()
        case 28: changeLink()
        case 29: fail()
        case 30: closeListener()
        default: look()
        }
    }

    // MARK: - What arrives

    mutating func give(_ bytes: [UInt8], copies: Int = 1, isVerified: Bool = false, segmentSize: UInt16 = 0) {
        var queue = PacketQueue()
        for _ in 0..<copies {
            guard var packet = pool.allocate(headroom: 64, count: bytes.count), unsafe packet.append(bytes.span.bytes)
            else { break }
            if isVerified { packet.metadata.checksum = .verified }
            if segmentSize > 0 {
                packet.metadata.segmentKind = bytes[0] >> 4 == 6 ? .tcp6 : .tcp4
                packet.metadata.segmentSize = segmentSize
            }
            queue.append(packet)
        }
        stack.framesArrived(&queue, on: link, at: now)
        demand(queue.isEmpty, "the stack takes every packet")
    }

    /// The place of the peer that acts next.
    private mutating func peer() -> Int? { peers.isEmpty ? nil : Int(script.byte()) % peers.count }

    private func clock(_ peer: Peer) -> [UInt8] {
        guard let echo = peer.clock else { return [] }
        return [1, 1, 8, 10] + be(UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000)) + be(echo)
    }

    /// A segment near to those that count.
    private mutating func hostile() {
        guard let place = peer() else { return knock(isIPv6: false, Self.listenerPort) }
        let peer = peers[place]
        let shape = script.byte()
        let flags: UInt16
        switch script.byte() & 31 {
        case 0...10: flags = 0x10
        case 11...15: flags = 0x18
        case 16, 17: flags = 0x11
        case 18: flags = 0x04
        case 19: flags = 0x14
        case 20: flags = 0x02
        case 21: flags = 0x12
        case 22: flags = 0x01
        case 23: flags = 0
        case 24: flags = 0x30
        case 25: flags = 0x50
        case 26: flags = 0x90
        case 27: flags = 0x13
        case 28: flags = 0xC2
        case 29: flags = 0x38
        default: flags = script.half() & 0xFFF
        }
        let sequence = script.number(near: peer.next, peer.next &- 1)
        let ack = script.number(near: peer.heard, peer.acknowledged)
        var options = shape & 1 == 0 ? clock(peer) : []
        if shape & 2 != 0 { options += blocks(peer) }
        if shape & 4 != 0 { options += script.take(Int(script.byte() & 31)) }
        if flags & 2 != 0, shape & 8 == 0 { options += synOptions() }
        options = Array(options.prefix(40))
        let count: Int
        switch shape >> 4 & 3 {
        case 0: count = 0
        case 1: count = Int(script.byte())
        case 2: count = 1_400
        default: count = Int(script.half() % 3_000)
        }
        let window: UInt16 = shape & 64 == 0 ? 0xFFFF : script.byte() & 1 == 0 ? UInt16(script.byte()) : script.half()
        var packet = peer.segment(
            sequence: sequence, ack: ack, flags: flags, window: window, urgent: flags & 32 == 0 ? 0 : script.half(),
            options: options, count: count, hasMark: shape & 128 != 0)
        if shape == 255 { packet[Int(script.half()) % packet.count] ^= 1 << (script.byte() & 7) }
        let way = shape & 128 == 0 ? 0 : script.byte()
        give(
            packet, copies: 1 + Int(way >> 6), isVerified: shape != 255 && way & 1 != 0,
            segmentSize: shape != 255 && way & 2 != 0 && count > 100 ? 100 : 0)
        if flags & 16 != 0, Int32(bitPattern: ack &- peers[place].acknowledged) > 0,
            Int32(bitPattern: peers[place].heard &- ack) >= 0
        {
            peers[place].acknowledged = ack
        }
    }

    private mutating func blocks(_ peer: Peer) -> [UInt8] {
        let count = Int(script.byte() & 3) + 1
        var option: [UInt8] = [1, 1, 5, UInt8(2 + count * 8)]
        for _ in 0..<count {
            let left = script.number(near: peer.acknowledged &+ UInt32(script.byte()) * 8, peer.heard)
            option += be(left) + be(left &+ UInt32(script.half() & 0x1FFF))
        }
        return option
    }

    private mutating func synOptions() -> [UInt8] {
        let shape = script.byte()
        var options: [UInt8] = []
        if shape & 1 == 0 { options += [2, 4] + (shape & 2 == 0 ? [5, 180] : be(script.half())) }
        if shape & 4 == 0 { options += [4, 2] }
        if shape & 8 == 0 { options += [3, 3, shape & 16 == 0 ? 7 : script.byte()] }
        if shape & 32 == 0 {
            options += [8, 10] + be(UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000)) + be(UInt32(0))
        }
        return options
    }

    /// A segment as a peer in good order sends it.
    private mutating func friendly() {
        guard let place = peer() else { return }
        let shape = script.byte()
        if shape & 32 != 0 { transmit() }
        let peer = peers[place]
        let count = shape & 3 == 0 ? Int(script.half() % 1_400) : 0
        let flags: UInt16 = shape & 0x1C == 4 ? 0x11 : 0x10
        give(
            peer.segment(
                sequence: peer.next, ack: peer.heard, flags: flags, window: shape & 128 == 0 ? 0xFFFF : 100,
                options: clock(peer), count: count))
        peers[place].acknowledged = peer.heard
    }

    /// A SYN of a new flow.
    private mutating func knock(isIPv6: Bool, _ port: UInt16) {
        let sequence = script.byte() & 1 == 0 ? 0xFFFF_FF00 : script.word()
        let peer = Peer(
            isIPv6: isIPv6, host: 2 + script.byte() % 3, port: 1_024 + UInt16(script.byte() & 31), localPort: port,
            next: sequence)
        let flags: UInt16 = script.byte() & 1 == 0 ? 0x02 : 0xC2
        give(peer.segment(sequence: sequence, ack: 0, flags: flags, window: 0xFFFF, options: synOptions()))
        remember(peer)
    }

    private mutating func remember(_ peer: Peer) {
        peers.removeAll { $0.endpoint == peer.endpoint && $0.localPort == peer.localPort }
        if peers.count == 8 { peers.removeFirst() }
        peers.append(peer)
    }

    /// A SYN, or any bytes as a segment.
    private mutating func stranger() {
        let shape = script.byte()
        guard shape & 4 == 0 else { return knock(isIPv6: shape & 1 != 0, shape & 2 == 0 ? Self.listenerPort : 81) }
        let peer = Peer(isIPv6: shape & 1 != 0, host: 2, port: 9, localPort: Self.listenerPort, next: 0)
        var packet = peer.segment(sequence: 0, ack: 0, flags: 0, window: 0)
        packet.removeLast(20)
        let bytes = script.take(Int(script.byte() & 127))
        if peer.isIPv6 {
            packet.replaceSubrange(4..<6, with: be(UInt16(bytes.count)))
        } else {
            packet.replaceSubrange(2..<4, with: be(UInt16(20 + bytes.count)))
            packet.replaceSubrange(10..<12, with: [0, 0])
            packet.replaceSubrange(10..<12, with: be(checksum(packet)))
        }
        give(packet + bytes, isVerified: true)
    }

    /// An ICMP error about what the stack sent.
    private mutating func error() {
        guard let place = peer(), !peers[place].lastHeard.isEmpty else { return }
        let peer = peers[place]
        let shape = script.byte()
        var quote = Array(peer.lastHeard.prefix(shape & 1 == 0 ? 1_000 : Int(script.byte())))
        let header = peer.isIPv6 ? 40 : 20
        if shape & 2 != 0, quote.count >= header + 8 {
            let number = script.number(near: peer.acknowledged, peer.heard)
            quote.replaceSubrange(header + 4..<header + 8, with: be(number))
        }
        let mtu = shape & 4 == 0 ? script.half() : script.choice([1_280, 576, 68, 296, 1_492, 0, 1_279])
        let (type, code, rest): (UInt8, UInt8, UInt32)
        switch (shape >> 3 & 7, peer.isIPv6) {
        case (0...3, false): (type, code, rest) = (3, 4, UInt32(mtu))
        case (0...3, true): (type, code, rest) = (2, 0, UInt32(mtu))
        case (4, false), (5, false): (type, code, rest) = (3, script.byte() & 15, 0)
        case (4, true), (5, true): (type, code, rest) = (1, script.byte() & 7, 0)
        case (6, false): (type, code, rest) = (11, script.byte() & 1, 0)
        case (6, true): (type, code, rest) = (3, script.byte() & 1, 0)
        case (_, false): (type, code, rest) = (12, 0, UInt32(script.byte()) << 24)
        case (_, true): (type, code, rest) = (4, script.byte() & 3, UInt32(script.byte()))
        }
        give(peer.error(type, code, rest: rest, quote: quote))
    }

    // MARK: - What leaves

    mutating func transmit() {
        while let index = stack.nextToTransmit() {
            var queue = PacketQueue()
            stack.takeTransmit(from: index, into: &queue)
            while !queue.isEmpty {
                let packet = queue.removeFirst()
                if index == link { inspect(packet) }
            }
        }
    }

    private mutating func inspect(_ packet: consuming Packet) {
        var bytes: [UInt8] = []
        for index in 0..<packet.sliceCount { bytes += array(packet.slice(index)) }
        for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let metadata = packet.metadata
        demand(bytes.count <= mtu || metadata.segmentSize > 0 && cuts, "a packet fits the MTU: \(bytes.count)")
        let isIPv6 = bytes[0] >> 4 == 6
        var header = 40
        if isIPv6 {
            demand(bytes.count >= 40 && Int(bytes[4]) << 8 | Int(bytes[5]) == bytes.count - 40, "the length is right")
            guard bytes[6] == 6 else { return }
        } else {
            header = 20
            demand(bytes.count >= 20 && Int(bytes[2]) << 8 | Int(bytes[3]) == bytes.count, "the length is right")
            demand(checksum(Array(bytes[..<20])) == 0, "the checksum of the header is right")
            // Pieces of what was cut for a tiny path.
            guard bytes[9] == 6, bytes[6] & 0x3F == 0, bytes[7] == 0 else { return }
        }
        let segment = Array(bytes[header...])
        guard let view = try? TCPView(unsafe segment.span.bytes),
            let options = try? TCPOptionValues(reading: view.optionBytes)
        else { fatalError("a segment of ours is one: \(bytes)") }
        let ends = isIPv6 ? Array(bytes[8..<40]) : Array(bytes[12..<20])
        let sum = checksum(ends + be(UInt32(segment.count)) + [0, 0, 0, 6] + segment)
        demand(metadata.checksum == .partial || sum == 0, "the checksum is right: \(bytes)")
        demand(metadata.checksum != .partial || cuts, "nobody else completes a checksum")
        let host = bytes[header - 1]
        let place = peers.firstIndex {
            $0.isIPv6 == isIPv6 && $0.host == host && $0.port == view.destinationPort && $0.localPort == view.sourcePort
        }
        let payload = Array(segment[view.headerByteCount...])
        if metadata.segmentSize > 0 { demand(payload.count > Int(metadata.segmentSize), "only what is long is cut") }
        demand(
            !view.flags.isSuperset(of: [.syn, .fin]) && !view.flags.isSuperset(of: [.syn, .rst]), "flags make sense")
        demand(payload.isEmpty || view.flags.isDisjoint(with: [.syn, .rst]), "data comes without SYN and RST")
        guard let place else {
            // A SYN of a program's.
            guard view.flags == .syn || view.flags.isSuperset(of: [.syn, .ece, .cwr]) else { return }
            var peer = Peer(
                isIPv6: isIPv6, host: host, port: view.destinationPort, localPort: view.sourcePort, next: 0xFFFF_FFF0)
            peer.hear(view.header, options, payload.count, bytes)
            return remember(peer)
        }
        peers[place].hear(view.header, options, payload.count, bytes)
        guard let first = payload.first else { return }
        for index in 1..<payload.count {
            demand(payload[index] == payload[index - 1] &+ 1, "bytes leave in their order")
        }
        let skew = first &- UInt8(truncatingIfNeeded: view.sequence)
        demand(peers[place].skew ?? skew == skew, "a number means one byte: \(bytes)")
        peers[place].skew = skew
    }

    /// The device takes nothing of what waits.
    private mutating func fail() {
        var queue = PacketQueue()
        stack.takeTransmit(from: link, into: &queue)
        stack.transmitFailed(&queue, on: link, at: now)
    }

    private mutating func changeLink() {
        let choice = script.byte()
        switch choice & 7 {
        case 0: try? stack.setUp(link, false, at: now)
        case 1: try? stack.removeAddress(IPv4Address(10, 0, 0, 1), from: link, at: now)
        case 2: try? stack.removeAddress(IPv6Address(high: 0x2001_0DB8 << 32, low: 1), from: link, at: now)
        case 3: try? stack.setMTU(link, min(mtu, 1_280 + Int(choice)))
        default:
            try? stack.setUp(link, true, at: now)
            try? stack.addAddress(IPv4Address(10, 0, 0, 1), prefixLength: 24, to: link, at: now)
            try? stack.addAddress(IPv6Address(high: 0x2001_0DB8 << 32, low: 1), prefixLength: 64, to: link, at: now)
        }
    }

    // MARK: - Time

    private mutating func wait() {
        let choice = script.byte()
        if choice & 128 != 0 {
            if let due = stack.deadline { now = max(now, due) }
            return stack.timerFired(at: now)
        }
        let end = now + .milliseconds(1 << Int64(choice & 31) % 20)
        if choice & 32 == 0 { pass(until: end) }
        now = end
        stack.timerFired(at: now)
    }

    private mutating func pass(until end: Instant) {
        var count = 0
        while let due = stack.deadline, due <= end {
            now = max(now, due)
            stack.timerFired(at: now)
            transmit()
            check()
            count += 1
            demand(count < 50_000, "timers come to rest")
        }
    }

    // MARK: - Programs

    private mutating func connection() -> Int? {
        connections.isEmpty ? nil : Int(script.byte()) % connections.count
    }

    mutating func connect() {
        let shape = script.byte()
        let peer = Peer(
            isIPv6: shape & 1 != 0, host: 2 + (shape >> 1) % 3, port: 7 + UInt16(shape >> 6), localPort: 0, next: 0)
        let source = shape & 8 == 0 ? Endpoint.any : Endpoint(port: 1_024 + UInt16(shape >> 4 & 3))
        guard let id = try? stack.connectTCP(to: peer.endpoint, from: source, at: now) else { return }
        connections.append((id, 0))
    }

    mutating func listen() {
        let shape = script.byte()
        let endpoint: Endpoint =
            shape & 3 == 3
            ? Endpoint(IPv4Address(10, 0, 0, 1), Self.listenerPort)
            : Endpoint(port: Self.listenerPort + UInt16(shape & 3))
        if let id = try? stack.listenTCP(on: endpoint, backlogMax: 1 + Int(shape >> 7)) { listeners.append(id) }
    }

    mutating func accept() {
        for listener in listeners {
            while let id = stack.accept(listener) { connections.append((id, 0)) }
        }
    }

    private mutating func closeListener() {
        guard !listeners.isEmpty else { return }
        stack.close(listeners.remove(at: Int(script.byte()) % listeners.count), at: now)
    }

    mutating func write() {
        guard let place = connection() else { return }
        let id = connections[place].id
        let count = Int(script.half() % 8_000)
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: connections[place].written &+ UInt32($0)) }
        let taken: Int
        if script.byte() & 3 == 0 {
            var queue = PacketQueue()
            if var packet = pool.allocate(headroom: 128, count: bytes.count), unsafe packet.append(bytes.span.bytes) {
                queue.append(packet)
            }
            taken = (try? stack.write(id, from: &queue, at: now)) ?? 0
        } else {
            taken = (try? unsafe stack.write(id, bytes.span.bytes, at: now)) ?? 0
        }
        demand(taken <= count, "no more is taken than there is")
        connections[place].written &+= UInt32(taken)
    }

    private mutating func read() {
        guard let place = connection() else { return }
        let id = connections[place].id
        let shape = script.byte()
        var bytes: [UInt8] = []
        let readable = stack.readableCount(id)
        if shape & 1 == 0 {
            var queue = PacketQueue()
            _ = try? stack.read(id, Int(shape) * 8, into: &queue, at: now)
            while !queue.isEmpty {
                let packet = queue.removeFirst()
                for index in 0..<packet.sliceCount { bytes += array(packet.slice(index)) }
            }
        } else {
            var buffer = [UInt8](repeating: 0, count: Int(shape) * 16)
            var elements = buffer.mutableSpan
            // Every byte written is a valid UInt8.
            var span = unsafe elements.mutableBytes
            let count = shape & 2 == 0 ? stack.peek(id, into: &span) : (try? stack.read(id, into: &span, at: now)) ?? 0
            bytes = Array(buffer[..<count])
            if shape & 2 == 0 { return follows(bytes, lastRead[id]) }
        }
        demand(bytes.count <= readable, "no more is read than arrived")
        follows(bytes, lastRead[id])
        if let last = bytes.last { lastRead[id] = last }
    }

    /// The peers' bytes are the low bits of their numbers.
    private func follows(_ bytes: [UInt8], _ before: UInt8?) {
        guard var last = before ?? bytes.first.map({ $0 &- 1 }) else { return }
        for byte in bytes {
            demand(byte == last &+ 1, "bytes are read in their order")
            last = byte
        }
    }

    private mutating func shutdown() {
        guard let place = connection() else { return }
        stack.shutdown(connections[place].id, at: now)
    }

    private mutating func close() {
        guard let place = connection() else { return }
        let shape = script.byte()
        if shape & 7 == 7 { return stack.stopReading(connections[place].id, at: now) }
        let id = connections.remove(at: place).id
        lastRead[id] = nil
        switch shape & 7 {
        case 0: stack.abort(id, at: now)
        case 1: stack.close(id, linger: .milliseconds(Int64(shape)), at: now)
        default: stack.close(id, at: now)
        }
        demand(stack.isAtEnd(id) || stack.state(of: id) != .closed, "a number that was given up means nothing")
    }

    private mutating func setOptions() {
        guard let place = connection() else { return }
        let id = connections[place].id
        let shape = script.byte()
        switch shape & 7 {
        case 0: stack.setNoDelay(shape & 8 != 0, of: id, at: now)
        case 1: stack.setCorked(shape & 8 != 0, of: id, at: now)
        case 2: stack.markUrgent(id, at: now)
        case 3: stack.setCongestionControl(CongestionAlgorithm.builtIn[Int(shape >> 3 & 3)], of: id, at: now)
        case 4: stack.setMarks(TCPPacketMarks(typeOfService: shape, hopLimit: shape & 8 == 0 ? nil : 9), of: id)
        case 5: stack.watch(id, with: observer, at: now)
        case 6: stack.unwatch(id, by: observer)
        default:
            guard var settings = stack.settings(of: id) else { return }
            settings.userTimeout = shape & 8 == 0 ? nil : .milliseconds(1 << Int64(shape >> 4))
            settings.keepAlive = shape & 16 == 0 ? nil : KeepAlive()
            settings.noDelay = shape & 32 != 0
            stack.setSettings(settings, of: id, at: now)
        }
    }

    /// Programs ask how things stand.
    private mutating func look() {
        var ids: [TCPConnectionID] = []
        stack.takeAnnouncedConnections(into: &ids)
        for id in ids { consume((stack.failure(of: id), stack.writeError(of: id), stack.urgentCount(id))) }
        var listeners: [TCPListenerID] = []
        stack.takeAnnouncedListeners(into: &listeners)
        demand(!stack.hasTCPNews, "news is told once")
        if script.byte() & 15 == 0 { stack.forgetTCPHosts() }
    }

    // MARK: - The end

    /// With everything closed and time passed, nothing is left.
    private mutating func drain() {
        for listener in listeners { stack.close(listener, at: now) }
        for connection in connections { stack.close(connection.id, at: now) }
        for _ in 0..<4 {
            transmit()
            pass(until: now + .seconds(4_000))
            now = now + .seconds(4_000)
        }
        stack.timerFired(at: now)
        transmit()
        check()
        let summary = stack.tcpSummary
        demand(summary.listeners == 0 && summary.halfOpen == 0, "nobody listens")
        demand(
            summary.connections == 0 && summary.timeWait == 0, "every connection ends: \(stack.tcpConnections(at: now))"
        )
        demand(summary.reassemblyBytes == 0, "nothing is kept out of order")
        demand(stack.conservation.heldInFact == 0, "nothing waits for ever")
        demand(pool.inUse == 0, "every buffer is back in the pool")
    }
}
