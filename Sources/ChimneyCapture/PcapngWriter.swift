public import ChimneyPrimitives

/// Writes captures in pcapng (draft-ietf-opsawg-pcapng), timestamps in nanoseconds, little-endian.
///
/// It does no I/O: each call appends bytes to an array, and what becomes of them is the caller's
/// affair. Equal calls give equal bytes.
public struct PcapngWriter: Sendable {
    private var interfaceCount = 0
    private let epochNanoseconds: UInt64

    /// Begins a file by appending its section header.
    ///
    /// - Parameters:
    ///   - application: what wrote the file, for the reader's information.
    ///   - epochNanoseconds: when the stack's clock began, in nanoseconds since 1970; 0 leaves instants as they are.
    ///   - output: receives the bytes.
    public init(application: String = "chimney", epochNanoseconds: UInt64 = 0, into output: inout [UInt8]) {
        self.epochNanoseconds = epochNanoseconds
        let start = Self.beginBlock(0x0A0D_0D0A, in: &output)
        output.append(0x1A2B_3C4D as UInt32)
        output.append(1 as UInt16)
        output.append(0 as UInt16)
        output.append(UInt64.max)
        Self.option(4, application, to: &output)
        Self.endOptions(of: &output)
        Self.endBlock(at: start, in: &output)
    }

    /// Describes an interface.
    ///
    /// - Returns: the number its packets name it by.
    public mutating func addInterface(_ interface: CaptureInterface, into output: inout [UInt8]) -> Int {
        let start = Self.beginBlock(1, in: &output)
        output.append(interface.linkType.rawValue)
        output.append(0 as UInt16)
        output.append(interface.snapBytes)
        if let name = interface.name { Self.option(2, name, to: &output) }
        Self.option(9, [9], to: &output)
        Self.endOptions(of: &output)
        Self.endBlock(at: start, in: &output)
        interfaceCount += 1
        return interfaceCount - 1
    }

    /// Appends one packet of one part.
    ///
    /// - Parameters:
    ///   - interface: a number that ``addInterface(_:into:)`` gave.
    ///   - time: when it passed.
    ///   - bytes: what was kept of it.
    ///   - originalByteCount: its length on the link; `nil` when `bytes` is all of it.
    ///   - direction: which way it went.
    ///   - comment: words beside it.
    ///   - dropReason: why it died; written as a comment `dropped: …`.
    ///   - output: receives the bytes.
    public func packet(
        interface: Int, at time: Instant, bytes: RawSpan, originalByteCount: Int? = nil,
        direction: CaptureDirection = .unknown, comment: String? = nil, dropReason: String? = nil,
        into output: inout [UInt8]
    ) {
        let start = beginPacket(
            interface: interface, at: time, byteCount: bytes.byteCount,
            originalByteCount: originalByteCount ?? bytes.byteCount, in: &output)
        Self.append(bytes, to: &output)
        endPacket(at: start, direction: direction, comment: comment, dropReason: dropReason, in: &output)
    }

    /// Appends one packet of any number of parts, or its first `snapBytes` bytes.
    ///
    /// - Parameters:
    ///   - packet: the packet, as it passes.
    ///   - interface: a number that ``addInterface(_:into:)`` gave.
    ///   - time: when it passed.
    ///   - snapBytes: the most bytes to keep.
    ///   - direction: which way it went.
    ///   - comment: words beside it.
    ///   - dropReason: why it died; written as a comment `dropped: …`.
    ///   - output: receives the bytes.
    public func packet(
        _ packet: borrowing Packet, interface: Int, at time: Instant, snapBytes: Int = 65_535,
        direction: CaptureDirection = .unknown, comment: String? = nil, dropReason: String? = nil,
        into output: inout [UInt8]
    ) {
        let total = packet.totalCount
        var left = min(total, max(0, snapBytes))
        let start = beginPacket(
            interface: interface, at: time, byteCount: left, originalByteCount: total, in: &output)
        for index in 0..<packet.sliceCount where left > 0 {
            let part = packet.slice(index)
            let kept = min(left, part.byteCount)
            Self.append(part.extracting(first: kept), to: &output)
            left -= kept
        }
        endPacket(at: start, direction: direction, comment: comment, dropReason: dropReason, in: &output)
    }

    private func beginPacket(
        interface: Int, at time: Instant, byteCount: Int, originalByteCount: Int, in output: inout [UInt8]
    ) -> Int {
        precondition(interface >= 0 && interface < interfaceCount, "a packet's interface is described before it")
        output.reserveCapacity(output.count + byteCount + 64)
        let start = Self.beginBlock(6, in: &output)
        output.append(UInt32(interface))
        let (sum, overflow) = time.nanoseconds.addingReportingOverflow(epochNanoseconds)
        let stamp = overflow ? UInt64.max : sum
        output.append(UInt32(stamp >> 32))
        output.append(UInt32(truncatingIfNeeded: stamp))
        output.append(UInt32(clamping: byteCount))
        output.append(UInt32(clamping: originalByteCount))
        return start
    }

    private func endPacket(
        at start: Int, direction: CaptureDirection, comment: String?, dropReason: String?, in output: inout [UInt8]
    ) {
        Self.pad(output.count - start, in: &output)
        if let comment { Self.option(1, comment, to: &output) }
        if let dropReason { Self.option(1, "dropped: " + dropReason, to: &output) }
        if direction != .unknown { Self.option(2, [direction.rawValue, 0, 0, 0], to: &output) }
        if comment != nil || dropReason != nil || direction != .unknown { Self.endOptions(of: &output) }
        Self.endBlock(at: start, in: &output)
    }

    private static func append(_ bytes: RawSpan, to output: inout [UInt8]) {
        // Invariant: the array copies the bytes before the closure ends.
        unsafe bytes.withUnsafeBytes { unsafe output.append(contentsOf: $0) }
    }

    private static func beginBlock(_ type: UInt32, in output: inout [UInt8]) -> Int {
        let start = output.count
        output.append(type)
        output.append(0 as UInt32)
        return start
    }

    private static func endBlock(at start: Int, in output: inout [UInt8]) {
        let length = UInt32(output.count - start + 4)
        output.append(length)
        for k in 0..<4 { output[start + 4 + k] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(k))) }
    }

    private static func option(_ code: UInt16, _ text: String, to output: inout [UInt8]) {
        option(code, Array(text.utf8.prefix(65_535)), to: &output)
    }

    private static func option(_ code: UInt16, _ value: [UInt8], to output: inout [UInt8]) {
        output.append(code)
        output.append(UInt16(value.count))
        output.append(contentsOf: value)
        pad(value.count, in: &output)
    }

    private static func endOptions(of output: inout [UInt8]) { output.append(0 as UInt32) }

    /// Pads what is `count` bytes long to a multiple of four.
    private static func pad(_ count: Int, in output: inout [UInt8]) {
        for _ in 0..<(4 - count % 4) % 4 { output.append(0 as UInt8) }
    }
}

extension [UInt8] {
    /// Appends a number, least significant byte first.
    mutating func append<Number: FixedWidthInteger & UnsignedInteger>(_ number: Number) {
        for k in 0..<Number.bitWidth / 8 { append(UInt8(truncatingIfNeeded: number >> Number(8 * k))) }
    }
}
