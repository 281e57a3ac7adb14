import ChimneyMulticast
import ChimneyPrimitives
import ChimneyWire
import Testing

/// A host on a link of its own: what it wants is set, what it sends is kept with its time.
struct ReportingHost<Address: MembershipAddress>: ~Copyable {
    struct Sent: Equatable {
        let at: Instant
        let message: MembershipMessage<Address>
    }

    var machine: InterfaceMachine<Address>
    var output = MembershipOutput<Address>()
    var random: StackRandom
    var now = Instant.zero
    var sent: [Sent] = []
    var events: [MembershipEvent] = []
    /// The filters that the sockets want, merged.
    var wanted: [Address: SourceFilter<Address>] = [:]
    let querier: Address

    init(
        _ settings: MembershipSettings<Address> = .init(), querier: Address, mtu: Int = 1_500, isUp: Bool = true,
        seed: UInt64 = 1
    ) {
        random = StackRandom(seed: seed)
        self.querier = querier
        machine = InterfaceMachine(settings: settings, mtu: mtu, isUp: isUp, using: &random)
    }

    // MARK: - What happens

    mutating func want(_ filter: SourceFilter<Address>, of group: Address) {
        guard let change = wanted[group, default: .none].change(to: filter) else { return }
        wanted[group] = filter
        machine.filterChanged(change, of: group, at: now)
    }

    mutating func join(_ group: Address) { want(.all, of: group) }
    mutating func leave(_ group: Address) { want(.none, of: group) }

    @discardableResult
    mutating func hear(
        _ message: MembershipMessage<Address>, _ change: (inout MembershipPacket<Address>) -> Void = { _ in }
    ) -> MembershipDrop? {
        var packet = MembershipPacket(source: querier, destination: message.destination)
        change(&packet)
        let bytes = wire(message, from: packet.source, to: packet.destination)
        return hear(bytes: bytes, in: packet)
    }

    mutating func hear(bytes: [UInt8], in packet: MembershipPacket<Address>) -> MembershipDrop? {
        // Every element is initialised for as long as the array is borrowed.
        let drop = machine.messageArrived(
            unsafe bytes.span.bytes, in: packet, at: now, using: &random, output: &output)
        take()
        return drop
    }

    @discardableResult
    mutating func ask(
        _ version: MembershipVersion = .v3, _ group: Address = Address(bits: 0), _ sources: [Address] = [],
        within limit: TimeSpan = .seconds(1), _ change: (inout MembershipQuery<Address>) -> Void = { _ in }
    ) -> MembershipDrop? {
        var query = MembershipQuery(version, group: group, maxResponseTime: limit)
        query.sources = sources
        change(&query)
        return hear(.query(query))
    }

    /// Lets time pass, and gives what was sent meanwhile.
    @discardableResult
    mutating func run(_ span: TimeSpan) -> [Sent] {
        let end = now + span
        let before = sent.count
        var calls = 0
        while let due = machine.deadline, due <= end {
            calls += 1
            if calls > 100_000 {
                Issue.record("the machine does not come to rest")
                break
            }
            if due > now { now = due }
            fire()
        }
        now = end
        return Array(sent[before...])
    }

    mutating func fire() {
        machine.timerFired(at: now, using: &random, output: &output)
        take()
    }

    mutating func take() {
        while let transmission = output.transmissions.next() {
            sent.append(Sent(at: now, message: transmission.message))
        }
        while let event = output.events.next() { events.append(event) }
    }

    func wire(_ message: MembershipMessage<Address>, from source: Address, to destination: Address) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: message.byteCount)
        var elements = bytes.mutableSpan
        // Every byte written is a valid UInt8.
        var span = unsafe elements.mutableBytes
        message.write(into: &span, source: source, destination: destination)
        return bytes
    }
}

extension ReportingHost.Sent {
    /// The records of a report of version 3; none of another message.
    var records: [GroupRecord<Address>] {
        if case .reportV3(let records) = message { records } else { [] }
    }
}

extension Array {
    /// The records of all reports of version 3, a report each.
    func reports<Address: MembershipAddress>() -> [[GroupRecord<Address>]]
    where Element == ReportingHost<Address>.Sent {
        compactMap { if case .reportV3(let records) = $0.message { records } else { nil } }
    }

    func messages<Address: MembershipAddress>() -> [MembershipMessage<Address>]
    where Element == ReportingHost<Address>.Sent {
        map(\.message)
    }
}

typealias IGMPHost = ReportingHost<IPv4Address>
typealias MLDHost = ReportingHost<IPv6Address>
typealias IGMPRecord = GroupRecord<IPv4Address>

extension SourceFilter {
    static func including(_ sources: Address...) -> Self { Self(.include, sources) }
    static func excluding(_ sources: Address...) -> Self { Self(.exclude, sources) }
}

func igmpHost(
    mtu: Int = 1_500, isUp: Bool = true, seed: UInt64 = 1,
    _ change: (inout MembershipSettings<IPv4Address>) -> Void = { _ in }
) -> IGMPHost {
    var settings = MembershipSettings<IPv4Address>()
    change(&settings)
    return IGMPHost(settings, querier: IPv4Address(10, 77, 0, 1), mtu: mtu, isUp: isUp, seed: seed)
}

func mldHost(
    mtu: Int = 1_500, seed: UInt64 = 1, _ change: (inout MembershipSettings<IPv6Address>) -> Void = { _ in }
) -> MLDHost {
    var settings = MembershipSettings<IPv6Address>()
    change(&settings)
    return MLDHost(settings, querier: IPv6Address(high: 0xFE80 << 48, low: 1), mtu: mtu, seed: seed)
}
