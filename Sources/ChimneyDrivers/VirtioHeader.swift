import ChimneyPrimitives

/// The 10 bytes that virtio-net puts before a frame, in the byte order of the machine
/// (virtio 1.2 §5.1.6, legacy layout), against what packet metadata says.
///
/// Metadata counts ``PacketMetadata/checksumStart`` from the network header, so that it stays right
/// from one kind of link to another; the header counts from the frame's first byte.
struct VirtioHeader: BitwiseCopyable {
    static var byteCount: Int { 10 }

    private static var needsChecksum: UInt8 { 1 }
    private static var dataValid: UInt8 { 2 }

    var flags: UInt8 = 0
    var segmentKind: UInt8 = 0
    var headerByteCount: UInt16 = 0
    var segmentSize: UInt16 = 0
    var checksumStart: UInt16 = 0
    var checksumOffset: UInt16 = 0

    /// The header of a frame whose link header has `linkByteCount` bytes and which begins with `frame`.
    @inline(__always)
    init(_ metadata: PacketMetadata, linkByteCount: Int) {
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
        headerByteCount = checksumStart &+ (segmentKind == 5 ? 8 : 20)
    }

    /// Reads the header from the first bytes of `bytes`, which has at least ``byteCount`` of them.
    @inline(__always)
    init(reading bytes: RawSpan) {
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
    func write(into bytes: inout MutableRawSpan) {
        bytes.storeBytes(of: flags, toByteOffset: 0, as: UInt8.self)
        bytes.storeBytes(of: segmentKind, toByteOffset: 1, as: UInt8.self)
        bytes.storeBytes(of: headerByteCount, toByteOffset: 2, as: UInt16.self)
        bytes.storeBytes(of: segmentSize, toByteOffset: 4, as: UInt16.self)
        bytes.storeBytes(of: checksumStart, toByteOffset: 6, as: UInt16.self)
        bytes.storeBytes(of: checksumOffset, toByteOffset: 8, as: UInt16.self)
    }

    /// Tells the metadata of a frame of `frameByteCount` bytes what the device found out.
    ///
    /// A header that contradicts its frame leaves the checksum unknown: the stack then looks itself.
    @inline(__always)
    func apply(to metadata: inout PacketMetadata, linkByteCount: Int, frameByteCount: Int) {
        if flags == 0 && segmentKind == 0 { return }
        let field = Int(checksumStart) + Int(checksumOffset)
        if flags & Self.needsChecksum != 0, Int(checksumStart) >= linkByteCount, field + 2 <= frameByteCount {
            metadata.checksum = .partial
            metadata.checksumStart = checksumStart &- UInt16(truncatingIfNeeded: linkByteCount)
            metadata.checksumOffset = checksumOffset
        } else if flags & Self.dataValid != 0 {
            metadata.checksum = .verified
        }
        switch segmentKind & 0x7F {
        case 1: metadata.segmentKind = .tcp4
        case 4: metadata.segmentKind = .tcp6
        case 5: metadata.segmentKind = .udp
        default: return
        }
        metadata.segmentSize = segmentSize
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
