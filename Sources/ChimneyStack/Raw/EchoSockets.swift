import ChimneyLink
public import ChimneyPrimitives
import ChimneyWire

/// What came back for an echo request.
public struct EchoReply: Sendable, Hashable {
    /// Who answered.
    public var source: IPAddress
    /// The request's sequence number.
    public var sequence: UInt16
    /// When the answer arrived.
    public var receivedAt: Instant
    /// The time to live or hop limit it arrived with; 0 for an error.
    public var timeToLive: UInt8
    /// The bytes of data it carried.
    public var byteCount: Int
    /// Whether the data is that of the request.
    public var isIntact: Bool
    /// An error in place of an answer.
    public var error: SocketError?
}

/// Why an echo request was not sent.
public enum EchoError: Error, Hashable, Sendable {
    /// The stack has as many echo sockets as it may have.
    case tooManySockets(max: Int)
    /// The socket was closed.
    case closed
    /// More data than one packet holds: 65,507 bytes over IPv4, 65,527 over IPv6.
    case messageTooLong(max: Int)
    /// No route leads to the destination.
    case noRoute(IPAddress)
    /// The packet pool is at its bound.
    case noBuffer
}

/// Sockets that send ICMP echo requests and collect the answers, told apart by identifier.
struct EchoSockets: Sendable {
    struct Entry: Sendable {
        var identifier: UInt16
        var replies: [EchoReply] = []
    }

    var entries: [Entry] = []
    /// The most sockets; one more is refused.
    static var socketsMax: Int { 1_024 }
    /// The most answers that wait in one socket; further ones are dropped.
    static var repliesMax: Int { 4_096 }

    func position(of identifier: UInt16) -> Int? { entries.firstIndex { $0.identifier == identifier } }
}

extension VirtualStack {
    /// Opens a socket for echo requests; its identifier tells its answers from others'.
    public mutating func openEcho() throws(EchoError) -> UInt16 {
        guard echoes.entries.count < EchoSockets.socketsMax else {
            throw .tooManySockets(max: EchoSockets.socketsMax)
        }
        var identifier = UInt16(truncatingIfNeeded: random.next())
        while echoes.position(of: identifier) != nil { identifier &+= 1 }
        echoes.entries.append(EchoSockets.Entry(identifier: identifier))
        return identifier
    }

    /// Closes an echo socket; answers that wait are lost.
    public mutating func closeEcho(_ identifier: UInt16) {
        if let position = echoes.position(of: identifier) { echoes.entries.remove(at: position) }
    }

    /// Sends an echo request with `byteCount` bytes of data, a pattern that follows from the sequence number.
    ///
    /// The zone, an interface's index, says on which link a link-local address of IPv6 is.
    public mutating func sendEcho(
        _ identifier: UInt16, to destination: IPAddress, zone: UInt32 = 0, sequence: UInt16, byteCount: Int = 56,
        timeToLive: UInt8? = nil, fib: Int = 0, at now: Instant
    ) throws(EchoError) {
        beginRound(at: now)
        guard echoes.position(of: identifier) != nil else { throw .closed }
        let headers = destination.isIPv4 ? 28 : 48
        // The total length of IPv4 counts its header, the payload length of IPv6 does not.
        let byteCountMax = destination.isIPv4 ? 65_507 : 65_527
        guard (0...byteCountMax).contains(byteCount) else { throw .messageTooLong(max: byteCountMax) }
        guard var packet = pool.allocate(byteCount: headers + byteCount) else { throw .noBuffer }
        for index in 0..<byteCount { packet.store8(Self.pattern(sequence, index), at: headers + index) }
        let query = ICMPQuery(identifier: identifier, sequence: sequence)
        switch destination {
        case .v4(let address):
            guard let path = try? path(to: address, fib: UInt16(clamping: fib)),
                let source = path.isLocal ? address : sourceAddress(for: address, by: path)
            else { throw .noRoute(destination) }
            packet.writeEchoRequest(query, byteCount: byteCount)
            packet.writeIPv4(
                source: source, destination: address, ipProtocol: .icmpv4,
                timeToLive: max(1, timeToLive ?? settings.timeToLive), identification: nextIdentification())
            ledger.created &+= 1
            sendIPv4(packet, by: path)
        case .v6(let address):
            guard let path = try? path(to: address, zone: zone, fib: UInt16(clamping: fib)),
                let source = path.isLocal ? address : sourceAddress(for: address, by: path)
            else { throw .noRoute(destination) }
            packet.writeICMPv6(
                .echoRequest(query), source: source, destination: address, payloadByteCount: byteCount)
            packet.writeIPv6(
                source: source, destination: address, nextHeader: .icmpv6,
                hopLimit: max(1, timeToLive ?? hopLimit(path.port)))
            ledger.created &+= 1
            sendIPv6(packet, by: path, mtu: mtu(to: address, by: path))
        }
        deliverLooped()
    }

    /// Takes the answers that have arrived, oldest first.
    public mutating func takeEchoReplies(_ identifier: UInt16) -> [EchoReply] {
        guard let position = echoes.position(of: identifier) else { return [] }
        defer { echoes.entries[position].replies.removeAll(keepingCapacity: true) }
        return echoes.entries[position].replies
    }

    /// An echo reply arrived: it belongs to the socket with its identifier.
    mutating func echoReplied(_ packet: consuming Packet, _ fields: some IPFields) {
        let start = fields.transportOffset
        let identifier = packet.bytes.uint16(at: start + 4)
        guard let position = echoes.position(of: identifier) else { return drop(packet, .icmpNoSocket) }
        guard echoes.entries[position].replies.count < EchoSockets.repliesMax else {
            return drop(packet, .socketBufferFull)
        }
        let sequence = packet.bytes.uint16(at: start + 6)
        let byteCount = packet.count - start - 8
        var isIntact = true
        for index in 0..<byteCount where packet.bytes.uint8(at: start + 8 + index) != Self.pattern(sequence, index) {
            isIntact = false
            break
        }
        echoes.entries[position].replies.append(
            EchoReply(
                source: fields.sourceEndpoint(0, on: 0).address, sequence: sequence, receivedAt: now,
                timeToLive: fields.timeToLive,
                byteCount: byteCount, isIntact: isIntact, error: nil))
        ledger.delivered &+= 1
        _ = packet
    }

    /// An ICMP error about an echo request: it takes the place of the answer.
    mutating func reportEcho(_ error: SocketError, from source: IPAddress, identifier: UInt16, sequence: UInt16)
        -> Bool
    {
        guard let position = echoes.position(of: identifier),
            echoes.entries[position].replies.count < EchoSockets.repliesMax
        else { return false }
        echoes.entries[position].replies.append(
            EchoReply(
                source: source, sequence: sequence, receivedAt: now, timeToLive: 0, byteCount: 0, isIntact: false,
                error: error))
        return true
    }

    private static func pattern(_ sequence: UInt16, _ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: index &+ Int(sequence) &* 31)
    }
}

extension Packet {
    /// Writes an ICMPv4 echo request behind the IPv4 header, before the data that stands there.
    fileprivate mutating func writeEchoRequest(_ query: ICMPQuery, byteCount: Int) {
        var span = mutableBytes
        ICMPv4Message.echoRequest(query).write(into: &span, at: 20, payloadByteCount: byteCount)
    }
}
