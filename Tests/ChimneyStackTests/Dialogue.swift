import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Testing

/// A TCP connection between the two stacks of a ``Segment``: the left one opened it.
final class Dialogue {
    let segment: Segment
    let listener: TCPListenerID
    let client: TCPConnectionID
    let server: TCPConnectionID

    /// The port that the right stack listens on.
    static var port: UInt16 { 8_080 }

    init(_ segment: Segment, settings: TCPSettings? = nil, listening: TCPSettings? = nil) throws {
        self.segment = segment
        listener = try segment.right.listenTCP(on: Endpoint(port: Self.port), settings: listening)
        client = try segment.left.connectTCP(
            to: Endpoint(segment.family.right, Self.port), settings: settings, at: segment.now)
        segment.pump()
        server = try #require(segment.acceptRight(listener))
    }

    /// Carries bytes from one end to the other, both written and read as there is room, and returns what arrived.
    func carry(_ bytes: [UInt8], toServer: Bool = true) throws -> [UInt8] {
        var arrived: [UInt8] = []
        var written = 0
        var rounds = 0
        while arrived.count < bytes.count {
            if written < bytes.count {
                let rest = bytes[written...]
                written += toServer ? try segment.writeLeft(client, rest) : try segment.writeRight(server, rest)
            }
            segment.pump()
            arrived += toServer ? try segment.readRight(server) : try segment.readLeft(client)
            segment.pump()
            rounds += 1
            if rounds > 10 { segment.pass(.milliseconds(10)) }
            try #require(rounds < 10_000, "\(arrived.count) of \(bytes.count) bytes arrived")
        }
        return arrived
    }

    /// Bytes that tell where they belong.
    static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 7) } }
}

extension Segment {
    func acceptLeft(_ id: TCPListenerID) -> TCPConnectionID? { left.accept(id) }
    func acceptRight(_ id: TCPListenerID) -> TCPConnectionID? { right.accept(id) }

    /// Writes an array, as much as there is room for.
    @discardableResult
    func writeLeft(_ id: TCPConnectionID, _ bytes: some Sequence<UInt8>) throws(TCPWriteError) -> Int {
        let array = Array(bytes)
        return try unsafe left.write(id, array.span.bytes, at: now)
    }

    @discardableResult
    func writeRight(_ id: TCPConnectionID, _ bytes: some Sequence<UInt8>) throws(TCPWriteError) -> Int {
        let array = Array(bytes)
        return try unsafe right.write(id, array.span.bytes, at: now)
    }

    /// Everything there is to read.
    func readLeft(_ id: TCPConnectionID) throws(TCPReadError) -> [UInt8] { try Self.readAll(id, of: &left, at: now) }
    func readRight(_ id: TCPConnectionID) throws(TCPReadError) -> [UInt8] { try Self.readAll(id, of: &right, at: now) }

    private static func readAll(
        _ id: TCPConnectionID, of stack: inout VirtualStack, at now: Instant
    ) throws(TCPReadError) -> [UInt8] {
        var result: [UInt8] = []
        var queue = PacketQueue()
        while try stack.read(id, into: &queue, at: now) > 0 {
            while !queue.isEmpty {
                let packet = queue.removeFirst()
                for index in 0..<packet.sliceCount {
                    let part = packet.slice(index)
                    result += (0..<part.byteCount).map { unsafe part.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
                }
            }
        }
        return result
    }

    func leftSnapshot(_ id: TCPConnectionID) -> TCPConnectionSnapshot? { left.snapshot(id, at: now) }
    func rightSnapshot(_ id: TCPConnectionID) -> TCPConnectionSnapshot? { right.snapshot(id, at: now) }

    /// Which connections of the left stack have news, taken.
    func leftNews() -> [TCPConnectionID] {
        var ids: [TCPConnectionID] = []
        left.takeAnnouncedConnections(into: &ids)
        return ids
    }
}

extension VirtualStack {
    func isEstablished(_ id: TCPConnectionID) -> Bool { state(of: id) == .established }
}
