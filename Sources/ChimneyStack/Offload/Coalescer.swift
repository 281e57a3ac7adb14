package import ChimneyPrimitives
import ChimneyWire

/// Joins the TCP segments of one batch that follow each other, so that one packet stands for them from here on:
/// what a device with large receive does.
///
/// A run is as many frames of a batch, one right behind the other, as could have been cut from one packet: the same
/// addresses, ports, options, marks and hop limit, each beginning where the one before ended, each of the size of the
/// first but for the last, which may be shorter. Acknowledgement numbers may rise and windows change on the way; those
/// of the last segment stay. PSH and FIN end a run; SYN, RST, URG and CWR are not joined to one, though CWR may begin
/// it. Segments without payload, fragments, packets with IP options or extension headers, and whatever has a
/// wrong checksum pass as they are, so that their name is found where it always is. The order of the frames is kept.
///
/// What comes of a run is a packet of several parts: the link, IP and TCP headers and the first payload, and the further
/// payloads behind them, not copied. Its metadata is that of a large packet with an open checksum
/// (``PacketMetadata/segmentKind``, ``PacketMetadata/segmentSize``, ``ChecksumState/partial``), as a device hands it in.
///
/// - Complexity: O(1) a frame beside its checksum, which is computed here unless the device did; nothing is allocated.
package struct Coalescer: BitwiseCopyable, Sendable {
    /// The most segments of one run, the number of full ones of Ethernet in 64 KiB; more begin another run.
    package let segmentsMax: Int

    /// A coalescer that joins up to this many segments.
    package init(segmentsMax: Int = 45) { self.segmentsMax = max(1, segmentsMax) }

    /// Joins what can be joined in a batch.
    ///
    /// - Parameters:
    ///   - batch: frames as a driver received them.
    ///   - linkByteCount: the bytes of their link header: 14 for Ethernet, 0 for links of IP.
    /// - Returns: how many packets the batch has fewer.
    package func coalesce(_ batch: inout PacketQueue, linkByteCount: Int) -> Int {
        guard batch.count > 1 else { return 0 }
        var result = PacketQueue()
        var run = PacketQueue()
        var head = CoalescedRun()
        var frames = PacketQueue()
        swap(&frames, &batch)
        let before = frames.count
        while !frames.isEmpty {
            var frame = frames.removeFirst()
            guard let segment = CoalescedRun(frame, linkByteCount) else {
                head.close(&run, linkByteCount, into: &result)
                result.append(frame)
                continue
            }
            if !run.isEmpty, run.count < segmentsMax, head.admits(segment),
                Self.isAlike(run, frame, head, linkByteCount)
            {
                head.join(segment)
                frame.removeLast(frame.count - linkByteCount - segment.totalLength)
                frame.removeFirst(linkByteCount + segment.headerByteCount)
            } else {
                head.close(&run, linkByteCount, into: &result)
                head = segment
                frame.removeLast(frame.count - linkByteCount - segment.totalLength)
            }
            run.append(frame)
            if head.isComplete { head.close(&run, linkByteCount, into: &result) }
        }
        head.close(&run, linkByteCount, into: &result)
        swap(&result, &batch)
        return before - batch.count
    }

    /// Whether what the headers of a run must have in common is in common, as far as ``CoalescedRun/admits(_:)`` did not look.
    @inline(__always)
    private static func isAlike(
        _ run: borrowing PacketQueue, _ frame: borrowing Packet, _ head: CoalescedRun, _ linkByteCount: Int
    ) -> Bool {
        var result = false
        let other = frame.bytes
        run.forEach { first in
            let one = first.bytes
            let transport = linkByteCount + head.transportOffset
            let addresses = linkByteCount + (head.isIPv4 ? 12 : 8)
            // The link header; addresses and ports; the options.
            result =
                one.isEqual(other, in: 0..<linkByteCount)
                && one.isEqual(other, in: addresses..<transport + 4)
                && one.isEqual(other, in: transport + 20..<linkByteCount + head.headerByteCount)
            return false
        }
        return result
    }
}

/// The segments joined so far, or one that may be.
private struct CoalescedRun: BitwiseCopyable {
    var isIPv4 = false
    /// Where the TCP header begins in the IP packet.
    var transportOffset = 0
    /// The bytes of the IP and TCP headers.
    var headerByteCount = 0
    /// The bytes of the IP packet, of all segments together with one header.
    var totalLength = 0
    /// The bytes of payload of the first segment.
    var segmentSize = 0
    /// How many bytes of payload the last segment has.
    private var lastSize = 0
    private var count = 1
    private var nextSequence: UInt32 = 0
    private var acknowledgment: UInt32 = 0
    private var window: UInt16 = 0
    private var flags: TCPFlags = []
    /// Of IPv4 the type of service, the time to live and the protocol; of IPv6 the first word and the hop limit.
    private var marks: UInt64 = 0
    private var identification: UInt16 = 0
    private var dontFragment = false

    init() {}

    /// Reads a frame; `nil` when it is none that begins or goes on with a run.
    @inline(__always)
    init?(_ frame: borrowing Packet, _ linkByteCount: Int) {
        let metadata = frame.metadata
        guard frame.isContiguous, frame.isWritable, metadata.segmentSize == 0, metadata.segmentKind == .none,
            frame.count >= linkByteCount + 40
        else { return nil }
        let bytes = frame.bytes.extracting(linkByteCount..<frame.count)
        if linkByteCount == 14 {
            let type = frame.bytes.uint16(at: 12)
            guard type == (bytes.uint8(at: 0) >> 4 == 4 ? 0x0800 : 0x86DD) else { return nil }
        }
        switch bytes.uint8(at: 0) {
        case 0x45:
            isIPv4 = true
            transportOffset = 20
            totalLength = Int(bytes.uint16(at: 2))
            let fragment = bytes.uint16(at: 6)
            guard bytes.uint8(at: 9) == IPProtocol.tcp.rawValue, fragment & 0xBFFF == 0 else { return nil }
            dontFragment = fragment != 0
            identification = bytes.uint16(at: 4)
            marks = UInt64(bytes.uint8(at: 1)) << 16 | UInt64(bytes.uint8(at: 8))
        case 0x60...0x6F:
            transportOffset = 40
            guard bytes.byteCount >= 60, bytes.uint8(at: 6) == IPProtocol.tcp.rawValue else { return nil }
            totalLength = 40 + Int(bytes.uint16(at: 4))
            marks = UInt64(bytes.uint32(at: 0)) << 8 | UInt64(bytes.uint8(at: 7))
        default:
            return nil
        }
        guard totalLength >= transportOffset + 20, totalLength <= bytes.byteCount else { return nil }
        let word = bytes.uint16(at: transportOffset + 12)
        headerByteCount = transportOffset + Int(word >> 12) << 2
        flags = TCPFlags(rawValue: word)
        guard headerByteCount >= transportOffset + 20, headerByteCount < totalLength,
            flags.isDisjoint(with: [.syn, .rst, .urg]), flags.contains(.ack)
        else { return nil }
        segmentSize = totalLength - headerByteCount
        lastSize = segmentSize
        nextSequence = bytes.uint32(at: transportOffset + 4) &+ UInt32(truncatingIfNeeded: segmentSize)
        acknowledgment = bytes.uint32(at: transportOffset + 8)
        window = bytes.uint16(at: transportOffset + 14)
        guard areSumsRight(bytes, metadata.checksum) else { return nil }
    }

    /// Whether the checksums of a segment say that it is as it was sent (RFC 791 §3.1, RFC 9293 §3.1).
    @inline(__always)
    private func areSumsRight(_ bytes: RawSpan, _ state: ChecksumState) -> Bool {
        if isIPv4, InternetChecksum.finish(InternetChecksum.sum(bytes.extracting(0..<20))) != 0 { return false }
        guard state == .unknown else { return true }
        let pseudo = bytes.pseudoHeader(isIPv4: isIPv4, .tcp, length: totalLength - transportOffset)
        let sum = InternetChecksum.sum(bytes.extracting(transportOffset..<totalLength), initial: pseudo)
        return InternetChecksum.finish(sum) == 0
    }

    /// Whether nothing can follow any more: the data is for the reader now, or the stream is at its end.
    var isComplete: Bool { !flags.isDisjoint(with: [.psh, .fin]) || lastSize < segmentSize }

    /// Whether a segment is the next one of this run, as far as fields tell.
    @inline(__always)
    func admits(_ next: CoalescedRun) -> Bool {
        guard next.nextSequence &- UInt32(truncatingIfNeeded: next.segmentSize) == nextSequence,
            next.isIPv4 == isIPv4, next.marks == marks, next.headerByteCount == headerByteCount,
            next.segmentSize <= segmentSize, totalLength + next.segmentSize <= 65_535,
            // An acknowledgement that went back is an old segment.
            next.acknowledgment &- acknowledgment < 1 << 31,
            // That the window was reduced is told once (RFC 3168 §6.1.2); all else but the ends of runs is the same.
            !next.flags.contains(.cwr), next.flags.symmetricDifference(flags).isSubset(of: [.psh, .fin, .cwr])
        else { return false }
        guard isIPv4 else { return true }
        // The identification of a packet that is never fragmented means nothing (RFC 6864 §4.1).
        return next.dontFragment == dontFragment
            && (dontFragment || next.identification == identification &+ UInt16(truncatingIfNeeded: count))
    }

    @inline(__always)
    mutating func join(_ next: CoalescedRun) {
        totalLength += next.segmentSize
        lastSize = next.segmentSize
        count += 1
        nextSequence = next.nextSequence
        acknowledgment = next.acknowledgment
        window = next.window
        flags.formUnion(next.flags)
    }

    /// Makes one packet of the frames of the run, if there are any, and puts it behind the others.
    @inline(__always)
    func close(_ run: inout PacketQueue, _ linkByteCount: Int, into result: inout PacketQueue) {
        if run.count < 2 { return result.append(contentsOf: &run) }
        var whole = run.removeFirst()
        write(&whole, linkByteCount)
        while !run.isEmpty { whole.attach(run.removeFirst()) }
        result.append(whole)
    }

    /// Gives the first frame the headers of the whole.
    private func write(_ whole: inout Packet, _ linkByteCount: Int) {
        let transport = linkByteCount + transportOffset
        var span = whole.mutableBytes
        if isIPv4 {
            let total = UInt16(truncatingIfNeeded: totalLength)
            let sum = span.bytes.uint16(at: linkByteCount + 10)
            let old = span.bytes.uint16(at: linkByteCount + 2)
            span.store(total, at: linkByteCount + 2)
            span.store(InternetChecksum.update(sum, old: old, new: total), at: linkByteCount + 10)
        } else {
            span.store(UInt16(truncatingIfNeeded: totalLength - 40), at: linkByteCount + 4)
        }
        span.store(acknowledgment, at: transport + 8)
        let offset = span.bytes.uint16(at: transport + 12) & 0xF000
        span.store(offset | flags.rawValue, at: transport + 12)
        span.store(window, at: transport + 14)
        let pseudo = span.bytes.extracting(linkByteCount..<transport).pseudoHeader(
            isIPv4: isIPv4, .tcp, length: totalLength - transportOffset)
        span.store(InternetChecksum.unfinished(pseudo), at: transport + 16)
        whole.metadata.checksum = .partial
        whole.metadata.checksumStart = UInt16(truncatingIfNeeded: transportOffset)
        whole.metadata.checksumOffset = UInt16(TCPHeader.checksumOffset)
        whole.metadata.segmentKind = isIPv4 ? .tcp4 : .tcp6
        whole.metadata.segmentSize = UInt16(truncatingIfNeeded: segmentSize)
    }
}

extension RawSpan {
    /// Whether both spans have the same bytes in a range that lies in both.
    @inline(__always)
    fileprivate func isEqual(_ other: RawSpan, in range: Range<Int>) -> Bool {
        var position = range.lowerBound
        while position + 4 <= range.upperBound {
            if uint32(at: position) != other.uint32(at: position) { return false }
            position += 4
        }
        while position < range.upperBound {
            if uint8(at: position) != other.uint8(at: position) { return false }
            position += 1
        }
        return true
    }
}
