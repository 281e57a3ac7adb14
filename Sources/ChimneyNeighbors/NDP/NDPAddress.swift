import ChimneyPrimitives
import ChimneyWire

/// One address of ours and how far its duplicate detection has come (RFC 4862 §5.4).
struct NDPAddress {
    /// What happens when the deadline comes.
    enum Phase: Equatable {
        /// The link is down; nothing happens.
        case waiting
        /// This many questions are still to be sent; after the last one comes the wait for an objection.
        case probing(left: Int)
        /// This many advertisements are still to be sent.
        case announcing(left: Int, to: IPv6Address)
        /// Nothing is left to say.
        case settled
        /// Another host has it.
        case duplicate(of: MACAddress?)
    }

    let address: IPv6Address
    let use: NDPAddressUse
    let detection: DuplicateDetection
    var phase = Phase.waiting
    var due = Instant.never
    /// The nonces of the last questions for the address.
    var nonces: [NDPNonce] = []
    /// Whether one of the questions of this round came back.
    var hasLooped = false

    /// The most nonces remembered for an address; the oldest gives way.
    static var noncesMax: Int { 8 }

    var state: NDPAddressState {
        switch phase {
        case .waiting: detection == .off ? .assigned : .tentative
        case .probing: detection == .optimistic ? .optimistic : .tentative
        case .announcing, .settled: .assigned
        case .duplicate(let mac): .duplicate(of: mac)
        }
    }

    /// Whether it may be the source of a question that tells our link address (RFC 4429 §3.3).
    var isSource: Bool { use == .unicast && state == .assigned }
}

/// What discovery knows of one interface.
struct NDPInterface {
    let interface: UInt32
    var mac: MACAddress
    var isUp = true
    var isRouter = false
    var addresses: [NDPAddress] = []
    var proxies: [IPv6Prefix] = []
    var answers = AnswerRate()

    func position(of address: IPv6Address) -> Int? { addresses.firstIndex { $0.address == address } }

    /// The address of ours to ask with: that of the packet, or else one of the same scope and prefix (RFC 4861 §7.2.2).
    func source(for target: IPv6Address, packet: IPv6Address? = nil) -> IPv6Address? {
        var best: (address: IPv6Address, worth: Int)?
        for own in addresses where own.isSource {
            let worth =
                if own.address == packet { 3 } else if own.address.masked(to: 64) == target.masked(to: 64) {
                    2
                } else if own.address.isLinkLocal { 1 } else { 0 }
            if worth > best?.worth ?? -1 { best = (own.address, worth) }
        }
        return best?.address
    }

    func isPublished(_ address: IPv6Address) -> Bool { proxies.contains { $0.contains(address) } }
}

/// An answer that waits for its random moment.
struct NDPDelayedAnswer {
    let due: Instant
    let target: IPv6Address
    let transmission: NDPTransmission
}
