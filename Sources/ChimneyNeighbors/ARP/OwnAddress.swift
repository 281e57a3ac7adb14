import ChimneyPrimitives

/// One address of ours and how far its conflict detection has come (RFC 5227 §2).
struct OwnAddress {
    /// What happens when the deadline comes.
    enum Phase: Equatable {
        /// The link is down; nothing happens.
        case waiting
        /// This many probes are still to be sent; after the last one comes the wait for an objection.
        case probing(left: Int)
        /// This many announcements are still to be sent.
        case announcing(left: Int)
        /// Nothing is left to say.
        case settled
        /// Another host has it.
        case conflicted(by: MACAddress)
    }

    let address: IPv4Address
    let prefix: IPv4Prefix
    let detection: ConflictDetection
    var phase = Phase.waiting
    var due = Instant.never
    var defendedAt: Instant?

    var state: OwnAddressState {
        switch phase {
        case .waiting: detection == .on ? .tentative : .assigned
        case .probing: .tentative
        case .announcing, .settled: .assigned
        case .conflicted(let mac): .conflicted(by: mac)
        }
    }

    /// Whether it is the network's or broadcast address of its own subnet, which no host has (RFC 1122 §3.2.1.3).
    func excludes(_ host: IPv4Address) -> Bool {
        prefix.length < 31 && (host == prefix.address || host == prefix.lastAddress)
    }
}

/// What ARP knows of one interface.
struct ARPInterface {
    let interface: UInt32
    var mac: MACAddress
    var isUp = true
    var addresses: [OwnAddress] = []
    var linkPrefixes: [IPv4Prefix] = []
    var proxies: [IPv4Prefix] = []
    var conflictCount = 0
    var answers = AnswerRate()

    func position(of address: IPv4Address) -> Int? { addresses.firstIndex { $0.address == address } }

    func isAssigned(_ address: IPv4Address) -> Bool {
        addresses.contains { $0.address == address && $0.state == .assigned }
    }

    func isOnLink(_ address: IPv4Address) -> Bool {
        addresses.contains { $0.prefix.contains(address) } || linkPrefixes.contains { $0.contains(address) }
    }

    func excludes(_ address: IPv4Address) -> Bool { addresses.contains { $0.excludes(address) } }

    /// The address of ours to ask with: one that shares the subnet, or else the first.
    func source(for target: IPv4Address) -> IPv4Address? {
        var first: IPv4Address?
        for own in addresses where own.state == .assigned {
            if own.prefix.contains(target) { return own.address }
            if first == nil { first = own.address }
        }
        return first
    }

    /// Whether a published prefix has the address and no on-link prefix has it more closely: hosts of the same
    /// link answer for themselves (RFC 1027 §2.2).
    func isPublished(_ address: IPv4Address) -> Bool {
        guard let published = proxies.filter({ $0.contains(address) }).map(\.length).max() else { return false }
        let local = addresses.map(\.prefix) + linkPrefixes
        return !local.contains { $0.contains(address) && $0.length >= published }
    }
}
