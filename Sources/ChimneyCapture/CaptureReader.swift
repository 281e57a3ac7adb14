/// Reads captures: pcap and pcapng, either byte order, any timestamp resolution.
///
/// The whole file is given as an array; packets are ranges of it. Whatever the file holds, the reader
/// either gives packets or throws a ``CaptureError`` that names the offset, and every call takes it
/// further or ends it. After an error ``next()`` gives `nil`: packets read before it stand.
public struct CaptureReader: Sendable {
    /// The file.
    public let bytes: [UInt8]
    /// The interfaces described so far, those of earlier sections first.
    ///
    /// A pcap file has one, without a name.
    public private(set) var interfaces: [CaptureInterface] = []
    private var position: Int
    private var isBigEndian: Bool
    private let format: Format
    /// Where the interfaces of the section being read begin.
    private var sectionStart = 0

    /// The largest block that is read; a longer one is an error.
    public static var blockBytesMax: Int { 16 << 20 }
    /// The largest packet that is read; a longer one is an error.
    public static var packetBytesMax: Int { 1 << 20 }
    /// The most interfaces in a file; one more is an error.
    public static var interfacesMax: Int { 65_536 }

    private enum Format: Sendable { case pcap, pcapng }

    /// Reads the file's first header.
    public init(_ bytes: [UInt8]) throws(CaptureError) {
        self.bytes = bytes
        position = 0
        isBigEndian = false
        guard bytes.count >= 4 else { throw .truncated(offset: 0, needed: 4, available: bytes.count) }
        let mark = UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16 | UInt32(bytes[3]) << 24
        let unitsPerSecond: UInt64
        switch mark {
        case 0x0A0D_0D0A:
            format = .pcapng
            try readSection()
            return
        case 0xA1B2_C3D4: unitsPerSecond = 1_000_000
        case 0xA1B2_3C4D: unitsPerSecond = 1_000_000_000
        case 0xD4C3_B2A1:
            unitsPerSecond = 1_000_000
            isBigEndian = true
        case 0x4D3C_B2A1:
            unitsPerSecond = 1_000_000_000
            isBigEndian = true
        default: throw .notACapture
        }
        format = .pcap
        try need(24, at: 0)
        let (major, minor) = (uint16(at: 4), uint16(at: 6))
        guard major == 2 else { throw .unsupportedVersion(major: major, minor: minor, offset: 4) }
        let linkType = CaptureLinkType(rawValue: uint16(at: isBigEndian ? 22 : 20))
        var interface = CaptureInterface(name: nil, linkType: linkType)
        interface.snapBytes = uint32(at: 16)
        interface.unitsPerSecond = unitsPerSecond
        interfaces = [interface]
        position = 24
    }

    /// Reads up to the next packet; `nil` at the end of the file.
    public mutating func next() throws(CaptureError) -> CapturedPacket? {
        guard position < bytes.count else { return nil }
        let start = position
        do throws(CaptureError) {
            switch format {
            case .pcap: return try readRecord()
            case .pcapng: return try readBlocks()
            }
        } catch {
            precondition(position >= start, "a capture is read forwards")
            position = bytes.count
            throw error
        }
    }

    /// The bytes of a packet.
    public subscript(_ packet: CapturedPacket) -> ArraySlice<UInt8> { bytes[packet.range] }

    private mutating func readRecord() throws(CaptureError) -> CapturedPacket {
        try need(16, at: position)
        let kept = Int(uint32(at: position + 8))
        guard kept <= Self.packetBytesMax else { throw .badPacketLength(kept, offset: position + 8) }
        try need(16 + kept, at: position)
        let perSecond = interfaces[0].unitsPerSecond
        let units = UInt64(uint32(at: position)) * perSecond + UInt64(uint32(at: position + 4))
        let packet = CapturedPacket(
            interface: 0, nanoseconds: interfaces[0].nanoseconds(units),
            range: position + 16..<position + 16 + kept, originalByteCount: Int(uint32(at: position + 12)),
            direction: .unknown, comments: [])
        position += 16 + kept
        return packet
    }

    private mutating func readBlocks() throws(CaptureError) -> CapturedPacket? {
        while position < bytes.count {
            try need(12, at: position)
            let type = uint32(at: position)
            if type == 0x0A0D_0D0A {
                try readSection()
                continue
            }
            let end = position + (try blockLength())
            switch type {
            case 1: try readInterface(end: end)
            case 2, 3, 6:
                let packet = try readPacket(type: type, end: end)
                position = end
                return packet
            default: break  // Unknown blocks are skipped, as the format asks.
            }
            position = end
        }
        return nil
    }

    /// A section header: its byte-order mark decides how everything up to the next one is read.
    private mutating func readSection() throws(CaptureError) {
        try need(28, at: position)
        isBigEndian = false
        switch uint32(at: position + 8) {
        case 0x1A2B_3C4D: break
        case 0x4D3C_2B1A: isBigEndian = true
        case let mark: throw .badByteOrderMark(mark, offset: position + 8)
        }
        let (major, minor) = (uint16(at: position + 12), uint16(at: position + 14))
        guard major == 1 else { throw .unsupportedVersion(major: major, minor: minor, offset: position + 12) }
        let length = try blockLength()
        guard length >= 28 else { throw .badBlockLength(length, offset: position + 4) }
        position += length
        sectionStart = interfaces.count
    }

    /// The length of the block at `position`, found whole and written twice.
    private func blockLength() throws(CaptureError) -> Int {
        let length = Int(uint32(at: position + 4))
        guard length >= 12 && length % 4 == 0 && length <= Self.blockBytesMax else {
            throw .badBlockLength(length, offset: position + 4)
        }
        try need(length, at: position)
        let last = Int(uint32(at: position + length - 4))
        guard last == length else { throw .lengthMismatch(first: length, last: last, offset: position + length - 4) }
        return length
    }

    private mutating func readInterface(end: Int) throws(CaptureError) {
        guard end - position >= 20 else { throw .badBlockLength(end - position, offset: position + 4) }
        guard interfaces.count < Self.interfacesMax else {
            throw .tooManyInterfaces(limit: Self.interfacesMax, offset: position)
        }
        var interface = CaptureInterface(name: nil, linkType: CaptureLinkType(rawValue: uint16(at: position + 8)))
        interface.snapBytes = uint32(at: position + 12)
        interface.unitsPerSecond = 1_000_000
        try forEachOption(from: position + 16, to: end - 4) { code, range in
            switch code {
            case 2: interface.name = String(decoding: bytes[range], as: UTF8.self)
            case 9 where range.count == 1:
                let value = bytes[range.lowerBound]
                let exponent = Int(value & 0x7F)
                if value & 0x80 != 0 {
                    interface.unitsPerSecond = 1 << UInt64(min(exponent, 63))
                } else {
                    interface.unitsPerSecond = (0..<min(exponent, 19)).reduce(1) { power, _ in power * 10 }
                }
            case 14 where range.count == 8:
                interface.offsetSeconds = Int64(bitPattern: uint64(at: range.lowerBound))
            default: break  // Other options are the file's own affair.
            }
        }
        interfaces.append(interface)
    }

    /// An enhanced (6), simple (3) or obsolete (2) packet block.
    private func readPacket(type: UInt32, end: Int) throws(CaptureError) -> CapturedPacket {
        let head = type == 3 ? 12 : 28
        guard end - position >= head + 4 else { throw .badBlockLength(end - position, offset: position + 4) }
        let number: Int
        switch type {
        case 3: number = 0
        case 2: number = Int(uint16(at: position + 8))
        default: number = Int(uint32(at: position + 8))
        }
        guard number < interfaces.count - sectionStart else {
            throw .unknownInterface(number, offset: position + 8)
        }
        let interface = interfaces[sectionStart + number]
        let original = Int(uint32(at: position + (type == 3 ? 8 : 24)))
        var kept = Int(uint32(at: position + (type == 3 ? 8 : 20)))
        if type == 3 && interface.snapBytes > 0 { kept = min(kept, Int(interface.snapBytes)) }
        let start = position + head
        guard kept <= end - 4 - start && kept <= Self.packetBytesMax else {
            throw .badPacketLength(kept, offset: position + (type == 3 ? 8 : 20))
        }
        var packet = CapturedPacket(
            interface: sectionStart + number, nanoseconds: 0, range: start..<start + kept,
            originalByteCount: original, direction: .unknown, comments: [])
        if type != 3 {
            packet.nanoseconds = interface.nanoseconds(
                UInt64(uint32(at: position + 12)) << 32 | UInt64(uint32(at: position + 16)))
            try forEachOption(from: start + (kept + 3) / 4 * 4, to: end - 4) { code, range in
                switch code {
                case 1: packet.comments.append(String(decoding: bytes[range], as: UTF8.self))
                case 2 where range.count == 4:
                    packet.direction = CaptureDirection(rawValue: UInt8(uint32(at: range.lowerBound) & 3)) ?? .unknown
                default: break  // Other options are the file's own affair.
                }
            }
        }
        return packet
    }

    private func forEachOption(
        from start: Int, to end: Int, _ body: (_ code: UInt16, _ range: Range<Int>) -> Void
    ) throws(CaptureError) {
        var offset = start
        while end - offset >= 4 {
            let (code, count) = (uint16(at: offset), Int(uint16(at: offset + 2)))
            if code == 0 { return }
            guard count <= end - offset - 4 else { throw .badOption(code: code, byteCount: count, offset: offset) }
            body(code, offset + 4..<offset + 4 + count)
            offset += 4 + (count + 3) / 4 * 4
        }
    }

    private func need(_ count: Int, at offset: Int) throws(CaptureError) {
        guard bytes.count - offset >= count else {
            throw .truncated(offset: offset, needed: count, available: bytes.count - offset)
        }
    }

    private func uint16(at offset: Int) -> UInt16 { UInt16(number(at: offset, count: 2)) }
    private func uint32(at offset: Int) -> UInt32 { UInt32(number(at: offset, count: 4)) }
    private func uint64(at offset: Int) -> UInt64 { number(at: offset, count: 8) }

    private func number(at offset: Int, count: Int) -> UInt64 {
        var value: UInt64 = 0
        for k in 0..<count {
            value = value << 8 | UInt64(bytes[isBigEndian ? offset + k : offset + count - 1 - k])
        }
        return value
    }
}
