import ChimneyPrimitives
import ChimneyWire

/// The fields of one IPv4 header, read once and handed down the input path by value.
struct IPv4Fields: BitwiseCopyable {
    var source: IPv4Address
    var destination: IPv4Address
    var totalLength: UInt16
    var identification: UInt16
    var fragmentWord: UInt16
    var headerByteCount: Int
    var timeToLive: UInt8
    var typeOfService: UInt8
    var ipProtocol: IPProtocol
    /// Whether the first 20 bytes add up, which settles the checksum of a header without options (RFC 1071).
    var isBaseSumRight: Bool

    var dontFragment: Bool { fragmentWord & 0x4000 != 0 }
    var moreFragments: Bool { fragmentWord & 0x2000 != 0 }
    var fragmentOffset: Int { Int(fragmentWord & 0x1FFF) << 3 }
    var isFragment: Bool { fragmentWord & 0x3FFF != 0 }
    var payloadByteCount: Int { Int(totalLength) - headerByteCount }

    /// Reads a header that may be wrong in any way, of a packet with `byteCount` bytes in all its parts; `nil` where even
    /// its fixed part is not one.
    init?(_ bytes: RawSpan, of byteCount: Int? = nil) {
        guard let fields = try? Self(checking: bytes, of: byteCount ?? bytes.byteCount) else { return nil }
        self = fields
    }

    /// Reads and judges the header of a packet with `byteCount` bytes in all its parts: its lengths and version; the checksum
    /// is the caller's to check.
    @inline(__always)
    init(checking bytes: RawSpan, of byteCount: Int) throws(IPHeaderFault) {
        guard bytes.byteCount >= 20 else { throw .truncated }
        let first = bytes.uint32(at: 0)
        let second = bytes.uint32(at: 4)
        let third = bytes.uint32(at: 8)
        guard first >> 28 == 4 else { throw .version }
        headerByteCount = Int(first >> 24 & 0xF) << 2
        totalLength = UInt16(truncatingIfNeeded: first)
        guard headerByteCount >= 20, headerByteCount <= bytes.byteCount else { throw .headerLength }
        guard Int(totalLength) >= headerByteCount, Int(totalLength) <= byteCount else { throw .totalLength }
        typeOfService = UInt8(truncatingIfNeeded: first >> 16)
        identification = UInt16(truncatingIfNeeded: second >> 16)
        fragmentWord = UInt16(truncatingIfNeeded: second)
        timeToLive = UInt8(truncatingIfNeeded: third >> 24)
        ipProtocol = IPProtocol(rawValue: UInt8(truncatingIfNeeded: third >> 16))
        let fourth = bytes.uint32(at: 12)
        let fifth = bytes.uint32(at: 16)
        source = IPv4Address(bits: fourth)
        destination = IPv4Address(bits: fifth)
        var sum = UInt64(first) &+ UInt64(second) &+ UInt64(third) &+ UInt64(fourth) &+ UInt64(fifth)
        sum = (sum & 0xFFFF) &+ (sum >> 16 & 0xFFFF) &+ sum >> 32
        sum = (sum & 0xFFFF) &+ sum >> 16
        isBaseSumRight = sum == 0xFFFF
    }
}

/// What is wrong with an IP header.
enum IPHeaderFault: Error {
    case truncated, version, headerLength, totalLength

    var reason: DropReason {
        switch self {
        case .truncated: .ipTruncated
        case .version: .ipVersionWrong
        case .headerLength: .ipHeaderLengthWrong
        case .totalLength: .ipTotalLengthWrong
        }
    }
}
