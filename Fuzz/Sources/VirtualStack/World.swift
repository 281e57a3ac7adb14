import ChimneyLink
import ChimneyMulticast
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import ChimneyWire
import FuzzSupport

/// The pools of all runs, for each leaves them empty; libFuzzer has one thread.
nonisolated(unsafe) private let smallPool = PacketPool(packetsMax: 40, largeMax: 3)
nonisolated(unsafe) private let widePool = PacketPool(packetsMax: 256, largeMax: 3)

/// One stack, what a shell would know about it, and what must hold between any two actions.
struct World: ~Copyable {
    let pool: PacketPool
    var stack: VirtualStack
    var script: Script
    var now = Instant(nanoseconds: 1_000_000_000)
    /// The interfaces, loopback's index among them; some may be detached.
    var interfaces: [InterfaceIndex] = []
    var macs: [InterfaceIndex: MACAddress] = [:]
    /// The largest MTU each interface ever had, which bounds what waits in its queue.
    var mtuMax: [InterfaceIndex: Int] = [:]
    var sockets: [SocketID] = []
    var echoes: [UInt16] = []
    /// The packet sent last, for ICMP errors to be about.
    var lastSent: [UInt8] = []
    let isForwarding: Bool
    /// All that left the stack, folded into one number.
    var digest: UInt64 = 0xCBF2_9CE4_8422_2325

    init(_ bytes: [UInt8]) {
        script = Script(bytes)
        let flags = script.byte()
        var settings = StackSettings()
        settings.fibCount = 2
        settings.forwarding = flags & 1 != 0
        settings.interfacesMax = 6
        settings.addressesPerInterfaceMax = 4
        settings.socketsMax = 8
        settings.socketReceivePacketsMax = 8
        settings.socketReceiveBytesMax = 32_768
        settings.transmitPacketsMax = 24
        settings.transmitBytesMax = 32_768
        settings.reassemblyDatagramsMax = 3
        settings.reassemblyBytesMax = 70_000
        settings.fragmentsPerDatagramMax = 64
        settings.destinationsMax = 3
        settings.dropRecordsMax = 8
        settings.membershipLimits.membershipsPerSocketMax = 4
        settings.membershipLimits.membershipsPerStackMax = 48
        settings.membershipLimits.sourcesPerFilterMax = 5
        settings.membershipLimits.sourcesPerStackMax = 12
        settings.igmp.groupsMax = 40
        settings.igmp.askedSourcesMax = 3
        settings.igmp.pendingSourcesMax = 3
        settings.mld.groupsMax = 40
        settings.mld.askedSourcesMax = 3
        settings.mld.pendingSourcesMax = 3
        settings.answersBroadcastEcho = flags & 2 != 0
        settings.arp.neighbors.entriesMax = 6
        settings.arp.neighbors.resolvingMax = 4
        settings.arp.neighbors.pendingPacketsMax = 4
        settings.arp.neighbors.pendingBytesMax = 8_192
        settings.arp.addressesMax = flags & 4 != 0 ? 4 : 3
        settings.ndp.neighbors = settings.arp.neighbors
        settings.ndp.neighbors.overrideHold = .zero
        let modes = script.byte()
        settings.duplicateDetection = [.off, .on, .optimistic, .off][Int(modes & 3)]
        isForwarding = settings.forwarding
        // Runs follow one another on one thread.
        pool = flags & 8 != 0 ? unsafe smallPool : unsafe widePool
        stack = VirtualStack(name: "fuzzed", settings: settings, pool: pool, random: StackRandom(seed: 1))
        interfaces = [InterfaceIndex(rawValue: 1)]
        mtuMax[interfaces[0]] = 65_535
        attach("eth0", .ethernet, mtu: 1_500, IPv4Address(10, 0, 0, 1), probing: false, Self.mode(modes >> 2))
        attach(
            "eth1", .ethernet, mtu: flags & 16 != 0 ? 9_000 : 576, IPv4Address(10, 0, 1, 1), probing: flags & 32 != 0,
            Self.mode(modes >> 4))
        attach(
            "tun0", .ip, mtu: flags & 64 != 0 ? 68 : 1_400, IPv4Address(10, 0, 2, 1), probing: false,
            Self.mode(modes >> 6))
        let gateway = IPv4NextHop.gateway(IPv4Address(10, 0, 0, 254), on: interfaces[1].rawValue)
        try? stack.addRoute(IPv4Route(Prefix(.any, length: 0), gateway))
        let router = IPv6Address(high: 0x2001_0DB8_0000_0000, low: 0xFE)
        try? stack.addRoute(IPv6Route(.all, .gateway(router, on: interfaces[1].rawValue)))
    }

    private static func mode(_ bits: UInt8) -> IPv6Mode {
        switch bits & 3 {
        case 0, 1: .manual
        case 2: .automatic
        default: .off
        }
    }

    private mutating func attach(
        _ name: String, _ kind: LinkKind, mtu: Int, _ address: IPv4Address, probing: Bool, _ mode: IPv6Mode
    ) {
        let mac = MACAddress(bits: 0x0200_0000_0000 | UInt64(interfaces.count))
        let description = InterfaceDescription(
            name: name, kind: kind, mac: mac, mtu: mtu, detectsConflicts: probing, ipv6: mtu < 1_280 ? .off : mode)
        guard let index = try? stack.attach(description, at: now) else { return }
        if !interfaces.contains(index) { interfaces.append(index) }
        macs[index] = mac
        mtuMax[index] = max(mtu, mtuMax[index] ?? 0)
        try? stack.addAddress(address, prefixLength: 24, to: index, at: now)
        let net = UInt64(address.bits >> 8 & 0xFF)
        let other = IPv6Address(high: 0x2001_0DB8_0000_0000 | net, low: UInt64(address.bits & 0xFF))
        try? stack.addAddress(other, prefixLength: 64, to: index, at: now)
    }

    mutating func run() {
        check()
        while !script.isOver {
            act()
            check()
        }
        drain()
    }

    /// What holds between any two actions.
    func check() {
        let conservation = stack.conservation
        demand(conservation.isKept, "every packet is accounted for")
        demand(conservation.heldInFact >= 0, "no queue has fewer than no packets")
        var receivable = 0
        for socket in sockets { receivable += stack.receivableCount(socket) }
        demand(pool.inUse == Int(conservation.heldInFact) + receivable, "every buffer in use is in a known queue")
        demand(pool.smallInUse <= pool.packetsMax && pool.largeInUse <= pool.largeMax, "the pool keeps its bounds")
    }

    private mutating func act() {
        switch script.byte() % 32 {
        case 0...6: receivePacket(copies: 1)
        case 7: receivePacket(copies: Int(script.byte() % 16))
        case 8: receiveARP()
        case 9: groups()
        case 10: receiveRaw()
        case 11, 12: wait()
        case 13: open()
        case 14: bind()
        case 15: connect()
        case 16, 17: send()
        case 18: receive()
        case 19: close()
        case 20: setOptions()
        case 21: transmit()
        case 22: loopBack()
        case 23, 24: echo()
        case 25: changeInterface()
        case 26: changeAddress()
        case 27: changeRoutes()
        case 28: changeNeighbors()
        case 29: explain()
        case 30: failTransmit()
        default: receiveFragments()
        }
    }

    // MARK: Frames

    private mutating func interface() -> InterfaceIndex { script.choice(interfaces) }

    private mutating func give(_ bytes: [UInt8], to index: InterfaceIndex, copies: Int = 1) {
        var queue = PacketQueue()
        for _ in 0..<copies {
            guard var packet = pool.allocate(headroom: 64, count: bytes.count),
                unsafe packet.append(bytes.span.bytes)
            else { break }
            queue.append(packet)
        }
        stack.framesArrived(&queue, on: index, at: now)
        demand(queue.isEmpty, "the stack takes every frame")
    }

    private mutating func framed(_ packet: [UInt8], _ index: InterfaceIndex, isIPv6: Bool = false) -> [UInt8] {
        guard let mac = macs[index], index != interfaces[3] else { return packet }
        return script.header(to: mac, isIPv6: isIPv6) + packet
    }

    private mutating func receivePacket(copies: Int) {
        let index = interface()
        let isIPv6 = script.byte() & 1 != 0
        let packet = isIPv6 ? script.ipv6Packet(about: lastSent) : script.packet(about: lastSent)
        give(framed(packet, index, isIPv6: isIPv6), to: index, copies: copies)
    }

    private mutating func receiveARP() {
        let index = interface()
        give(script.arp(to: macs[index] ?? .zero), to: index)
    }

    private mutating func receiveRaw() {
        let index = interface()
        give(script.take(Int(script.byte())), to: index)
    }

    /// A whole datagram in pieces, some perhaps left out, in an order of the script's.
    private mutating func receiveFragments() {
        let index = interface()
        let (source, destination) = (script.address(), script.address())
        let size = Int(script.byte() % 64 + 1) * 8
        let count = Int(script.byte() % 48 + 1)
        let (stride, skipped) = (Int(script.byte()), Int(script.byte()))
        let options = Int(script.byte() % 11)
        for step in 0..<count where step != skipped {
            let position = (step * (stride | 1) + stride) % count
            var packet: [UInt8] = [0x45, 0] + be(UInt16(20 + size)) + be(UInt16(9))
            let offset = UInt16(truncatingIfNeeded: position * size / 8) & 0x1FFF
            packet += be(offset | (position == count - 1 ? 0 : 0x2000)) + [64, 17, 0, 0]
            packet += be(source.bits) + be(destination.bits)
            if position == 0 {
                packet += [UInt8](repeating: 1, count: options * 4)
                packet[0] = 0x45 + UInt8(options)
                packet.replaceSubrange(2..<4, with: be(UInt16(packet.count + size)))
            }
            packet.replaceSubrange(10..<12, with: be(checksum(packet)))
            var payload = [UInt8](repeating: UInt8(truncatingIfNeeded: position), count: size)
            if position == 0 {
                let length = UInt16(truncatingIfNeeded: count * size)
                payload.replaceSubrange(0..<8, with: be(UInt16(5)) + be(UInt16(1)) + be(length) + [0, 0])
            }
            give(framed(packet + payload, index), to: index)
            check()
        }
    }

    private mutating func transmit() {
        let index = interface()
        var queue = PacketQueue()
        stack.takeTransmit(from: index, into: &queue)
        inspect(&queue, index)
    }

    /// What one interface sends arrives on another.
    private mutating func loopBack() {
        let (from, to) = (interface(), interface())
        var queue = PacketQueue()
        stack.takeTransmit(from: from, into: &queue)
        stack.framesArrived(&queue, on: to, at: now)
        demand(queue.isEmpty, "the stack takes every frame")
    }

    private mutating func failTransmit() {
        let index = interface()
        var queue = PacketQueue()
        stack.takeTransmit(from: index, into: &queue)
        stack.transmitFailed(&queue, on: index, at: now)
    }

    private mutating func transmitAll() {
        var count = 0
        while let index = stack.nextToTransmit() {
            var queue = PacketQueue()
            stack.takeTransmit(from: index, into: &queue)
            inspect(&queue, index)
            count += 1
            demand(count <= 64, "each interface is named once")
        }
    }

    /// What leaves the stack is right by every rule a receiver would check.
    private mutating func inspect(_ queue: inout PacketQueue, _ index: InterfaceIndex) {
        while !queue.isEmpty {
            let packet = queue.removeFirst()
            demand(packet.sliceCount == 1, "a frame is in one piece")
            let frame = array(packet.bytes)
            for byte in frame { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
            guard index != interfaces[0] else { continue }
            guard index != interfaces[3] else {
                inspect(packet: frame, index)
                continue
            }
            demand(frame.count >= 14, "a frame has a header")
            let etherType = UInt16(frame[12]) << 8 | UInt16(frame[13])
            demand(frame[6] & 1 == 0, "a frame comes from one host")
            if etherType == 0x0806 {
                guard let message = try? ARPView(unsafe frame.span.bytes.extracting(14..<frame.count)) else {
                    preconditionFailure("an ARP message of ours is one")
                }
                consume(message.operation)
            } else {
                demand(etherType == 0x0800 || etherType == 0x86DD, "the stack speaks IPv4, IPv6 and ARP")
                demand(frame[14] >> 4 == (etherType == 0x0800 ? 4 : 6), "the frame's type is that of its packet")
                inspect(packet: Array(frame[14...]), index)
            }
        }
    }

    private mutating func inspect(packet: [UInt8], _ index: InterfaceIndex) {
        if packet.first.map({ $0 >> 4 }) == 6 { return inspect(ipv6: packet, index) }
        guard let view = try? IPv4View(unsafe packet.span.bytes) else {
            preconditionFailure("a packet of ours is IPv4")
        }
        demand(view.isChecksumValid, "the header checksum is right: \(packet)")
        demand(Int(view.totalLength) == packet.count, "the length is that of the packet: \(packet)")
        demand(packet.count <= mtuMax[index] ?? 0, "the packet fits the MTU: \(packet)")
        // Who has no address yet reports from none (RFC 9776 §4.2.14).
        let isReport = view.protocol == .igmp && view.source.isAny
        demand(view.source.isValidSource || isReport, "a host could have the source address: \(packet)")
        if view.protocol == .igmp {
            demand(view.timeToLive == 1 && view.headerByteCount == 24, "a report stays on its link: \(packet)")
            demand(checksum(Array(packet[24...])) == 0, "the IGMP checksum is right: \(packet)")
        }
        demand(!view.destination.isLoopback, "no packet to loopback travels: \(packet)")
        let payloadByteCount = packet.count - view.headerByteCount
        demand(view.fragmentOffset + payloadByteCount <= 65_535, "a fragment lies inside a datagram: \(packet)")
        lastSent = Array(packet.prefix(64))
        guard !isForwarding, !view.isFragment else { return }
        let broadcasts = [IPv4Address(10, 0, 0, 255), IPv4Address(10, 0, 1, 255), IPv4Address(10, 0, 2, 255)]
        demand(!broadcasts.contains(view.source), "no packet comes from a broadcast address: \(packet)")
        let payload = Array(packet[view.headerByteCount...])
        if view.protocol == .icmpv4 { demand(checksum(payload) == 0, "the ICMP checksum is right: \(packet)") }
        guard view.protocol == .udp, payload[6] != 0 || payload[7] != 0 else { return }
        let pseudo = be(view.source.bits) + be(view.destination.bits) + [0, 17] + be(UInt16(payload.count))
        demand(checksum(pseudo + payload) == 0, "the UDP checksum is right: \(packet)")
    }

    private mutating func inspect(ipv6 packet: [UInt8], _ index: InterfaceIndex) {
        guard let view = try? IPv6View(unsafe packet.span.bytes) else {
            preconditionFailure("a packet of ours is IPv6")
        }
        demand(Int(view.totalLength) == packet.count, "the length is that of the packet: \(packet)")
        demand(packet.count <= mtuMax[index] ?? 0, "the packet fits the MTU: \(packet)")
        demand(!view.destination.isLoopback && !view.destination.isAny, "no packet to loopback travels: \(packet)")
        demand(view.destination.mappedIPv4 == nil, "no packet to a mapped address travels: \(packet)")
        lastSent = Array(packet.prefix(80))
        guard !isForwarding else { return }
        let isDiscovery = view.nextHeader == .icmpv6 && packet.count > 40 && (133...137).contains(packet[40])
        // Only who has no address yet asks without one (RFC 4861 §4.1, §4.3).
        let isReport = view.nextHeader == .hopByHop && packet.count > 48 && [131, 132, 143].contains(packet[48])
        demand(
            view.source.isValidSource || (isDiscovery || isReport) && view.source.isAny,
            "a host has the source: \(packet)")
        demand(!isReport || view.hopLimit == 1, "a report stays on its link: \(packet)")
        demand(!isDiscovery || view.hopLimit == 255, "discovery stays on its link: \(packet)")
        let payload = Array(packet[40...])
        let number = view.nextHeader.rawValue
        guard number == 17 || number == 58 else { return }
        demand(number == 58 || payload[6] != 0 || payload[7] != 0, "a datagram over IPv6 has a checksum: \(packet)")
        let ends = be(view.source.bits) + be(view.destination.bits)
        let sum = checksum(ends + be(UInt32(payload.count)) + [0, 0, 0, number] + payload)
        demand(sum == 0, "the checksum is right: \(packet)")
    }

    // MARK: Time

    private mutating func wait() {
        let choice = script.byte()
        let end = now + .milliseconds(1 << Int64(choice & 31) % 22)
        if choice & 32 == 0 { pass(until: end) }
        now = end
        stack.timerFired(at: now)
    }

    private mutating func pass(until end: Instant) {
        var count = 0
        while let due = stack.deadline, due <= end {
            now = max(now, due)
            stack.timerFired(at: now)
            check()
            count += 1
            demand(count < 20_000, "timers come to rest")
        }
    }

    // MARK: Sockets

    private mutating func socket() -> SocketID? { sockets.isEmpty ? nil : script.choice(sockets) }

    private mutating func open() {
        if let socket = try? stack.openUDP(fib: Int(script.byte() % 3)) { sockets.append(socket) }
    }

    private mutating func bind() {
        guard let socket = socket() else { return }
        _ = try? stack.bind(socket, to: script.endpoint())
    }

    private mutating func connect() {
        guard let socket = socket() else { return }
        try? stack.connect(socket, to: script.endpoint())
    }

    private mutating func send() {
        guard let socket = socket() else { return }
        let shape = script.byte()
        let size = shape & 1 == 0 ? Int(script.byte()) : Int(script.half())
        let destination = shape & 2 == 0 ? script.endpoint() : nil
        let before = stack.ledger.created
        let payload = [UInt8](repeating: 0xA5, count: size)
        do {
            try unsafe stack.send(socket, payload.span.bytes, to: destination, at: now)
            demand(stack.ledger.created > before, "a datagram sent has been made")
        } catch SendError.noBuffer {
            demand(pool.smallInUse == pool.packetsMax || pool.largeInUse == pool.largeMax, "buffers ran out")
        } catch {
            consume(error)
        }
    }

    private mutating func receive() {
        guard let socket = socket() else { return }
        while stack.receivableCount(socket) > 0 {
            demand(stack.isReadable(socket), "a socket with datagrams is readable")
            let datagram = stack.receive(socket)
            demand(datagram.bytes.byteCount == datagram.count, "a datagram has its bytes")
            consume(bytes: datagram.bytes)
            consume(datagram.timeToLive)
        }
        consume(stack.takeError(socket))
        for announced in stack.takeAnnounced() { consume(announced) }
        demand(!stack.hasAnnounced, "news is told once")
    }

    private mutating func close() {
        guard !sockets.isEmpty else { return }
        stack.close(sockets.remove(at: Int(script.byte()) % sockets.count))
    }

    private mutating func setOptions() {
        guard let socket = socket() else { return }
        let flags = script.byte()
        var options = UDPOptions()
        options.broadcast = flags & 1 != 0
        options.dontFragment = flags & 2 != 0
        options.sharesAddress = flags & 4 != 0
        options.checksum = flags & 8 == 0
        options.onlyIPv6 = flags & 64 != 0
        if flags & 128 != 0 {
            let groups = script.byte()
            options.multicastLoops = groups & 1 == 0
            options.receivesAllGroups = groups & 2 != 0
            options.multicastTimeToLive = groups >> 2 & 3
            if groups & 16 != 0 { options.multicastInterface = interface() }
        }
        if flags & 16 != 0 { options.timeToLive = script.byte() }
        if flags & 32 != 0 { options.receiveBytesMax = Int(script.half()) }
        stack.setOptions(options, of: socket)
    }

    /// A group is joined, left or filtered, or a message about groups arrives.
    private mutating func groups() {
        let index = interface()
        let choice = script.byte()
        guard choice & 1 == 0 else {
            let isIPv6 = choice & 2 != 0
            let packet = isIPv6 ? script.mld() : script.igmp()
            return give(framed(packet, index, isIPv6: isIPv6), to: index, copies: 1 + Int(choice >> 6))
        }
        let member = socket().map { GroupMember.socket($0) } ?? .administrator
        let group = script.group()
        let on: InterfaceChoice =
            choice & 2 == 0 ? .index(index) : choice & 4 == 0 ? .route : .address(script.anyAddress())
        switch choice >> 3 % 8 {
        case 0, 1: try? stack.join(group, on: on, as: member, at: now)
        case 2:
            try? stack.leave(group, from: choice & 128 == 0 ? nil : script.anyAddress(), on: on, as: member, at: now)
        case 3: try? stack.join(group, from: script.anyAddress(), on: on, as: member, at: now)
        case 4: try? stack.block(script.anyAddress(), of: group, on: on, as: member, at: now)
        case 5: try? stack.unblock(script.anyAddress(), of: group, on: on, as: member, at: now)
        case 6:
            let sources = (0..<script.byte() % 8).map { _ in script.anyAddress() }
            let mode: FilterMode = choice & 128 == 0 ? .include : .exclude
            try? stack.setFilter(GroupFilter(mode, sources), of: group, on: on, as: member, at: now)
        default:
            switch script.byte() % 6 {
            case 0: try? stack.setAllMulticast(choice & 128 == 0, on: index)
            case 1: try? stack.setPromiscuous(choice & 128 == 0, on: index)
            case 2: try? stack.joinLink(MACAddress(group: IPv4Address(bits: script.word())), on: index)
            case 3: stack.filterRefused(MACAddress(group: IPv4Address.allSystems), on: index, at: now)
            case 4: stack.deviceForgotFilter(of: index)
            default:
                var settings = MembershipSettings<IPv4Address>()
                settings.pinnedVersion = [nil, .v1, .v2, .v3][Int(choice >> 6)]
                settings.queries = .kernel
                try? stack.setIGMP(settings, of: index, at: now)
            }
        }
        demand(stack.takeMembershipEvents().count <= 256, "news that nobody takes are bounded")
        while let next = stack.nextFilterChange() {
            demand(stack.takeFilterChanges(of: next).count <= 1_024, "a device is told what differs")
        }
        _ = stack.multicast(on: index)
    }

    private mutating func echo() {
        let shape = script.byte()
        if echoes.isEmpty || shape & 7 == 0 {
            if echoes.count < 4, let identifier = try? stack.openEcho() { echoes.append(identifier) }
            return
        }
        let identifier = script.choice(echoes)
        if shape & 7 == 1 {
            stack.closeEcho(identifier)
            echoes.removeAll { $0 == identifier }
            return
        }
        consume(stack.takeEchoReplies(identifier))
        let size = shape & 8 == 0 ? Int(script.byte()) : Int(script.half())
        try? stack.sendEcho(
            identifier, to: script.anyAddress(), zone: UInt32(script.byte() & 3), sequence: script.half(),
            byteCount: size, fib: Int(shape >> 6), at: now)
    }

    // MARK: Configuration

    private mutating func changeInterface() {
        let index = interface()
        switch script.byte() % 8 {
        case 0, 1: try? stack.setUp(index, true, at: now)
        case 2: try? stack.setUp(index, false, at: now)
        case 3:
            let mac = script.mac()
            if (try? stack.setMAC(index, mac, at: now)) != nil { macs[index] = mac }
        case 4:
            let mtu = Int(script.half())
            if (try? stack.setMTU(index, mtu)) != nil { mtuMax[index] = max(mtu, mtuMax[index] ?? 0) }
        case 5: try? stack.deviceVanished(index, at: now)
        case 6:
            // Only the Ethernet interfaces come and go, so that the scene keeps its places.
            if index != interfaces[3] { try? stack.detach(index, at: now) }
        default:
            let (name, host) = ("new\(script.byte() % 4)", script.byte())
            let mode = Self.mode(script.byte())
            attach(name, .ethernet, mtu: mode == .off ? 1_000 : 1_300, IPv4Address(10, 0, 4, host), probing: true, mode)
        }
    }

    private mutating func changeAddress() {
        let index = interface()
        if script.byte() & 1 != 0 { return changeIPv6Address(index) }
        let address = script.address()
        if script.byte() & 1 == 0 {
            // The scene's broadcast addresses stay such.
            guard address.bits & 0xFF != 0xFF else { return }
            try? stack.addAddress(address, prefixLength: Int(script.byte() % 34), to: index, at: now)
        } else {
            try? stack.removeAddress(address, from: index, at: now)
        }
    }

    private mutating func changeIPv6Address(_ index: InterfaceIndex) {
        let address = script.ipv6Address()
        if script.byte() & 1 == 0 {
            try? stack.addAddress(address, prefixLength: Int(script.byte() % 130), to: index, at: now)
        } else {
            try? stack.removeAddress(address, from: index, at: now)
        }
    }

    private mutating func changeIPv6Routes() {
        let shape = script.byte()
        let prefix = IPv6Prefix(script.ipv6Address(), length: Int(script.byte() % 129))
        let fib: FIBChoice = shape & 64 == 0 ? .all : .one(Int(shape >> 7) * 2 + 1)
        let index = interface().rawValue
        let hop: IPv6NextHop
        switch shape & 7 {
        case 0: hop = .connected(on: index)
        case 1, 2, 7: hop = .gateway(script.ipv6Address(), on: index)
        case 3: hop = .local(on: index)
        case 4: hop = .blackhole
        case 5: hop = .unreachable
        default: hop = .prohibited
        }
        if shape & 8 == 0 {
            try? stack.addRoute(IPv6Route(prefix, hop, metric: UInt32(shape >> 4 & 3)), fib: fib)
        } else {
            _ = try? stack.removeRoutes(to: prefix, fib: fib)
        }
    }

    private mutating func changeRoutes() {
        if script.byte() & 1 != 0 { return changeIPv6Routes() }
        let shape = script.byte()
        let prefix = IPv4Prefix(script.address(), length: Int(script.byte() % 33))
        let fib: FIBChoice = shape & 64 == 0 ? .all : .one(Int(shape >> 7) * 2 + 1)
        let index = interface().rawValue
        let hop: IPv4NextHop
        switch shape & 7 {
        case 0: hop = .connected(on: index)
        case 1, 2: hop = .gateway(script.address(), on: index)
        case 3: hop = .local(on: index)
        case 4: hop = .blackhole
        case 5: hop = .unreachable
        case 6: hop = .prohibited
        default: hop = .broadcast(on: index)
        }
        if shape & 8 == 0 {
            try? stack.addRoute(IPv4Route(prefix, hop, metric: UInt32(shape >> 4 & 3)), fib: fib)
        } else {
            _ = try? stack.removeRoutes(to: prefix, fib: fib)
        }
    }

    private mutating func changeNeighbors() {
        let index = interface()
        if script.byte() & 1 != 0 {
            let address = script.ipv6Address()
            switch script.byte() % 4 {
            case 0: try? stack.setNeighbor(address, on: index, to: script.mac(), at: now)
            case 1: stack.removeNeighbor(address, on: index, at: now)
            case 2: stack.flushIPv6Neighbors(on: index, at: now)
            default: try? stack.setNeighborProxy([IPv6Prefix(address, length: Int(script.byte() % 129))], on: index)
            }
            return consume(stack.ipv6Neighbors(at: now))
        }
        let address = script.address()
        switch script.byte() % 4 {
        case 0: try? stack.setNeighbor(address, on: index, to: script.mac(), at: now)
        case 1: stack.removeNeighbor(address, on: index, at: now)
        case 2: stack.flushNeighbors(on: index, at: now)
        default: try? stack.setProxyARP([IPv4Prefix(address, length: Int(script.byte() % 33))], on: index)
        }
        consume(stack.neighbors(at: now))
    }

    private mutating func explain() {
        let shape = script.byte()
        var query = FlowQuery(to: script.anyAddress())
        query.zone = UInt32(script.byte() & 3)
        if shape & 1 != 0 { query.source = script.anyAddress() }
        if shape & 2 != 0 { query.arrivesOn = interface() }
        if shape & 4 != 0 { query.ipProtocol = script.byte() }
        if shape & 8 != 0 { query.timeToLive = script.byte() }
        if shape & 16 != 0 { query.byteCount = Int(script.half()) }
        query.dontFragment = shape & 32 != 0
        query.fib = Int(shape >> 6)
        query.destinationPort = script.port()
        consume(stack.explain(query))
    }

    // MARK: The end

    /// With sockets closed, frames taken and time passed, nothing is left.
    private mutating func drain() {
        for socket in sockets { stack.close(socket) }
        sockets.removeAll()
        for identifier in echoes { stack.closeEcho(identifier) }
        for _ in 0..<4 {
            transmitAll()
            pass(until: now + .seconds(4_000))
            now = now + .seconds(4_000)
        }
        stack.timerFired(at: now)
        transmitAll()
        check()
        demand(stack.conservation.heldInFact == 0, "nothing waits for ever")
        demand(pool.inUse == 0, "every buffer is back in the pool")
    }
}
