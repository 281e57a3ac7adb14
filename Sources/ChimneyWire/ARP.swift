public import ChimneyPrimitives

/// Why bytes are not an ARP message between Ethernet and IPv4.
@frozen
public enum ARPError: Error, Hashable, Sendable, CaseIterable {
    /// Fewer than 28 bytes.
    case truncated
    /// The link is not Ethernet.
    case hardwareType
    /// The protocol is not IPv4.
    case protocolType
    /// The address lengths are not 6 and 4.
    case addressLengths
    /// Neither a request nor a reply.
    case operation
}

/// What an ARP message does (RFC 826).
@frozen
public enum ARPOperation: UInt16, Sendable, CaseIterable {
    /// Asks who has the target address.
    case request = 1
    /// Answers.
    case reply = 2
}

/// An ARP message between Ethernet and IPv4, read in place (RFC 826).
@frozen
public struct ARPView: ~Escapable {
    /// The message and the padding after it.
    public let bytes: RawSpan
    /// Request or reply.
    public let operation: ARPOperation

    /// Reads a message; bytes after the 28th are padding.
    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(ARPError) {
        guard bytes.byteCount >= ARPMessage.byteCount else { throw .truncated }
        guard bytes.uint16(at: 0) == ARPMessage.ethernet else { throw .hardwareType }
        guard bytes.uint16(at: 2) == EtherType.ipv4.rawValue else { throw .protocolType }
        guard bytes.uint16(at: 4) == ARPMessage.addressLengths else { throw .addressLengths }
        guard let operation = ARPOperation(rawValue: bytes.uint16(at: 6)) else { throw .operation }
        self.bytes = bytes
        self.operation = operation
    }

    /// The sender's link address.
    @inlinable
    public var senderMAC: MACAddress { MACAddress(bits: bytes.uint64(at: 8) >> 16) }
    /// The sender's address; 0.0.0.0 in a probe (RFC 5227).
    @inlinable
    public var sender: IPv4Address { IPv4Address(bits: bytes.uint32(at: 14)) }
    /// The target's link address; without meaning in a request.
    @inlinable
    public var targetMAC: MACAddress { MACAddress(bits: bytes.uint64(at: 18) >> 16) }
    /// The address asked for or answered to.
    @inlinable
    public var target: IPv4Address { IPv4Address(bits: bytes.uint32(at: 24)) }

    /// The fields as a value.
    @inlinable
    public var message: ARPMessage {
        ARPMessage(
            operation: operation, senderMAC: senderMAC, sender: sender, targetMAC: targetMAC, target: target)
    }
}

/// An ARP message between Ethernet and IPv4 (RFC 826).
@frozen
public struct ARPMessage: Hashable, Sendable, BitwiseCopyable {
    /// Request or reply.
    public var operation: ARPOperation
    /// The sender's link address.
    public var senderMAC: MACAddress
    /// The sender's address; 0.0.0.0 in a probe (RFC 5227).
    public var sender: IPv4Address
    /// The target's link address; zero in a request.
    public var targetMAC: MACAddress
    /// The address asked for or answered to.
    public var target: IPv4Address

    /// A message with these fields.
    @inlinable
    public init(
        operation: ARPOperation, senderMAC: MACAddress, sender: IPv4Address, targetMAC: MACAddress = .zero,
        target: IPv4Address
    ) {
        self.operation = operation
        self.senderMAC = senderMAC
        self.sender = sender
        self.targetMAC = targetMAC
        self.target = target
    }

    /// 28.
    @inlinable
    public static var byteCount: Int { 28 }
    /// The hardware type of Ethernet.
    @usableFromInline static var ethernet: UInt16 { 1 }
    /// 6 bytes of link address, 4 of protocol address, as the two length fields hold them.
    @usableFromInline static var addressLengths: UInt16 { 0x0604 }

    /// Whether the sender asks about the address it has or wants: a probe or an announcement (RFC 5227 §1.1).
    @inlinable
    public var isProbe: Bool { operation == .request && sender.isAny }
    /// Whether the sender tells its own address unasked (RFC 5227 §3).
    @inlinable
    public var isAnnouncement: Bool { sender == target && !sender.isAny }

    /// Writes the message at `offset`, where 28 bytes must be free, and returns 28.
    @inlinable
    @discardableResult
    @_lifetime(span: copy span)
    public func write(into span: inout MutableRawSpan, at offset: Int = 0) -> Int {
        var out = span.part(at: offset, count: Self.byteCount)
        out.store(Self.ethernet, at: 0)
        out.store(EtherType.ipv4.rawValue, at: 2)
        out.store(Self.addressLengths, at: 4)
        out.store(operation.rawValue, at: 6)
        out.store(senderMAC.bits << 16 | UInt64(sender.bits >> 16), at: 8)
        out.store(UInt16(truncatingIfNeeded: sender.bits), at: 16)
        out.store(targetMAC.bits << 16 | UInt64(target.bits >> 16), at: 18)
        out.store(UInt16(truncatingIfNeeded: target.bits), at: 26)
        return Self.byteCount
    }
}
