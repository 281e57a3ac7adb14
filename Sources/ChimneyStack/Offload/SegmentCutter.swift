package import ChimneyPrimitives
import ChimneyWire

/// What is written into the checksum fields of the segments that a packet is cut into.
package enum SegmentChecksum: Sendable, BitwiseCopyable {
    /// The checksum, computed along with the copy.
    case complete
    /// The sum of the pseudo-header, for a device that completes it.
    case partial
}

/// Why a packet was not cut.
package enum SegmentCutError: Error, Hashable, Sendable, CaseIterable {
    /// The headers are not those of a whole TCP or UDP packet in the family that the metadata names, or not in the first part.
    case headersMalformed
    /// The packet says that it is not to be cut, or to be cut into segments without payload.
    case noSegmentSize
    /// There would be more than ``SegmentCutter/segmentsMax`` segments.
    case tooManySegments
    /// The packet pool is at its bound.
    case noBuffer
}

/// Cuts one large TCP or UDP packet into the packets that a link carries: what a device with segmentation offload does.
///
/// A large packet begins with its IP header, which lies with that of the transport in the first part; the payload may be
/// in any number of parts. ``PacketMetadata/segmentKind`` says what it is and ``PacketMetadata/segmentSize`` how many bytes
/// of payload go into each segment. All but the last get exactly so many.
///
/// Each segment has the headers of the whole with these changes: the lengths; the identification of IPv4, which counts
/// up from that of the whole (RFC 6864 §4.2); the sequence number; FIN and PSH, which only the last one keeps
/// (RFC 9293 §3.9.1); CWR, which only the first one keeps (RFC 3168 §6.1.2); the checksums. The payload is copied in the
/// same pass that sums it up. Whoever asks for urgent data does not get it cut.
///
/// - Complexity: O(bytes); each segment takes a buffer of the pool, nothing else is allocated.
package struct SegmentCutter: BitwiseCopyable, Sendable {
    /// The most segments of one packet, 65,535 bytes in segments of 32; a packet of more is refused.
    package static var segmentsMax: Int { 2_048 }

    /// Where the transport header begins.
    package let transportOffset: Int
    /// The bytes of the headers, which each segment repeats.
    package let headerByteCount: Int
    /// The bytes of payload to be shared out.
    package let payloadByteCount: Int
    /// The bytes of payload of each segment but the last.
    package let segmentSize: Int
    private let isIPv4: Bool
    private let isTCP: Bool

    /// Reads what has to be known to cut a packet, whatever its bytes are.
    @inline(__always)
    package init(_ packet: borrowing Packet) throws(SegmentCutError) {
        let bytes = packet.bytes
        let kind = packet.metadata.segmentKind
        segmentSize = Int(packet.metadata.segmentSize)
        guard segmentSize > 0, kind != .none else { throw .noSegmentSize }
        guard bytes.byteCount >= 20 else { throw .headersMalformed }
        isTCP = kind != .udp
        let number: IPProtocol = isTCP ? .tcp : .udp
        switch bytes.uint8(at: 0) >> 4 {
        case 4:
            isIPv4 = true
            transportOffset = Int(bytes.uint8(at: 0) & 0xF) << 2
            guard kind != .tcp6, transportOffset >= 20, bytes.uint8(at: 9) == number.rawValue,
                bytes.uint16(at: 6) & 0x3FFF == 0
            else { throw .headersMalformed }
        case 6:
            isIPv4 = false
            guard kind != .tcp4, bytes.byteCount >= 40 else { throw .headersMalformed }
            if bytes.uint8(at: 6) == number.rawValue {
                transportOffset = 40
            } else {
                // Behind extension headers: whoever left the checksum open said where the transport begins.
                guard packet.metadata.checksum == .partial else { throw .headersMalformed }
                transportOffset = Int(packet.metadata.checksumStart)
                guard transportOffset > 40, bytes.uint8(at: 6) != IPProtocol.fragment.rawValue else {
                    throw .headersMalformed
                }
            }
        default:
            throw .headersMalformed
        }
        if isTCP {
            guard bytes.byteCount >= transportOffset + 20 else { throw .headersMalformed }
            let length = Int(bytes.uint8(at: transportOffset + 12) >> 4) << 2
            guard length >= 20 else { throw .headersMalformed }
            headerByteCount = transportOffset + length
        } else {
            headerByteCount = transportOffset + 8
        }
        guard headerByteCount <= bytes.byteCount else { throw .headersMalformed }
        payloadByteCount = packet.totalCount - headerByteCount
    }

    /// How many segments there will be; a packet without payload makes one.
    package var segmentCount: Int { max(1, (payloadByteCount + segmentSize - 1) / segmentSize) }

    /// The bytes of the largest segment, its IP header included: what is compared with an MTU.
    package var segmentByteCount: Int { headerByteCount + min(segmentSize, payloadByteCount) }

    /// Appends the segments of a packet to `segments`, in order; on an error none.
    ///
    /// The packet is as it was, and must be the one this was made of.
    package func cut(
        _ packet: borrowing Packet, checksum: SegmentChecksum, pool: PacketPool, into segments: inout PacketQueue
    ) throws(SegmentCutError) {
        guard segmentCount <= Self.segmentsMax else { throw .tooManySegments }
        var made = PacketQueue()
        var place = PartPlace()
        var position = 0
        for index in 0..<segmentCount {
            let length = min(segmentSize, payloadByteCount - position)
            guard var segment = pool.allocate(headroom: 128, count: headerByteCount + length),
                segment.append(packet.bytes.extracting(0..<headerByteCount))
            else { throw .noBuffer }
            segment.metadata = packet.metadata
            segment.metadata.segmentSize = 0
            segment.metadata.segmentKind = .none
            number(&segment, index, at: position, isLast: position + length == payloadByteCount, length)
            switch checksum {
            case .complete:
                let start = segment.count
                _ = segment.extend(by: length)
                var span = segment.mutableBytes
                let sum = place.copyAndSum(packet, skipping: headerByteCount, length, into: &span, at: start)
                finish(&segment, payload: sum)
            case .partial:
                place.append(packet, skipping: headerByteCount, length, to: &segment)
                leaveOpen(&segment)
            }
            made.append(segment)
            position += length
        }
        segments.append(contentsOf: &made)
    }

    /// Writes what differs from segment to segment, but for the transport checksum, which becomes zero.
    @inline(__always)
    private func number(_ segment: inout Packet, _ index: Int, at position: Int, isLast: Bool, _ length: Int) {
        let transport = transportOffset
        var span = segment.mutableBytes
        if isTCP {
            let sequence = span.bytes.uint32(at: transport + 4) &+ UInt32(truncatingIfNeeded: position)
            span.store(sequence, at: transport + 4)
            var word = span.bytes.uint16(at: transport + 12)
            if !isLast { word &= ~(TCPFlags.fin.rawValue | TCPFlags.psh.rawValue) }
            if index > 0 { word &= ~TCPFlags.cwr.rawValue }
            span.store(word, at: transport + 12)
            span.store(UInt16(0), at: transport + 16)
        } else {
            span.store(UInt16(truncatingIfNeeded: 8 + length), at: transport + 4)
            span.store(UInt16(0), at: transport + 6)
        }
        let total = UInt16(truncatingIfNeeded: headerByteCount + length)
        if isIPv4 {
            let identification = span.bytes.uint16(at: 4) &+ UInt16(truncatingIfNeeded: index)
            span.store(total, at: 2)
            span.store(identification, at: 4)
            segment.storeIPv4HeaderChecksum(headerByteCount: transport)
        } else {
            span.store(total &- 40, at: 4)
        }
    }

    /// Writes the transport checksum of a segment whose payload has this sum (RFC 9293 §3.1, RFC 768).
    @inline(__always)
    private func finish(_ segment: inout Packet, payload sum: UInt32) {
        let all = InternetChecksum.add(headerSum(segment), sum)
        let checksum = InternetChecksum.finish(all)
        // A UDP checksum of zero says that there is none.
        segment.store16(checksum == 0 && !isTCP ? 0xFFFF : checksum, at: transportOffset + (isTCP ? 16 : 6))
        segment.metadata.checksum = .verified
    }

    /// Leaves the transport checksum of a segment, or of the whole packet, to the device; `false` when the packet is shared.
    @inline(__always)
    @discardableResult
    package func leaveOpen(_ segment: inout Packet) -> Bool {
        if segment.metadata.segmentSize != 0, segment.checksum == .partial { return true }
        guard segment.isWritable else { return false }
        let offset = isTCP ? 16 : 6
        let sum = pseudoHeader(segment)
        segment.store16(InternetChecksum.unfinished(sum), at: transportOffset + offset)
        segment.metadata.checksum = .partial
        segment.metadata.checksumStart = UInt16(truncatingIfNeeded: transportOffset)
        segment.metadata.checksumOffset = UInt16(offset)
        return true
    }

    /// The sum of the transport header and the pseudo-header.
    @inline(__always)
    private func headerSum(_ segment: borrowing Packet) -> UInt32 {
        let header = segment.bytes.extracting(transportOffset..<headerByteCount)
        return InternetChecksum.sum(header, initial: pseudoHeader(segment))
    }

    @inline(__always)
    private func pseudoHeader(_ segment: borrowing Packet) -> UInt32 {
        segment.bytes.pseudoHeader(
            isIPv4: isIPv4, isTCP ? .tcp : .udp, length: segment.totalCount - transportOffset)
    }
}

extension RawSpan {
    /// The sum of the pseudo-header for what follows the IP header at the front (RFC 9293 §3.1, RFC 8200 §8.1).
    @inline(__always)
    func pseudoHeader(isIPv4: Bool, _ number: IPProtocol, length: Int) -> UInt32 {
        // The addresses stand side by side: their sum is that of the bytes.
        let addresses = isIPv4 ? extracting(12..<20) : extracting(8..<40)
        let rest = UInt32(number.rawValue) &+ UInt32(truncatingIfNeeded: length)
        return InternetChecksum.sum(addresses, initial: rest.bigEndian)
    }
}

/// How far the parts of a packet have been read.
private struct PartPlace {
    private var part = 0
    private var offset = 0

    /// Copies the next `count` bytes behind the first `header` of the packet to `target` and gives their sum.
    @inline(__always)
    mutating func copyAndSum(
        _ packet: borrowing Packet, skipping header: Int, _ count: Int, into target: inout MutableRawSpan, at start: Int
    ) -> UInt32 {
        var sum: UInt32 = 0
        var done = 0
        while done < count {
            let bytes = next(packet, header, atMost: count - done)
            let piece = InternetChecksum.copyAndSum(bytes, into: &target, at: start + done)
            sum = InternetChecksum.add(sum, done & 1 == 0 ? piece : InternetChecksum.swapped(piece))
            done += bytes.byteCount
        }
        return sum
    }

    /// Appends a copy of the next `count` bytes behind the first `header` of the packet, for which there is room.
    @inline(__always)
    mutating func append(
        _ packet: borrowing Packet, skipping header: Int, _ count: Int, to target: inout Packet
    ) {
        var done = 0
        while done < count {
            let bytes = next(packet, header, atMost: count - done)
            _ = target.append(bytes)
            done += bytes.byteCount
        }
    }

    /// The next bytes that lie in one part; there are some.
    @inline(__always)
    @_lifetime(borrow packet)
    private mutating func next(_ packet: borrowing Packet, _ header: Int, atMost count: Int) -> RawSpan {
        if part == 0, offset == 0 { offset = header }
        var bytes = packet.slice(part)
        while offset == bytes.byteCount {
            part += 1
            offset = 0
            bytes = packet.slice(part)
        }
        let length = min(count, bytes.byteCount - offset)
        let start = offset
        offset += length
        return bytes.extracting(start..<start + length)
    }
}
