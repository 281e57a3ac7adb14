import ChimneyPrimitives

/// Which link address was last seen on which port of a switch.
///
/// At most `addressesMax` are known; while that many are and none is old, new ones are not learned and frames
/// to them go to all ports.
struct SwitchTable {
    /// At this many known addresses a new one is not learned.
    static let addressesMax = 4_096
    static let age = TimeSpan.seconds(300)

    private var entries: [MACAddress: (port: Int, seenAt: Instant)] = [:]
    private var sweptAt = Instant.zero

    var count: Int { entries.count }

    mutating func learn(_ address: MACAddress, port: Int, at now: Instant) {
        guard !address.isMulticast else { return }
        if entries[address] == nil, entries.count >= Self.addressesMax {
            guard now > sweptAt + .seconds(1) else { return }
            sweptAt = now
            entries = entries.filter { $0.value.seenAt + Self.age > now }
            guard entries.count < Self.addressesMax else { return }
        }
        entries[address] = (port, now)
    }

    /// The port behind which an address was seen lately.
    func port(of address: MACAddress, at now: Instant) -> Int? {
        guard let entry = entries[address], entry.seenAt + Self.age > now else { return nil }
        return entry.port
    }

    mutating func removeAll() { entries.removeAll() }
}
