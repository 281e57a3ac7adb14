package import ChimneyPrimitives

/// What a neighbour advertisement says of its sender, beside the address (RFC 4861 §4.4).
package struct NeighborAnnouncement: Hashable, Sendable {
    /// Its link address; `nil` where it goes without saying.
    package var mac: MACAddress?
    /// Whether it answers a question.
    package var isSolicited: Bool
    /// Whether it takes the place of another link address.
    package var isOverride: Bool
    /// Whether the sender is a router.
    package var isRouter: Bool

    package init(mac: MACAddress?, isSolicited: Bool, isOverride: Bool, isRouter: Bool) {
        self.mac = mac
        self.isSolicited = isSolicited
        self.isOverride = isOverride
        self.isRouter = isRouter
    }
}

extension NeighborTable {
    /// A neighbour advertised itself (RFC 4861 §7.2.5); no entry is made for it.
    package mutating func advertised(
        _ address: Address, on interface: UInt32, _ said: NeighborAnnouncement, at now: Instant,
        using random: inout StackRandom, output: inout NeighborOutput<Address>
    ) -> NeighborVerdict {
        guard let number = find(address, on: interface) else { return .unknown }
        switch entries[number].state {
        case .none:
            return .unknown
        case .permanent:
            if let mac = said.mac, mac.bits != cells[number].mac { return .permanent }
            setRouter(said.isRouter, number, output: &output)
            return .unchanged
        case .incomplete, .failed:
            guard let mac = said.mac, said.isSolicited || settings.acceptUnsolicited != .ignore else { return .ignored }
            let wasAsked = entries[number].state == .incomplete
            cells[number].mac = mac.bits
            giveBack(number, .send(to: mac), output: &output)
            routerSpoke(number, output: &output)
            if said.isSolicited, wasAsked {
                becomeReachable(number, at: now, using: &random)
            } else {
                becomeStale(number, at: now)
            }
        case .reachable, .stale, .delay, .probe:
            var isMoved = false
            if let mac = said.mac, mac.bits != cells[number].mac {
                guard said.isOverride else {
                    if entries[number].state == .reachable { becomeStale(number, at: now) }
                    return .contradictory
                }
                if let refusal = refusal(of: number, at: now, output: &output) { return refusal }
                move(number, to: mac, output: &output)
                isMoved = true
            }
            if said.isSolicited {
                becomeReachable(number, at: now, using: &random)
            } else if isMoved {
                entries[number].answeredAt = now
                becomeStale(number, at: now)
            } else {
                setRouter(said.isRouter, number, output: &output)
                return .unchanged
            }
        }
        setRouter(said.isRouter, number, output: &output)
        return .changed
    }

    /// A message other than an advertisement tells whether its sender is a router; one without entry stays unknown.
    package mutating func setRouter(
        _ isRouter: Bool, _ address: Address, on interface: UInt32, output: inout NeighborOutput<Address>
    ) {
        guard let number = find(address, on: interface) else { return }
        setRouter(isRouter, number, output: &output)
    }

    private mutating func setRouter(_ isRouter: Bool, _ number: Int, output: inout NeighborOutput<Address>) {
        guard entries[number].isRouter != isRouter else { return }
        entries[number].isRouter = isRouter
        // Of a router without link address nothing good is known yet.
        entries[number].isSilentRouter = isRouter && cells[number].mac == 0
        guard !entries[number].isSilentRouter else { return }
        tell(isRouter ? .reachable : .ceased, of: number, output: &output)
    }

    /// A router that was asked does not answer.
    mutating func routerFellSilent(_ number: Int, output: inout NeighborOutput<Address>) {
        guard entries[number].isRouter, !entries[number].isSilentRouter else { return }
        entries[number].isSilentRouter = true
        tell(.unreachable, of: number, output: &output)
    }

    /// A neighbour without link address told one.
    mutating func routerSpoke(_ number: Int, output: inout NeighborOutput<Address>) {
        guard entries[number].isSilentRouter else { return }
        entries[number].isSilentRouter = false
        tell(.reachable, of: number, output: &output)
    }

    private func tell(
        _ kind: NeighborRouterEvent<Address>.Kind, of number: Int, output: inout NeighborOutput<Address>
    ) {
        output.routers.appendNews(
            NeighborRouterEvent(address: entries[number].address, interface: entries[number].interface, kind: kind))
    }
}

// MARK: - Times of an interface

/// Times that a router set for one interface (RFC 4861 §6.3.2).
struct InterfaceTimes {
    let interface: UInt32
    var reachableTime: TimeSpan?
    var retransmit: TimeSpan?
}

extension NeighborTable {
    /// About how long a confirmation lasts on an interface; it counts from the next confirmation on.
    package func reachableTime(on interface: UInt32) -> TimeSpan {
        times.first { $0.interface == interface }?.reachableTime ?? settings.reachableTime
    }

    /// The time between two solicitations on an interface.
    package func retransmit(on interface: UInt32) -> TimeSpan {
        times.first { $0.interface == interface }?.retransmit ?? settings.retransmit
    }

    /// Sets the times of an interface, within what keeps the table's promises; `nil` leaves one as it is.
    mutating func setTimes(reachable: TimeSpan?, retransmit: TimeSpan?, on interface: UInt32) {
        let place = times.firstIndex { $0.interface == interface } ?? times.endIndex
        if place == times.endIndex { times.append(InterfaceTimes(interface: interface)) }
        if let reachable {
            times[place].reachableTime = min(max(reachable, .milliseconds(100)), .seconds(3_600))
        }
        if let retransmit { times[place].retransmit = min(max(retransmit, .milliseconds(10)), .seconds(60)) }
    }

    /// Goes back to the times of the settings.
    mutating func resetTimes(on interface: UInt32) { times.removeAll { $0.interface == interface } }
}
