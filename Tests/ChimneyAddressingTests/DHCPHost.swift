import ChimneyPrimitives
import ChimneyWire
import Testing

@testable import ChimneyAddressing

let serverAddress = IPv4Address(10, 0, 0, 1)
let leasedAddress = IPv4Address(10, 0, 0, 50)
let clientMAC = MACAddress(bits: 0x0200_0000_0050)

/// A DHCP client and what it said.
final class DHCPHost {
    var client: DHCPClient
    var random: StackRandom
    var output = DHCPOutput()

    init(_ settings: DHCPSettings = .init(), seed: UInt64 = 1) {
        client = DHCPClient(interface: 3, mac: clientMAC, settings: settings)
        random = StackRandom(seed: seed)
    }

    func start(remembering address: IPv4Address? = nil, at now: Instant) {
        client.start(remembering: address, at: now, using: &random)
    }

    func stop(at now: Instant) { client.stop(at: now, using: &random, output: &output) }

    func linkWentUp(at now: Instant) { client.linkWentUp(at: now, using: &random) }

    func prove(_ address: IPv4Address, isFree: Bool = true, at now: Instant) {
        client.addressProved(address, isFree: isFree, at: now, using: &random, output: &output)
    }

    func fire(at now: Instant) { client.timerFired(at: now, using: &random, output: &output) }

    /// Lets the client do what it does next, and says when that was.
    func step() throws -> Instant {
        let due = try #require(client.deadline)
        fire(at: due)
        return due
    }

    func hear(_ bytes: [UInt8], at now: Instant) -> DHCPDrop? {
        client.messageArrived(bytes.raw, at: now, using: &random, output: &output)
    }

    func hear(_ message: DHCPv4Message, at now: Instant) -> DHCPDrop? { hear(bytes(of: message), at: now) }

    /// The messages said since last asked.
    func said() -> [DHCPTransmission] {
        var messages: [DHCPTransmission] = []
        while let message = output.messages.next() { messages.append(message) }
        return messages
    }

    /// What was told since last asked.
    func news() -> [DHCPEvent.Kind] {
        var kinds: [DHCPEvent.Kind] = []
        while let event = output.events.next() { kinds.append(event.kind) }
        return kinds
    }

    /// Searches from the first message to the grant.
    ///
    /// - Returns: when the address was granted.
    func reachGrant(_ answer: DHCPAnswer = .init(), at now: Instant) throws -> Instant {
        start(at: now)
        _ = try step()
        let discover = try #require(said().last?.message)
        let first = now + .seconds(2)
        #expect(try hear(answer.message(.offer, to: discover), at: first) == nil)
        _ = try step()
        let request = try #require(said().last?.message)
        let granted = first + .seconds(1)
        #expect(try hear(answer.message(.acknowledge, to: request), at: granted) == nil)
        return granted
    }

    /// The same, and nobody else has the address.
    func reachLease(_ answer: DHCPAnswer = .init(), at now: Instant) throws -> DHCPLease {
        let granted = try reachGrant(answer, at: now)
        prove(answer.address, at: granted + .seconds(5))
        _ = news()
        return try #require(client.lease)
    }
}

/// What a server of the tests answers.
struct DHCPAnswer {
    var address = leasedAddress
    var server: IPv4Address? = serverAddress
    var mask: UInt32? = 0xFFFF_FF00
    var seconds: UInt32? = 3_600
    var renewal: UInt32?
    var rebinding: UInt32?
    var further = DHCPv4Options()

    func message(_ type: DHCPv4MessageType, to question: DHCPv4Message) throws -> DHCPv4Message {
        var message = DHCPv4Message(type, transaction: question.transaction, hardware: question.hardware)
        message.yourAddress = type == .refuse ? .any : address
        if let server { try message.options.append(.serverIdentifier, [server]) }
        if type != .refuse {
            if let mask { try message.options.append(.subnetMask, mask) }
            if let seconds { try message.options.append(.leaseTime, seconds) }
            if let renewal { try message.options.append(.renewalTime, renewal) }
            if let rebinding { try message.options.append(.rebindingTime, rebinding) }
            let rest = bytes(further)
            for (code, data) in rest { try message.options.append(code, data) }
        }
        return message
    }

    /// The options of a list, taken apart again.
    private func bytes(_ options: DHCPv4Options) -> [(DHCPv4OptionCode, [UInt8])] {
        var found: [(DHCPv4OptionCode, [UInt8])] = []
        var rest = options.bytes[...]
        while let code = rest.popFirst(), let count = rest.popFirst() {
            found.append((DHCPv4OptionCode(rawValue: code), Array(rest.prefix(Int(count)))))
            rest = rest.dropFirst(Int(count))
        }
        return found
    }
}

/// A message as it goes on the wire.
func bytes(of message: DHCPv4Message) -> [UInt8] { written(message.byteCount) { message.write(into: &$0) } }

extension DHCPTransmission {
    /// An option of the message as a server reads it.
    func data(_ code: DHCPv4OptionCode) throws -> [UInt8]? { try DHCPv4View(bytes(of: message).raw).data(of: code) }
    /// An option that is an address.
    func address(_ code: DHCPv4OptionCode) throws -> IPv4Address? {
        try DHCPv4View(bytes(of: message).raw).address(code)
    }
}
