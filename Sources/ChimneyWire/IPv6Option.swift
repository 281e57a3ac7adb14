/// What is wrong with the options of an IPv6 extension header, with the offset from the first byte of the packet.
@frozen
public enum IPv6OptionError: Error, Hashable, Sendable {
    /// The header ends within the option.
    case truncated(at: UInt16)
    /// A router alert, jumbo payload or other known option of another length than it has.
    case length(at: UInt16)
    /// More options than ``IPv6ExtensionLimits/optionsMax``.
    case tooManyOptions(at: UInt16)
    /// More padding in a row than ``IPv6ExtensionLimits/paddingMax``.
    case tooMuchPadding(at: UInt16)

    /// Which byte of the packet is at fault, counted from its first.
    @inlinable
    public var pointer: UInt16 {
        switch self {
        case .truncated(let at), .length(let at), .tooManyOptions(let at), .tooMuchPadding(let at): at
        }
    }
}

/// What becomes of a packet with an option that its reader does not know (RFC 8200 §4.2).
@frozen
public enum IPv6UnknownOptionAction: UInt8, Sendable, CaseIterable {
    /// The option is stepped over.
    case skip = 0
    /// The packet is dropped.
    case discard = 1
    /// The packet is dropped and its sender told.
    case discardAndReport = 2
    /// The packet is dropped and its sender told, unless it went to a group.
    case discardAndReportUnlessMulticast = 3
}

/// One option of an IPv6 extension header, read in place (RFC 8200 §4.2).
@frozen
public struct IPv6Option: ~Escapable {
    /// The option with type and length.
    public let bytes: RawSpan
    /// Where it stands in the packet.
    public let offset: Int

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, at offset: Int) {
        self.bytes = bytes
        self.offset = offset
    }

    /// Which option.
    public var type: UInt8 { bytes.uint8(at: 0) }
    /// What becomes of the packet when the type is not known.
    public var unknownAction: IPv6UnknownOptionAction {
        switch type >> 6 {
        case 0: .skip
        case 1: .discard
        case 2: .discardAndReport
        default: .discardAndReportUnlessMulticast
        }
    }
    /// Whether routers may change the data on the way.
    public var mayChange: Bool { type & 0x20 != 0 }
    /// What the option says.
    public var data: RawSpan {
        @_lifetime(copy self)
        get { bytes.extracting(2..<bytes.byteCount) }
    }
    /// What a router alert is about: 0 is MLD (RFC 2711); `nil` for another option.
    public var routerAlert: UInt16? { type == Self.routerAlertType ? bytes.uint16(at: 2) : nil }

    static var routerAlertType: UInt8 { 5 }
}

/// The options of a hop-by-hop or destination options header, read in place.
///
/// Padding is stepped over; nothing is read behind the first error.
@frozen
public struct IPv6OptionsView: ~Escapable {
    /// The header from its next-header field on.
    public let bytes: RawSpan
    @usableFromInline let start: Int
    @usableFromInline let limits: IPv6ExtensionLimits
    @usableFromInline var position = 2
    @usableFromInline var count = 0

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, at start: Int, limits: IPv6ExtensionLimits) {
        self.bytes = bytes
        self.start = start
        self.limits = limits
    }

    /// The next option that is not padding; `nil` at the end.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() throws(IPv6OptionError) -> IPv6Option? {
        var padding = 0
        while position < bytes.byteCount {
            let at = UInt16(truncatingIfNeeded: start + position)
            let type = bytes.uint8(at: position)
            if type == 0 {
                position += 1
                padding += 1
            } else {
                let left = bytes.byteCount - position
                guard left >= 2 else { throw fail(.truncated(at: at)) }
                let length = 2 + Int(bytes.uint8(at: position + 1))
                guard length <= left else { throw fail(.truncated(at: at + 1)) }
                if type != 1 {
                    guard count < limits.optionsMax else { throw fail(.tooManyOptions(at: at)) }
                    guard type != IPv6Option.routerAlertType || length == 4 else { throw fail(.length(at: at + 1)) }
                    let option = IPv6Option(bytes.extracting(position..<position + length), at: Int(at))
                    count += 1
                    position += length
                    return option
                }
                position += length
                padding += length
            }
            guard padding <= limits.paddingMax else { throw fail(.tooMuchPadding(at: at)) }
        }
        return nil
    }

    @_lifetime(self: copy self)
    private mutating func fail(_ error: IPv6OptionError) -> IPv6OptionError {
        position = bytes.byteCount
        return error
    }
}
