import ChimneyLink
import ChimneyPrimitives
import ChimneyWire

/// What becomes of a large packet on its way out.
private enum LargePacketWay {
    /// The device cuts it.
    case whole
    /// It was cut here.
    case cut
    case refused(DropReason)
}

extension VirtualStack {
    /// Sends an IPv4 packet that says in what segments it is to be cut: whole to a device that cuts it, else cut here.
    mutating func sendLarge(_ packet: consuming Packet, by path: OutputPath<IPv4Address>) {
        var segments = PacketQueue()
        switch way(of: &packet, by: path.port, mtu: ports[path.port].mtu, &segments) {
        case .whole: sendToLink(packet, by: path)
        case .refused(let reason): drop(packet, reason)
        case .cut:
            settleCut(packet, &segments, isWhole: true)
            while !segments.isEmpty { sendIPv4(segments.removeFirst(), by: path) }
        }
    }

    /// The same over IPv6; segments above `mtu` leave in fragments.
    mutating func sendLarge(_ packet: consuming Packet, by path: OutputPath<IPv6Address>, mtu: Int) {
        var segments = PacketQueue()
        switch way(of: &packet, by: path.port, mtu: mtu, &segments) {
        case .whole: sendToLink(packet, by: path)
        case .refused(let reason): drop(packet, reason)
        case .cut:
            settleCut(packet, &segments, isWhole: true)
            while !segments.isEmpty { sendIPv6(segments.removeFirst(), by: path, mtu: mtu) }
        }
    }

    private func way(
        of packet: inout Packet, by port: SlotID, mtu: Int, _ segments: inout PacketQueue
    ) -> LargePacketWay {
        do throws(SegmentCutError) {
            let cutter = try SegmentCutter(packet)
            let able = ports[port].capabilities
            let isIPv4 = !packet.isIPv6
            let needed: LinkCapabilities =
                packet.metadata.segmentKind == .udp
                ? .segmentationUDP : isIPv4 ? .segmentation4 : .segmentation6
            if able.contains(needed), cutter.segmentByteCount <= mtu, cutter.leaveOpen(&packet) { return .whole }
            let completes: LinkCapabilities = isIPv4 ? .transmitChecksum4 : .transmitChecksum6
            try cutter.cut(
                packet, checksum: able.contains(completes) ? .partial : .complete, pool: pool, into: &segments)
            return .cut
        } catch {
            return .refused(error == .noBuffer ? .noBuffer : .largePacketMalformed)
        }
    }

    /// A device handed in several UDP datagrams as one packet: each is delivered on its own.
    mutating func largeDatagramArrived(_ packet: consuming Packet, _ port: SlotID) {
        var datagrams = PacketQueue()
        do throws(SegmentCutError) {
            // The device answers for the checksums, which need not be computed to be believed.
            try SegmentCutter(packet).cut(packet, checksum: .partial, pool: pool, into: &datagrams)
        } catch {
            return drop(packet, error == .noBuffer ? .noBuffer : .largePacketMalformed)
        }
        let isIPv6 = packet.isIPv6
        settleCut(packet, &datagrams, isWhole: true)
        while !datagrams.isEmpty {
            if isIPv6 {
                ipv6Arrived(datagrams.removeFirst(), port)
            } else {
                ipv4Arrived(datagrams.removeFirst(), port)
            }
        }
    }

    /// Joins what can be joined in a batch of an interface whose device does not, and accounts for it.
    mutating func joinSegments(_ batch: inout PacketQueue, _ port: SlotID) {
        guard !ports[port].capabilities.contains(.largeReceive) else { return }
        let linkByteCount = ports[port].kind == .ethernet ? 14 : 0
        ledger.consumed &+= UInt64(Coalescer().coalesce(&batch, linkByteCount: linkByteCount))
    }
}

extension Packet {
    /// The bytes of the largest packet that one of `totalLength` bytes is on a link, where it may be cut into segments.
    @inline(__always)
    borrowing func byteCountOnLink(_ totalLength: Int) -> Int {
        metadata.segmentSize == 0 ? totalLength : segmentByteCount()
    }

    private borrowing func segmentByteCount() -> Int {
        // One that cannot be cut fits everywhere: whoever tries to cut it says what is wrong.
        guard let cutter = try? SegmentCutter(self) else { return 0 }
        return cutter.segmentByteCount
    }

    /// Whether the first part has all that the input reads of the packet: it is the only one, or what follows is payload of TCP.
    @inline(__always)
    borrowing func hasHeadersInFront() -> Bool { isContiguous || isSegmentInParts() }

    private borrowing func isSegmentInParts() -> Bool {
        guard count >= 40 else { return false }
        switch bytes.uint8(at: 0) {
        case 0x45: return bytes.uint8(at: 9) == IPProtocol.tcp.rawValue && bytes.uint16(at: 6) & 0x3FFF == 0
        case 0x60...0x6F: return bytes.uint8(at: 6) == IPProtocol.tcp.rawValue
        default: return false
        }
    }
}
