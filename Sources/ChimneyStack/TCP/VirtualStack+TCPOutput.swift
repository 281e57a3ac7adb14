import ChimneyLink
import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire

extension VirtualStack {
    /// Marks a connection as one to be flushed before the shell takes what is to be transmitted.
    @inline(__always)
    mutating func touch(_ id: SlotID) {
        guard tcp.links.contains(id), !tcp.links[id].isTouched else { return }
        tcp.links[id].isTouched = true
        tcp.touched.append(id)
    }

    /// Lets connections send what has become due, also to this stack itself.
    mutating func sendTouched() {
        flushTouched()
        deliverLooped()
    }

    /// Lets every touched connection send what has become due.
    mutating func flushTouched() {
        while let id = tcp.touched.next() {
            guard tcp.links.contains(id) else { continue }
            tcp.links[id].isTouched = false
            flush(id)
        }
    }

    /// Lets a connection send what has become due.
    mutating func flush(_ id: SlotID) {
        tcp.links[id].connection.flush(at: now, output: &tcp.output)
        settle(id)
        arm(id, at: tcp.output.deadline)
    }

    /// Moves a connection's timer where its deadline became earlier; one that became later is found out when it fires.
    @inline(__always)
    mutating func arm(_ id: SlotID, at deadline: Instant) {
        guard tcp.links.contains(id), deadline < tcp.links[id].armedAt else { return }
        tcp.links[id].armedAt = deadline
        tcp.timers.arm(UInt32(id.index), at: deadline)
        tcp.due = min(tcp.due, deadline)
    }

    /// Does what a connection wants done: sends its segments, and notes what happened to it.
    mutating func settle(_ id: SlotID) {
        if !tcp.output.segments.isEmpty { transmitSegments(of: id) }
        let events = tcp.output.takeEvents()
        if !events.isEmpty { happened(events, to: id) }
    }

    mutating func transmitSegments(of id: SlotID) {
        if tcp.links[id].way.generation != UInt32(truncatingIfNeeded: generation) { refreshWay(of: id) }
        while let segment = tcp.output.segments.next() {
            let payload = tcp.links[id].connection.packet(
                for: segment, headroom: 128, copiedMax: segment.segmentSize > 0 ? 256 : .max, pool: pool)
            send(segment, payload, of: tcp.links[id].flow, along: tcp.links[id].way)
        }
    }

    /// Finds a connection's way anew; without one its segments die of what is wrong with it.
    private mutating func refreshWay(of id: SlotID) {
        let before = tcp.links[id].way
        let way: TCPWay
        do {
            way = try findWay(tcp.links[id].flow, fib: tcp.links[id].fib)
        } catch {
            // It is asked again when something changes.
            tcp.links[id].way.generation = UInt32(truncatingIfNeeded: generation)
            tcp.links[id].way.failure = error
            return
        }
        tcp.links[id].way = way
        tcp.links[id].way.take(before.marks)
        if way.mtu != before.mtu { tcp.links[id].connection.pathChanged(size: way.segmentSize, at: now) }
    }

    /// Sends a segment without payload that belongs to no connection.
    mutating func transmit(_ segment: OutgoingSegment, of flow: IPv6Flow, along way: TCPWay) {
        send(segment, pool.allocate(headroom: 128), of: flow, along: way)
    }

    private mutating func send(
        _ segment: OutgoingSegment, _ payload: consuming Packet?, of flow: IPv6Flow, along way: TCPWay
    ) {
        switch consume payload {
        case .some(let packet): send(segment, packet, of: flow, along: way)
        case .none: tcp.counters.unsent &+= 1
        }
    }

    private mutating func send(
        _ segment: OutgoingSegment, _ packet: consuming Packet, of flow: IPv6Flow, along way: TCPWay
    ) {
        ledger.created &+= 1
        let isLarge = segment.segmentSize > 0
        let isOpen = isLarge || way.leavesChecksumOpen
        if way.isSigned {
            guard writeSigned(segment, &packet, flow) else { return drop(packet, .noBuffer) }
        } else {
            guard packet.writeTCPHeader(segment, flow) else { return drop(packet, .noBuffer) }
        }
        packet.writeTCPChecksum(pseudoSum: way.pseudoSum, leavesOpen: isOpen)
        guard packet.prepend(way.isIPv6 ? 40 : 20) else { return drop(packet, .noBuffer) }
        tcp.counters.sent &+= 1
        if let failure = way.failure { return drop(packet, failure.reason) }
        if isOpen {
            packet.metadata.checksum = .partial
            packet.metadata.checksumStart = way.isIPv6 ? 40 : 20
            packet.metadata.checksumOffset = UInt16(TCPHeader.checksumOffset)
            packet.metadata.segmentSize = segment.segmentSize
            packet.metadata.segmentKind = isLarge ? (way.isIPv6 ? .tcp6 : .tcp4) : .none
        }
        let service = way.typeOfService & 0xFC | (segment.isCongestionCapable ? 2 : 0)
        if way.isIPv6 {
            packet.writeTCPv6(flow, way, service)
            sendIPv6(packet, by: way.ipv6Output, mtu: Int(way.mtu))
        } else {
            // Cut only where the path takes less than the smallest segment.
            packet.writeTCPv4(
                flow, way, service, identification: segment.mayBeFragmented ? nextIdentification() : nil)
            sendIPv4(packet, by: way.ipv4Output)
        }
    }

    /// Writes the header of a segment that is signed; `false` where there is no room.
    private mutating func writeSigned(
        _ segment: OutgoingSegment, _ packet: inout Packet, _ flow: IPv6Flow
    ) -> Bool {
        guard let place = tcp.signatures.place(of: flow.remote) else { return packet.writeTCPHeader(segment, flow) }
        var segment = segment
        segment.options.hasMD5Signature = true
        guard packet.writeTCPHeader(segment, flow) else { return false }
        sign(&packet, segment.options, flow, place: place)
        return true
    }
}

extension Packet {
    /// Writes a TCP header before the payload that the packet has, with a checksum of zero; `false` where there is no room.
    @inline(__always)
    fileprivate mutating func writeTCPHeader(_ segment: OutgoingSegment, _ flow: IPv6Flow) -> Bool {
        let count = TCPHeader.byteCount &+ segment.options.byteCount
        guard prepend(count) else { return false }
        let header = segment.header(from: flow.localPort, to: flow.remotePort)
        var span = mutableBytes
        header.write(into: &span, options: segment.options)
        return true
    }

    /// Writes the checksum of a segment that begins with its TCP header: whole, or the sum of the pseudo-header alone.
    @inline(__always)
    fileprivate mutating func writeTCPChecksum(pseudoSum: UInt32, leavesOpen: Bool) {
        let length = UInt32(UInt16(truncatingIfNeeded: totalCount).bigEndian)
        let pseudo = InternetChecksum.add(pseudoSum, length)
        let sum =
            leavesOpen ? InternetChecksum.unfinished(pseudo) : InternetChecksum.finish(checked(pseudo))
        store16(sum, at: TCPHeader.checksumOffset)
    }

    @inline(__always)
    private borrowing func checked(_ initial: UInt32) -> UInt32 {
        isContiguous
            ? InternetChecksum.sum(bytes, initial: initial) : InternetChecksum.sum(self, from: 0, initial: initial)
    }

    /// Writes the IPv4 header of a TCP segment; without an identification routers may not cut it (RFC 6864 §4).
    @inline(__always)
    fileprivate mutating func writeTCPv4(
        _ flow: IPv6Flow, _ way: TCPWay, _ service: UInt8, identification: UInt16?
    ) {
        let total = UInt32(truncatingIfNeeded: totalCount)
        let first = 0x4500_0000 | UInt32(service) << 16 | total
        let second: UInt32 = identification.map { UInt32($0) << 16 } ?? 0x4000
        let third = UInt32(way.hopLimit) << 24 | UInt32(IPProtocol.tcp.rawValue) << 16
        let source = UInt32(truncatingIfNeeded: flow.local.low)
        let destination = UInt32(truncatingIfNeeded: flow.remote.low)
        var sum = UInt64(first) &+ UInt64(second) &+ UInt64(third) &+ UInt64(source) &+ UInt64(destination)
        sum = (sum & 0xFFFF) &+ (sum >> 16 & 0xFFFF) &+ sum >> 32
        sum = (sum & 0xFFFF) &+ sum >> 16
        var span = mutableBytes
        span.store(first, at: 0)
        span.store(second, at: 4)
        span.store(third | UInt32(truncatingIfNeeded: ~sum & 0xFFFF), at: 8)
        span.store(source, at: 12)
        span.store(destination, at: 16)
    }

    /// Writes the IPv6 header of a TCP segment.
    @inline(__always)
    fileprivate mutating func writeTCPv6(_ flow: IPv6Flow, _ way: TCPWay, _ service: UInt8) {
        let length = UInt32(truncatingIfNeeded: totalCount) &- 40
        var span = mutableBytes
        span.store(0x6000_0000 | UInt32(service) << 20 | way.flowLabel, at: 0)
        span.store(length << 16 | UInt32(IPProtocol.tcp.rawValue) << 8 | UInt32(way.hopLimit), at: 4)
        span.store(flow.local.high, at: 8)
        span.store(flow.local.low, at: 16)
        span.store(flow.remote.high, at: 24)
        span.store(flow.remote.low, at: 32)
    }
}
