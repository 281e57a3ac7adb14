public import ChimneyPrimitives

/// Why bytes are not a DHCP message.
@frozen
public enum DHCPv4Error: Error, Hashable, Sendable, CaseIterable {
    /// Shorter than the fixed fields and the four bytes that say that options follow.
    case truncated
    /// Neither a request nor a reply.
    case operation
    /// The link is not Ethernet, or its address is not six bytes.
    case hardware
    /// The options do not begin with the magic cookie: this is BOOTP without options, or something else.
    case cookie
    /// An option reaches beyond its field.
    case optionTruncated
    /// An option has a length that its kind cannot have.
    case optionLength
    /// The option that says which fields hold more options has none of its three values.
    case overload
    /// There is no message type, or it is none of the eight.
    case messageType
}

/// What a DHCP message is for (RFC 2132 §9.6).
@frozen
public enum DHCPv4MessageType: UInt8, Hashable, Sendable, CaseIterable {
    /// A client looks for servers.
    case discover = 1
    /// A server offers an address.
    case offer = 2
    /// A client asks for an address it was offered, or wants to keep.
    case request = 3
    /// A client found that another host has the address.
    case decline = 4
    /// A server grants the address.
    case acknowledge = 5
    /// A server refuses the address.
    case refuse = 6
    /// A client gives its address back.
    case release = 7
    /// A client that has an address asks for the rest.
    case inform = 8
}

/// The number of a DHCP option (RFC 2132).
@frozen
public struct DHCPv4OptionCode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The byte on the wire.
    public var rawValue: UInt8

    /// The option with this number.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// One byte of padding.
    @inlinable
    public static var pad: Self { Self(rawValue: 0) }
    /// The mask of the subnet.
    @inlinable
    public static var subnetMask: Self { Self(rawValue: 1) }
    /// Routers on the subnet, in order of preference.
    @inlinable
    public static var router: Self { Self(rawValue: 3) }
    /// Name servers, in order of preference.
    @inlinable
    public static var nameServer: Self { Self(rawValue: 6) }
    /// The name of the client.
    @inlinable
    public static var hostName: Self { Self(rawValue: 12) }
    /// The domain to look names up in.
    @inlinable
    public static var domainName: Self { Self(rawValue: 15) }
    /// The MTU of the interface.
    @inlinable
    public static var interfaceMTU: Self { Self(rawValue: 26) }
    /// The broadcast address of the subnet.
    @inlinable
    public static var broadcastAddress: Self { Self(rawValue: 28) }
    /// The address a client would like.
    @inlinable
    public static var requestedAddress: Self { Self(rawValue: 50) }
    /// How many seconds an address is lent for.
    @inlinable
    public static var leaseTime: Self { Self(rawValue: 51) }
    /// Which of the two name fields hold options.
    @inlinable
    public static var overload: Self { Self(rawValue: 52) }
    /// What the message is for.
    @inlinable
    public static var messageType: Self { Self(rawValue: 53) }
    /// The address that names the server.
    @inlinable
    public static var serverIdentifier: Self { Self(rawValue: 54) }
    /// The options a client would like to be told.
    @inlinable
    public static var parameterRequestList: Self { Self(rawValue: 55) }
    /// A text for people.
    @inlinable
    public static var message: Self { Self(rawValue: 56) }
    /// The largest message the sender takes.
    @inlinable
    public static var maximumMessageSize: Self { Self(rawValue: 57) }
    /// How many seconds after the grant the client asks its server for more.
    @inlinable
    public static var renewalTime: Self { Self(rawValue: 58) }
    /// How many seconds after the grant the client asks every server for more.
    @inlinable
    public static var rebindingTime: Self { Self(rawValue: 59) }
    /// What kind of client this is.
    @inlinable
    public static var vendorClass: Self { Self(rawValue: 60) }
    /// The name of the client among all clients of the server.
    @inlinable
    public static var clientIdentifier: Self { Self(rawValue: 61) }
    /// Routes by prefix, which take the place of ``router`` (RFC 3442).
    @inlinable
    public static var classlessRoutes: Self { Self(rawValue: 121) }
    /// Nothing but padding follows.
    @inlinable
    public static var end: Self { Self(rawValue: 255) }
}

/// One occurrence of an option, read in place; its value may go on in the next of the same code (RFC 3396).
@frozen
public struct DHCPv4Option: ~Escapable {
    /// Which option it is.
    public let code: DHCPv4OptionCode
    /// What follows code and length.
    public let data: RawSpan

    @usableFromInline
    @_lifetime(copy data)
    init(code: DHCPv4OptionCode, data: RawSpan) {
        self.code = code
        self.data = data
    }
}

/// Walks the options of a message: those of the options field, then of the file name, then of the server name, as
/// far as these hold options (RFC 2131 §4.1).
///
/// Every step moves forward, so that the walk ends whatever the bytes say.
public struct DHCPv4OptionIterator: ~Escapable {
    private let bytes: RawSpan
    private let overload: UInt8
    private var field = 0
    private var position = DHCPv4Message.optionsOffset

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, overload: UInt8) {
        self.bytes = bytes
        self.overload = overload
    }

    /// The next option other than padding, or `nil` behind the last.
    @_lifetime(copy self)
    public mutating func next() throws(DHCPv4Error) -> DHCPv4Option? {
        while field < 3 {
            let end = fieldEnd
            guard position < end else {
                nextField()
                continue
            }
            let code = DHCPv4OptionCode(rawValue: bytes.uint8(at: position))
            if code == .end {
                nextField()
            } else if code == .pad {
                position += 1
            } else {
                guard position + 1 < end else { throw .optionTruncated }
                let start = position + 2
                let count = Int(bytes.uint8(at: position + 1))
                guard start + count <= end else { throw .optionTruncated }
                position = start + count
                return DHCPv4Option(code: code, data: bytes.extracting(start..<start + count))
            }
        }
        return nil
    }

    /// Where the field that is being walked ends; its start, when it holds no options.
    private var fieldEnd: Int {
        switch field {
        case 0: bytes.byteCount
        case 1: overload & 1 != 0 ? DHCPv4Message.fileOffset + DHCPv4Message.fileByteCount : 0
        default: overload & 2 != 0 ? DHCPv4Message.serverNameOffset + DHCPv4Message.serverNameByteCount : 0
        }
    }

    private mutating func nextField() {
        field += 1
        position = field == 1 ? DHCPv4Message.fileOffset : DHCPv4Message.serverNameOffset
    }
}

/// A DHCP message over Ethernet, read in place (RFC 2131 §2).
///
/// All options are walked once on the way in, so that later questions meet none that is cut off.
public struct DHCPv4View: ~Escapable {
    /// The message: the payload of a UDP datagram.
    public let bytes: RawSpan
    /// What the message is for.
    public let type: DHCPv4MessageType
    /// Which fields hold more options: bit 0 the file name, bit 1 the server name.
    private let overload: UInt8

    /// Reads a message.
    ///
    /// - Complexity: O(n) in the bytes of the message.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(DHCPv4Error) {
        guard bytes.byteCount >= DHCPv4Message.optionsOffset else { throw .truncated }
        guard bytes.uint8(at: 0) == 1 || bytes.uint8(at: 0) == 2 else { throw .operation }
        guard bytes.uint8(at: 1) == DHCPv4Message.ethernet, bytes.uint8(at: 2) == 6 else { throw .hardware }
        guard bytes.uint32(at: DHCPv4Message.fixedByteCount) == DHCPv4Message.cookie else { throw .cookie }
        let overload = try Self.overload(of: bytes)
        let type = try Self.type(of: bytes, overload: overload)
        self.bytes = bytes
        self.overload = overload
        self.type = type
    }

    /// Which fields hold options; only the options field itself can say so (RFC 2132 §9.3).
    private static func overload(of bytes: RawSpan) throws(DHCPv4Error) -> UInt8 {
        var overload: UInt8 = 0
        var options = DHCPv4OptionIterator(bytes, overload: 0)
        while let option = try options.next() {
            guard option.code == .overload else { continue }
            guard option.data.byteCount == 1 else { throw .optionLength }
            overload = option.data.uint8(at: 0)
            guard (1...3).contains(overload) else { throw .overload }
        }
        return overload
    }

    private static func type(of bytes: RawSpan, overload: UInt8) throws(DHCPv4Error) -> DHCPv4MessageType {
        var found: UInt8?
        var options = DHCPv4OptionIterator(bytes, overload: overload)
        while let option = try options.next() {
            guard option.code == .messageType else { continue }
            guard option.data.byteCount == 1, found == nil else { throw .optionLength }
            found = option.data.uint8(at: 0)
        }
        guard let found, let type = DHCPv4MessageType(rawValue: found) else { throw .messageType }
        return type
    }

    /// Whether a server sent it.
    public var isReply: Bool { bytes.uint8(at: 0) == 2 }
    /// How many relays it passed.
    public var hops: UInt8 { bytes.uint8(at: 3) }
    /// The number that the client chose for this exchange.
    public var transaction: UInt32 { bytes.uint32(at: 4) }
    /// How many seconds the client has been at it.
    public var seconds: UInt16 { bytes.uint16(at: 8) }
    /// Whether the client cannot take answers sent to its address alone yet.
    public var wantsBroadcast: Bool { bytes.uint8(at: 10) & 0x80 != 0 }
    /// The address that the client has and answers for; 0.0.0.0 where it has none.
    public var clientAddress: IPv4Address { IPv4Address(bits: bytes.uint32(at: 12)) }
    /// The address that the server offers or grants.
    public var yourAddress: IPv4Address { IPv4Address(bits: bytes.uint32(at: 16)) }
    /// The server to boot from.
    public var bootServer: IPv4Address { IPv4Address(bits: bytes.uint32(at: 20)) }
    /// The relay through which it came.
    public var relay: IPv4Address { IPv4Address(bits: bytes.uint32(at: 24)) }
    /// The link address of the client.
    public var hardware: MACAddress { MACAddress(bits: bytes.uint64(at: 28) >> 16) }

    /// The options, one occurrence after the other.
    public var options: DHCPv4OptionIterator {
        @_lifetime(copy self)
        get { DHCPv4OptionIterator(bytes, overload: overload) }
    }

    /// The value of an option, all its occurrences put together (RFC 3396 §7); `nil` where there is none.
    ///
    /// - Complexity: O(n) in the bytes of the message, which also bound the value.
    public func data(of code: DHCPv4OptionCode) throws(DHCPv4Error) -> [UInt8]? {
        var value: [UInt8]?
        var options = options
        while let option = try options.next() {
            guard option.code == code else { continue }
            var joined = value ?? []
            for offset in 0..<option.data.byteCount { joined.append(option.data.uint8(at: offset)) }
            value = joined
        }
        return value
    }

    /// The number that an option of `byteCount` bytes holds, up to four.
    private func number(_ code: DHCPv4OptionCode, byteCount: Int) throws(DHCPv4Error) -> UInt32? {
        guard let data = try data(of: code) else { return nil }
        guard data.count == byteCount else { throw .optionLength }
        return data.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// An option that is a number of 16 bits.
    public func uint16(_ code: DHCPv4OptionCode) throws(DHCPv4Error) -> UInt16? {
        try number(code, byteCount: 2).map { UInt16(truncatingIfNeeded: $0) }
    }

    /// An option that is a number of 32 bits, such as a time in seconds.
    public func uint32(_ code: DHCPv4OptionCode) throws(DHCPv4Error) -> UInt32? { try number(code, byteCount: 4) }

    /// An option that is one address.
    public func address(_ code: DHCPv4OptionCode) throws(DHCPv4Error) -> IPv4Address? {
        try number(code, byteCount: 4).map { IPv4Address(bits: $0) }
    }

    /// An option that lists addresses, at least one, of which the first `max` are taken; empty where there is none.
    public func addresses(_ code: DHCPv4OptionCode, max: Int) throws(DHCPv4Error) -> [IPv4Address] {
        guard let data = try data(of: code) else { return [] }
        guard !data.isEmpty, data.count & 3 == 0 else { throw .optionLength }
        return stride(from: 0, to: data.count, by: 4).prefix(max).map { start in
            IPv4Address(data[start], data[start + 1], data[start + 2], data[start + 3])
        }
    }

    /// An option that is text; `nil` where there is none, it is empty, or it has other than printable ASCII.
    ///
    /// A server may have put zeros behind the text (RFC 2132 §2).
    public func text(_ code: DHCPv4OptionCode) throws(DHCPv4Error) -> String? {
        guard var data = try data(of: code) else { return nil }
        while data.last == 0 { data.removeLast() }
        guard !data.isEmpty, data.allSatisfy({ (0x20...0x7E).contains($0) }) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    /// The routes by prefix, of which the first `max` are taken (RFC 3442); empty where there are none.
    public func classlessRoutes(max: Int) throws(DHCPv4Error) -> [DHCPv4Route] {
        guard let data = try data(of: .classlessRoutes) else { return [] }
        var routes: [DHCPv4Route] = []
        var rest = data[...]
        while let length = rest.popFirst() {
            let octets = (Int(length) + 7) / 8
            guard length <= 32, rest.count >= octets + 4 else { throw .optionLength }
            var destination: UInt32 = 0
            for (index, byte) in rest.prefix(octets).enumerated() {
                destination |= UInt32(byte) << UInt32(24 - 8 * index)
            }
            rest.removeFirst(octets)
            let gateway = rest.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            rest.removeFirst(4)
            guard routes.count < max else { continue }
            routes.append(
                DHCPv4Route(
                    destination: IPv4Prefix(IPv4Address(bits: destination), length: Int(length)),
                    gateway: IPv4Address(bits: gateway)))
        }
        return routes
    }
}

/// A route that a server tells its clients (RFC 3442).
@frozen
public struct DHCPv4Route: Hashable, Sendable, BitwiseCopyable {
    /// Where it leads.
    public var destination: IPv4Prefix
    /// The next hop; 0.0.0.0 says that the destination is on the link.
    public var gateway: IPv4Address

    /// A route through a gateway.
    @inlinable
    public init(destination: IPv4Prefix, gateway: IPv4Address) {
        self.destination = destination
        self.gateway = gateway
    }
}
