import ChimneyPrimitives
import ChimneyWire

/// What a socket remembers about its last destination, so that the next datagram to it looks nothing up.
struct UDPPath: BitwiseCopyable {
    var destination = Endpoint.any
    /// The stack's configuration generation when the path was found; any change makes it stale.
    var generation: UInt64 = 0
    /// The interface it leaves by.
    var port = SlotID(index: -1, generation: 0)
    var mtu = 0
    var isIPv6 = false
    /// Whether the destination is an address of ours.
    var isLocal = false
    var isBroadcast = false
    var isLinkGroup = false
    /// Whether the destination is a group, and whether members of this stack are to receive from it what the socket sends.
    var isGroup = false
    var loops = false
    /// Whether datagrams do not leave this host.
    var staysInside = false
    /// Whether datagrams do anything but leave by the interface.
    var isSpecial = false
    var withChecksum = true
    /// The identification of the next IPv4 datagram.
    var identification: UInt16 = 0
    /// The source in the shape that both families share.
    var source = IPv6Address.any
    /// The next hop in the shape that both families share.
    var nextHop = IPv6Address.any
    /// The checksum's sum of pseudo-header and ports, less the lengths.
    var pseudoSum: UInt32 = 0
    /// The IP header's first four bytes, of IPv4 less the total length.
    var firstWord: UInt32 = 0
    /// IPv4: the sum of the header's 16-bit numbers, less total length and identification.
    var headerSum: UInt32 = 0
    /// IPv4: flags and fragment offset.
    var fragmentWord: UInt32 = 0
    /// IPv4: the header's bytes 8 to 11 less the checksum.
    ///
    /// IPv6: the bytes 4 to 7 less the payload length.
    var limitWord: UInt32 = 0
    /// Source and destination port.
    var portWord: UInt32 = 0

    /// Bytes of the headers before the payload.
    @inline(__always)
    var headerByteCount: Int { isIPv6 ? 48 : 28 }

    var ipv4Source: IPv4Address { IPv4Address(bits: UInt32(truncatingIfNeeded: source.low)) }
    var ipv4NextHop: IPv4Address { IPv4Address(bits: UInt32(truncatingIfNeeded: nextHop.low)) }

    /// Computes what is the same in the headers of every datagram along this path.
    mutating func prepare(localPort: UInt16, options: UDPOptions, timeToLive: UInt8, flowLabel: UInt32) {
        withChecksum = options.checksum || isIPv6
        portWord = UInt32(localPort) << 16 | UInt32(destination.port)
        if isIPv6 {
            firstWord = 0x6000_0000 | UInt32(options.typeOfService) << 20 | flowLabel
            limitWord = UInt32(IPProtocol.udp.rawValue) << 8 | UInt32(timeToLive)
            pseudoSum = InternetChecksum.pseudoHeader(
                source, destination.mapped, protocol: IPProtocol.udp.rawValue, length: 0)
        } else {
            let target = UInt32(truncatingIfNeeded: destination.mapped.low)
            firstWord = 0x4500_0000 | UInt32(options.typeOfService) << 16
            fragmentWord = options.dontFragment ? 0x4000 : 0
            limitWord = UInt32(timeToLive) << 24 | UInt32(IPProtocol.udp.rawValue) << 16
            let addresses = Self.halves(ipv4Source.bits) + Self.halves(target)
            headerSum = (firstWord >> 16) + fragmentWord + (limitWord >> 16) + addresses
            pseudoSum = InternetChecksum.pseudoHeader(
                ipv4Source, IPv4Address(bits: target), protocol: IPProtocol.udp.rawValue, length: 0)
        }
        pseudoSum = InternetChecksum.add(pseudoSum, portWord.bigEndian)
    }

    private static func halves(_ word: UInt32) -> UInt32 {
        (word >> 16) + (word & 0xFFFF)
    }
}

extension Packet {
    /// Copies a payload behind the bytes that its headers take, adding it up on the way.
    @inline(__always)
    mutating func fill(_ payload: RawSpan, behind headerByteCount: Int) -> UInt32 {
        var span = mutableBytes
        return InternetChecksum.copyAndSum(payload, into: &span, at: headerByteCount)
    }

    /// Writes IPv4 and UDP headers before a payload: the first 28 bytes, checksums included (RFC 791, RFC 768).
    @inline(__always)
    mutating func writeUDPv4(_ path: borrowing UDPPath, payloadSum: UInt32) {
        let total = UInt32(truncatingIfNeeded: count)
        let length = total &- 20
        var headerSum = path.headerSum &+ total &+ UInt32(path.identification)
        headerSum = (headerSum & 0xFFFF) &+ headerSum >> 16
        headerSum = (headerSum & 0xFFFF) &+ headerSum >> 16
        let checksum = path.withChecksum ? Self.udpChecksum(path.pseudoSum, length, payloadSum) : 0
        var span = mutableBytes
        span.store(path.firstWord | total, at: 0)
        span.store(UInt32(path.identification) << 16 | path.fragmentWord, at: 4)
        span.store(path.limitWord | ~headerSum & 0xFFFF, at: 8)
        span.store(UInt32(truncatingIfNeeded: path.source.low), at: 12)
        span.store(UInt32(truncatingIfNeeded: path.destination.mapped.low), at: 16)
        span.store(path.portWord, at: 20)
        span.store(length << 16 | checksum, at: 24)
    }

    /// Writes IPv6 and UDP headers before a payload: the first 48 bytes, checksum included (RFC 8200, RFC 768).
    @inline(__always)
    mutating func writeUDPv6(_ path: borrowing UDPPath, payloadSum: UInt32) {
        let length = UInt32(truncatingIfNeeded: count) &- 40
        let checksum = Self.udpChecksum(path.pseudoSum, length, payloadSum)
        var span = mutableBytes
        span.store(path.firstWord, at: 0)
        span.store(length << 16 | path.limitWord, at: 4)
        span.store(path.source.high, at: 8)
        span.store(path.source.low, at: 16)
        span.store(path.destination.mapped.high, at: 24)
        span.store(path.destination.mapped.low, at: 32)
        span.store(path.portWord, at: 40)
        span.store(length << 16 | checksum, at: 44)
    }

    /// The checksum field from the sums of pseudo-header and payload and the length, which counts twice: in
    /// the pseudo-header and in the header.
    @inline(__always)
    private static func udpChecksum(_ pseudoSum: UInt32, _ length: UInt32, _ payloadSum: UInt32) -> UInt32 {
        let lengths = UInt32(UInt16(truncatingIfNeeded: length).bigEndian) &* 2
        let headers = InternetChecksum.add(pseudoSum, lengths)
        let checksum = UInt32(InternetChecksum.finish(InternetChecksum.add(headers, payloadSum)))
        // All zero bits would mean that there is none (RFC 768).
        return checksum == 0 ? 0xFFFF : checksum
    }
}
