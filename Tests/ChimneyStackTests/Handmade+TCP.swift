import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Testing

/// The fields of a TCP segment made by hand.
struct HandSegment {
    var sourcePort: UInt16 = 1_000
    var destinationPort: UInt16 = 80
    var sequence: UInt32 = 0
    var ack: UInt32 = 0
    var flags: TCPFlags = .ack
    var window: UInt16 = 65_535
    var urgentPointer: UInt16 = 0
    /// A multiple of four bytes.
    var options: [UInt8] = []
    var data: [UInt8] = []

    var bytes: [UInt8] {
        let word = UInt16(5 + options.count / 4) << 12 | flags.rawValue
        return Handmade.be(sourcePort) + Handmade.be(destinationPort) + Handmade.be(sequence) + Handmade.be(ack)
            + Handmade.be(word) + Handmade.be(window) + [0, 0] + Handmade.be(urgentPointer) + options + data
    }

    /// An option with two clocks, and the padding before it.
    static func clocks(_ value: UInt32, _ echo: UInt32) -> [UInt8] {
        [1, 1, 8, 10] + Handmade.be(value) + Handmade.be(echo)
    }
}

extension Handmade {
    /// A packet with a TCP segment, from the left to the right of a ``Segment``.
    static func tcp(
        _ family: Family, _ segment: HandSegment, source: IPAddress? = nil, destination: IPAddress? = nil
    ) -> Handmade {
        var packet = Handmade(family)
        packet.source = source ?? packet.source
        packet.destination = destination ?? packet.destination
        packet.ipProtocol = 6
        packet.payload = segment.bytes
        packet.payload.replaceSubrange(16..<18, with: be(packet.sum))
        return packet
    }

    private var sum: UInt16 {
        let pseudo = source.bytes + destination.bytes + Self.be(UInt32(payload.count)) + [0, 0, 0, ipProtocol]
        return Self.checksum(pseudo + payload)
    }
}

extension Seen {
    /// The TCP segment that the packet carries.
    var segment: HandSegment {
        let payload = payload
        func number(_ range: Range<Int>) -> UInt32 { payload[range].reduce(0) { $0 << 8 | UInt32($1) } }
        var result = HandSegment()
        result.sourcePort = UInt16(number(0..<2))
        result.destinationPort = UInt16(number(2..<4))
        result.sequence = number(4..<8)
        result.ack = number(8..<12)
        result.flags = TCPFlags(rawValue: UInt16(number(12..<14)))
        result.window = UInt16(number(14..<16))
        result.urgentPointer = UInt16(number(18..<20))
        let header = Int(payload[12] >> 4) * 4
        result.options = Array(payload[20..<header])
        result.data = Array(payload[header...])
        return result
    }
}

/// A peer in the place of the left stack, its segments made by hand, and a listener on the right one.
final class HandPeer {
    let segment: Segment
    let listener: TCPListenerID
    /// Its next number, and the next it expects.
    var next: UInt32 = 1_000
    var expected: UInt32 = 0
    /// The clock of its timestamps, once agreed on.
    var clock: UInt32?

    init(_ family: Family, settings: StackSettings = StackSettings(), _ connection: TCPSettings? = nil) throws {
        segment = try Segment(family, rightSettings: settings)
        listener = try segment.right.listenTCP(on: Endpoint(port: 80), settings: connection)
    }

    var family: Family { segment.family }

    /// A segment at the next number that acknowledges all.
    func make(_ change: (inout HandSegment) -> Void = { _ in }) -> Handmade {
        var made = HandSegment(sequence: next, ack: expected)
        if let clock { made.options = HandSegment.clocks(clock, 0) }
        change(&made)
        return Handmade.tcp(family, made)
    }

    /// Hands the right stack a packet, and says what it answers.
    @discardableResult
    func give(_ packet: Handmade) -> [HandSegment] {
        segment.giveRight(packet)
        return segment.interceptRight().filter { $0.ipProtocol == 6 }.map(\.segment)
    }

    @discardableResult
    func give(_ change: (inout HandSegment) -> Void = { _ in }) -> [HandSegment] { give(make(change)) }

    /// Opens a connection; the right stack has it then.
    func open(options: [UInt8] = []) throws -> TCPConnectionID {
        let answers = give {
            $0.flags = .syn
            $0.ack = 0
            $0.options = options
        }
        let answer = try #require(answers.first)
        #expect(answer.flags == [.syn, .ack])
        next += 1
        expected = answer.sequence &+ 1
        if options.starts(with: [1, 1, 8, 10]) { clock = options[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
        give()
        return try #require(segment.acceptRight(listener))
    }

    /// What one packet given to the right stack dies of, where it does.
    func death(_ change: (inout HandSegment) -> Void = { _ in }) -> DropReason? { death(of: make(change)) }

    func death(of packet: Handmade) -> DropReason? {
        let before = segment.right.ledger
        give(packet)
        let after = segment.right.ledger
        let reasons = DropReason.allCases.filter { after.dropped($0) > before.dropped($0) }
        #expect(reasons.count <= 1)
        segment.check()
        return reasons.first
    }
}
