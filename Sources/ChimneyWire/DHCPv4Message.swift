public import ChimneyPrimitives

/// Why an option cannot be added to a DHCP message.
@frozen
public enum DHCPv4OptionsError: Error, Hashable, Sendable {
    /// The options would take more bytes than ``DHCPv4Options/bytesMax``.
    case noRoom(max: Int)
    /// Padding and the end are no options.
    case notAnOption
}

/// The options of a DHCP message to send, in the order in which they were added.
public struct DHCPv4Options: Hashable, Sendable {
    /// The options as they go on the wire, without the end.
    public private(set) var bytes: [UInt8] = []

    /// No options.
    public init() {}

    /// The most bytes of options, so that the message fits an Ethernet frame; an option that does not fit is refused.
    public static var bytesMax: Int { 1_472 - DHCPv4Message.optionsOffset - 4 }

    /// Adds an option; one of more than 255 bytes goes in several parts (RFC 3396 §6).
    public mutating func append(_ code: DHCPv4OptionCode, _ data: [UInt8]) throws(DHCPv4OptionsError) {
        guard code != .pad, code != .end else { throw .notAnOption }
        let parts = max(1, (data.count + 254) / 255)
        guard bytes.count + data.count + 2 * parts <= Self.bytesMax else { throw .noRoom(max: Self.bytesMax) }
        var rest = data[...]
        for _ in 0..<parts {
            let part = rest.prefix(255)
            bytes.append(code.rawValue)
            bytes.append(UInt8(part.count))
            bytes += part
            rest = rest.dropFirst(255)
        }
    }

    /// Adds an option that is a number.
    public mutating func append(
        _ code: DHCPv4OptionCode, _ number: some FixedWidthInteger & UnsignedInteger
    ) throws(DHCPv4OptionsError) {
        try append(
            code, (0..<number.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) })
    }

    /// Adds an option that is a list of addresses.
    public mutating func append(_ code: DHCPv4OptionCode, _ addresses: [IPv4Address]) throws(DHCPv4OptionsError) {
        try append(
            code,
            addresses.flatMap { address in
                [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address.bits >> UInt32($0)) }
            })
    }

    /// Adds an option that is text.
    public mutating func append(_ code: DHCPv4OptionCode, _ text: String) throws(DHCPv4OptionsError) {
        try append(code, Array(text.utf8))
    }
}

/// A DHCP message over Ethernet to send (RFC 2131 §2).
public struct DHCPv4Message: Hashable, Sendable {
    /// What the message is for; written as the first option.
    public var type: DHCPv4MessageType
    /// The number that the client chose for this exchange.
    public var transaction: UInt32
    /// How many seconds the client has been at it.
    public var seconds: UInt16 = 0
    /// Whether the client cannot take answers sent to its address alone yet.
    public var wantsBroadcast = false
    /// The address that the client has and answers for.
    public var clientAddress = IPv4Address.any
    /// The address that the server offers or grants.
    public var yourAddress = IPv4Address.any
    /// The relay through which it came.
    public var relay = IPv4Address.any
    /// The link address of the client.
    public var hardware: MACAddress
    /// The options behind the message type.
    public var options = DHCPv4Options()

    /// A message without addresses and further options.
    public init(_ type: DHCPv4MessageType, transaction: UInt32, hardware: MACAddress) {
        self.type = type
        self.transaction = transaction
        self.hardware = hardware
    }

    /// The port that clients listen at.
    @inlinable
    public static var clientPort: UInt16 { 68 }
    /// The port that servers listen at.
    @inlinable
    public static var serverPort: UInt16 { 67 }

    /// Bytes before the magic cookie: 236.
    static var fixedByteCount: Int { 236 }
    /// Where the options begin: 240.
    static var optionsOffset: Int { 240 }
    /// Where the name of the server stands.
    static var serverNameOffset: Int { 44 }
    /// Bytes of the name of the server.
    static var serverNameByteCount: Int { 64 }
    /// Where the name of the boot file stands.
    static var fileOffset: Int { 108 }
    /// Bytes of the name of the boot file.
    static var fileByteCount: Int { 128 }
    /// What says that options follow (RFC 2131 §3).
    static var cookie: UInt32 { 0x6382_5363 }
    /// The hardware type of Ethernet.
    static var ethernet: UInt8 { 1 }

    /// Whether a server sends it.
    public var isReply: Bool {
        switch type {
        case .offer, .acknowledge, .refuse: true
        case .discover, .request, .decline, .release, .inform: false
        }
    }

    /// Bytes on the wire, never fewer than the 300 that old relays expect (RFC 1542 §2.1).
    public var byteCount: Int { max(300, Self.optionsOffset + 3 + options.bytes.count + 1) }

    /// Writes the message at `offset`, where ``byteCount`` bytes must be free, and returns their count.
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        var out = span.part(at: offset, count: byteCount)
        for place in 0..<byteCount { out.store(UInt8(0), at: place) }
        out.store(isReply ? UInt8(2) : 1, at: 0)
        out.store(Self.ethernet, at: 1)
        out.store(UInt8(6), at: 2)
        out.store(transaction, at: 4)
        out.store(seconds, at: 8)
        out.store(wantsBroadcast ? UInt16(0x8000) : 0, at: 10)
        out.store(clientAddress.bits, at: 12)
        out.store(yourAddress.bits, at: 16)
        out.store(relay.bits, at: 24)
        out.store(hardware.bits << 16, at: 28)
        out.store(Self.cookie, at: Self.fixedByteCount)
        out.store(DHCPv4OptionCode.messageType.rawValue, at: Self.optionsOffset)
        out.store(UInt8(1), at: Self.optionsOffset + 1)
        out.store(type.rawValue, at: Self.optionsOffset + 2)
        for (place, byte) in options.bytes.enumerated() { out.store(byte, at: Self.optionsOffset + 3 + place) }
        out.store(DHCPv4OptionCode.end.rawValue, at: Self.optionsOffset + 3 + options.bytes.count)
        return byteCount
    }
}
