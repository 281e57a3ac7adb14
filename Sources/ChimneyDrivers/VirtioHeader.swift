package import ChimneyPrimitives

/// The 10 bytes that virtio-net puts before a frame, in the byte order of the machine
/// (virtio 1.2 §5.1.6, legacy layout), against what packet metadata says.
///
/// Metadata counts ``PacketMetadata/checksumStart`` from the network header, so that it stays right
/// from one kind of link to another; the header counts from the frame's first byte.
package struct VirtioHeader: BitwiseCopyable, Sendable {
    /// 10.
    package static var byteCount: Int { 10 }

    private static var needsChecksum: UInt8 { 1 }
    private static var dataValid: UInt8 { 2 }
    /// The device clears CWR in all segments but the first (RFC 3168 §6.1.2).
    private static var hasCWR: UInt8 { 0x80 }

    /// Whether the checksum is open, or was verified.
    package var flags: UInt8 = 0
    /// What is to be cut.
    package var segmentKind: UInt8 = 0
    /// The bytes of all headers of a frame to be cut.
    package var headerByteCount: UInt16 = 0
    /// The bytes of payload of each segment.
    package var segmentSize: UInt16 = 0
    /// Where what an open checksum covers begins.
    package var checksumStart: UInt16 = 0
    /// Where the open field stands behind that.
    package var checksumOffset: UInt16 = 0

    /// The header of a frame without anything to be done for it.
    package init() {}

    /// The header of a frame that begins with `frame`, of which the link header has `linkByteCount` bytes.
    @inline(__always)
    package init(_ metadata: PacketMetadata, of frame: RawSpan, linkByteCount: Int) {
        guard metadata.checksum == .partial else { return }
        flags = Self.needsChecksum
        checksumStart = metadata.checksumStart &+ UInt16(truncatingIfNeeded: linkByteCount)
        checksumOffset = metadata.checksumOffset
        switch metadata.segmentKind {
        case .none: return
        case .tcp4: segmentKind = 1
        case .tcp6: segmentKind = 4
        case .udp: segmentKind = 5
        }
        segmentSize = metadata.segmentSize
        headerByteCount = checksumStart &+ 8
        let flags = Int(checksumStart) + 13
        guard segmentKind != 5, flags < frame.byteCount else { return }
        // The offsets were just found inside the frame: data offset, then the low eight flags (RFC 9293 §3.1).
        let words = unsafe frame.unsafeLoadUnaligned(fromByteOffset: flags - 1, as: UInt8.self) >> 4
        headerByteCount = checksumStart &+ UInt16(words) &* 4
        if unsafe frame.unsafeLoadUnaligned(fromByteOffset: flags, as: UInt8.self) & 0x80 != 0 {
            segmentKind |= Self.hasCWR
        }
    }

    /// Reads the header from the first bytes of `bytes`, which has at least ``byteCount`` of them.
    @inline(__always)
    package init(reading bytes: RawSpan) {
        // Invariant: every byte pattern is a header, and the offsets are inside the ten bytes.
        flags = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt8.self)
        segmentKind = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 1, as: UInt8.self)
        headerByteCount = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 2, as: UInt16.self)
        segmentSize = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 4, as: UInt16.self)
        checksumStart = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 6, as: UInt16.self)
        checksumOffset = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt16.self)
    }

    /// Writes the header over the first bytes of `bytes`, which has at least ``byteCount`` of them.
    @inline(__always)
    package func write(into bytes: inout MutableRawSpan) {
        bytes.storeBytes(of: flags, toByteOffset: 0, as: UInt8.self)
        bytes.storeBytes(of: segmentKind, toByteOffset: 1, as: UInt8.self)
        bytes.storeBytes(of: headerByteCount, toByteOffset: 2, as: UInt16.self)
        bytes.storeBytes(of: segmentSize, toByteOffset: 4, as: UInt16.self)
        bytes.storeBytes(of: checksumStart, toByteOffset: 6, as: UInt16.self)
        bytes.storeBytes(of: checksumOffset, toByteOffset: 8, as: UInt16.self)
    }

    /// Tells the metadata of a frame of `frameByteCount` bytes what the device found out.
    ///
    /// - Returns: `false`, with the metadata unchanged, for a header that contradicts its frame: an open checksum outside it,
    ///   segments of an unknown kind or of no bytes.
    @inline(__always)
    package func apply(to metadata: inout PacketMetadata, linkByteCount: Int, frameByteCount: Int) -> Bool {
        if flags == 0 && segmentKind == 0 { return true }
        var kind = SegmentKind.none
        if segmentKind != 0 {
            switch segmentKind & ~Self.hasCWR {
            case 1: kind = .tcp4
            case 4: kind = .tcp6
            case 5: kind = .udp
            default: return false
            }
            guard segmentSize > 0 else { return false }
        }
        if flags & Self.needsChecksum != 0 {
            let field = Int(checksumStart) + Int(checksumOffset)
            guard Int(checksumStart) >= linkByteCount, field + 2 <= frameByteCount else { return false }
            metadata.checksum = .partial
            metadata.checksumStart = checksumStart &- UInt16(truncatingIfNeeded: linkByteCount)
            metadata.checksumOffset = checksumOffset
        } else if flags & Self.dataValid != 0 {
            metadata.checksum = .verified
        }
        if kind != .none {
            metadata.segmentKind = kind
            metadata.segmentSize = segmentSize
        }
        return true
    }
}

extension RawSpan {
    /// The bytes of the link header that a frame begins with: 14, 18 behind an 802.1Q tag.
    @inline(__always)
    var ethernetByteCount: Int {
        guard byteCount >= 18 else { return 14 }
        // The offsets are inside the frame.
        let type = unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromByteOffset: 12, as: UInt16.self))
        return type == 0x8100 || type == 0x88A8 ? 18 : 14
    }
}
