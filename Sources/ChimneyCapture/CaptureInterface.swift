/// What the packets of a captured interface begin with: a number of the tcpdump.org registry.
@frozen
public struct CaptureLinkType: RawRepresentable, Hashable, Sendable {
    /// The number.
    public let rawValue: UInt16
    /// The type with this number.
    @inlinable
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// An Ethernet header.
    @inlinable
    public static var ethernet: Self { Self(rawValue: 1) }
    /// An IPv4 or IPv6 header.
    @inlinable
    public static var rawIP: Self { Self(rawValue: 101) }
}

/// An interface of a capture.
public struct CaptureInterface: Hashable, Sendable {
    /// Its name; `nil` where the file gives none.
    public var name: String?
    /// What its packets begin with.
    public var linkType: CaptureLinkType
    /// The most bytes kept of a packet; 0 for all.
    public var snapBytes: UInt32
    /// How many units of its timestamps make a second: a power of ten or of two.
    public var unitsPerSecond: UInt64
    /// Seconds to add to its timestamps.
    public var offsetSeconds: Int64

    /// An interface whose timestamps count nanoseconds.
    public init(name: String?, linkType: CaptureLinkType = .ethernet, snapBytes: UInt32 = 0) {
        self.name = name
        self.linkType = linkType
        self.snapBytes = snapBytes
        unitsPerSecond = 1_000_000_000
        offsetSeconds = 0
    }

    /// Nanoseconds since 1970 of a timestamp; the earliest or latest expressible where it is beyond.
    func nanoseconds(_ units: UInt64) -> UInt64 {
        let (seconds, rest) = units.quotientAndRemainder(dividingBy: unitsPerSecond)
        let scaled = rest.multipliedFullWidth(by: 1_000_000_000)
        // The remainder is below the divisor, so that the quotient fits.
        let fraction = unitsPerSecond.dividingFullWidth(scaled).quotient
        let whole = Int64(clamping: seconds).addingReportingOverflow(offsetSeconds)
        if whole.overflow { return .max }
        guard whole.partialValue >= 0 else { return 0 }
        let (nanoseconds, over) = UInt64(whole.partialValue).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, above) = nanoseconds.addingReportingOverflow(fraction)
        return over || above ? .max : sum
    }
}

/// Which way a captured packet went.
public enum CaptureDirection: UInt8, Hashable, Sendable {
    /// The capture does not say.
    case unknown
    /// It was received.
    case inbound
    /// It was sent.
    case outbound
}

/// One packet of a capture.
public struct CapturedPacket: Hashable, Sendable {
    /// The index of its interface in ``CaptureReader/interfaces``.
    public var interface: Int
    /// Nanoseconds since 1970, or since the clock of a lab began; 0 where the file gives no time.
    public var nanoseconds: UInt64
    /// Where its bytes are in the file.
    public var range: Range<Int>
    /// How long it was on the link.
    public var originalByteCount: Int
    /// Which way it went.
    public var direction: CaptureDirection
    /// What was written beside it.
    public var comments: [String]
}
