import ChimneyPrimitives
import ChimneyWire

extension UDPPath {
    /// Computes what is the same in the header of every datagram along this path.
    mutating func prepare(localPort: UInt16, typeOfService: UInt8, timeToLive: UInt8, dontFragment: Bool) {
        firstWord = 0x4500_0000 | UInt32(typeOfService) << 16
        fragmentWord = dontFragment ? 0x4000 : 0
        thirdWord = UInt32(timeToLive) << 24 | UInt32(IPProtocol.udp.rawValue) << 16
        portWord = UInt32(localPort) << 16 | UInt32(destination.port)
        let addresses = Self.halves(source.bits) + Self.halves(destination.address.bits)
        headerSum = (firstWord >> 16) + fragmentWord + (thirdWord >> 16) + addresses
        pseudoSum = InternetChecksum.add(
            InternetChecksum.pseudoHeader(
                source, destination.address, protocol: IPProtocol.udp.rawValue, length: 0),
            portWord.bigEndian)
    }

    private static func halves(_ word: UInt32) -> UInt32 {
        (word >> 16) + (word & 0xFFFF)
    }
}

extension Packet {
    /// Copies a payload behind the 28 bytes that its headers take, adding it up on the way.
    @inline(__always)
    mutating func fill(_ payload: RawSpan) -> UInt32 {
        var span = mutableBytes
        return InternetChecksum.copyAndSum(payload, into: &span, at: 28)
    }

    /// Writes IPv4 and UDP headers before a payload: the first 28 bytes, checksums included (RFC 791, RFC 768).
    @inline(__always)
    mutating func writeUDP(_ path: UDPPath, payloadSum: UInt32, withChecksum: Bool) {
        let total = UInt32(truncatingIfNeeded: count)
        let length = total &- 20
        var headerSum = path.headerSum &+ total &+ UInt32(path.identification)
        headerSum = (headerSum & 0xFFFF) &+ headerSum >> 16
        headerSum = (headerSum & 0xFFFF) &+ headerSum >> 16
        var checksum: UInt32 = 0
        if withChecksum {
            // The length counts twice: in the pseudo-header and in the header.
            let lengths = UInt32(UInt16(truncatingIfNeeded: length).bigEndian) &* 2
            let headers = InternetChecksum.add(path.pseudoSum, lengths)
            checksum = UInt32(InternetChecksum.finish(InternetChecksum.add(headers, payloadSum)))
            // All zero bits would mean that there is none (RFC 768).
            if checksum == 0 { checksum = 0xFFFF }
        }
        var span = mutableBytes
        span.storeBytes(of: (path.firstWord | total).bigEndian, toByteOffset: 0, as: UInt32.self)
        span.storeBytes(
            of: (UInt32(path.identification) << 16 | path.fragmentWord).bigEndian, toByteOffset: 4, as: UInt32.self)
        span.storeBytes(of: (path.thirdWord | ~headerSum & 0xFFFF).bigEndian, toByteOffset: 8, as: UInt32.self)
        span.storeBytes(of: path.source.bits.bigEndian, toByteOffset: 12, as: UInt32.self)
        span.storeBytes(of: path.destination.address.bits.bigEndian, toByteOffset: 16, as: UInt32.self)
        span.storeBytes(of: path.portWord.bigEndian, toByteOffset: 20, as: UInt32.self)
        span.storeBytes(of: (length << 16 | checksum).bigEndian, toByteOffset: 24, as: UInt32.self)
    }
}
