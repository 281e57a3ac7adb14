package import ChimneyPrimitives

extension NeighborTable {
    /// Sets a neighbour's link address for good; packets that waited for it go out.
    ///
    /// - Throws: ``NeighborError/tableFull(max:)`` when nothing may be evicted, ``NeighborError/notUnicast(_:)``.
    package mutating func setPermanent(
        _ address: Address, on interface: UInt32, to mac: MACAddress, at now: Instant,
        output: inout NeighborOutput<Address>
    ) throws(NeighborError) {
        guard !mac.isMulticast, mac != .zero else { throw .notUnicast(mac) }
        guard let number = find(address, on: interface) ?? create(address, on: interface, displacing: .live) else {
            throw .tableFull(max: settings.entriesMax)
        }
        cells[number].mac = mac.bits
        giveBack(number, .send(to: mac), output: &output)
        routerSpoke(number, output: &output)
        enter(.permanent, number, at: now, until: nil)
    }

    /// Forgets a neighbour, permanent or not; packets that waited for it come back.
    ///
    /// Answers whether it was known.
    @discardableResult
    package mutating func remove(
        _ address: Address, on interface: UInt32, output: inout NeighborOutput<Address>
    ) -> Bool {
        guard let number = find(address, on: interface) else { return false }
        remove(number, .removed, output: &output)
        return true
    }

    /// Forgets the neighbours of an interface, the permanent ones only if told so.
    package mutating func flush(
        interface: UInt32, _ scope: NeighborFlushScope, output: inout NeighborOutput<Address>
    ) {
        for number in entries.indices where entries[number].interface == interface {
            switch (entries[number].state, scope) {
            case (.none, _), (.permanent, .learned): continue
            case (.permanent, .all), (.incomplete, _), (.reachable, _), (.stale, _), (.delay, _), (.probe, _),
                (.failed, _):
                remove(number, .removed, output: &output)
            }
        }
    }

    /// What is known of one neighbour.
    package func state(of address: Address, on interface: UInt32) -> NeighborState {
        find(address, on: interface).map { entries[$0].state } ?? .none
    }

    /// The handle of a neighbour that has an entry.
    package func handle(of address: Address, on interface: UInt32) -> NeighborHandle? {
        find(address, on: interface).map { handle($0) }
    }

    /// Whether this stack has sent to the neighbour.
    func isUsed(_ address: Address, on interface: UInt32) -> Bool {
        find(address, on: interface).map { entries[$0].isUsed } ?? false
    }

    /// All entries by interface and address.
    package func listing(at now: Instant) -> [NeighborListing<Address>] {
        entries.indices.filter { entries[$0].state != .none }.map { line($0, at: now) }.sorted {
            $0.interface != $1.interface ? $0.interface < $1.interface : $0.address < $1.address
        }
    }

    private func line(_ number: Int, at now: Instant) -> NeighborListing<Address> {
        let entry = entries[number]
        let cell = cells[number]
        var due = timers.deadline(of: number)
        var since = entry.answeredAt ?? entry.changedAt
        if entry.state == .reachable {
            due = cell.freshUntil
            since = .zero + (cell.freshUntil - (.zero + cell.reachableTime))
        }
        return NeighborListing(
            interface: entry.interface, address: entry.address, state: entry.state,
            mac: cell.mac == 0 ? nil : MACAddress(bits: cell.mac), age: now - since, remaining: due.map { $0 - now },
            packetsWaiting: entry.waiting.map { waiting.count(in: $0) } ?? 0, isUsed: entry.isUsed,
            isRouter: entry.isRouter)
    }
}

/// Which neighbours a flush forgets.
package enum NeighborFlushScope: Hashable, Sendable {
    /// Those learned from packets.
    case learned
    /// The permanent ones as well.
    case all
}
