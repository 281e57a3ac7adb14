package import ChimneyPrimitives
package import ChimneyWire

/// The groups of one address family in a stack: what sockets joined, and what each interface tells its routers of it.
///
/// It joins ``HostMemberships`` to an ``InterfaceMachine`` for each interface, and says what is to be done about
/// both: messages to send, groups to let in by the link, news. Whoever calls takes all of ``output`` after each call.
package struct MulticastHost<Address: MembershipAddress>: ~Copyable {
    /// What sockets joined; to be asked, and to be told of ports and bounds.
    package var memberships: HostMemberships<Address>
    /// What is to be done; empty between any two events.
    package var output = MulticastHostOutput<Address>()
    /// When ``timerFired(at:using:)`` next has work; ``Instant/never`` while nothing is pending.
    package private(set) var deadline = Instant.never

    private var machines: SlotMap<InterfaceMachine<Address>>
    /// The interfaces in order, each with the place of its machine and when that is due.
    private var links: [MembershipLink] = []
    private var reports = MembershipOutput<Address>()

    /// A host without interfaces.
    package init(limits: MembershipLimits, interfacesMax: Int, using random: inout StackRandom) {
        memberships = HostMemberships(limits: limits, using: &random)
        machines = SlotMap(elementsMax: interfacesMax)
    }

    // MARK: - Interfaces

    /// Groups may be joined on an interface from now on; what is told of them is told once it is up.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func attach(
        _ interface: UInt32, settings: MembershipSettings<Address>, mtu: Int, isUp: Bool,
        using random: inout StackRandom
    ) {
        guard position(of: interface) == nil else { return }
        let machine = InterfaceMachine(settings: settings, mtu: mtu, isUp: isUp, using: &random)
        guard let place = machines.insert(machine) else { return }
        let position = links.firstIndex { $0.interface > interface } ?? links.count
        links.insert(MembershipLink(interface: interface, place: place), at: position)
        memberships.attach(interface)
    }

    /// An interface is gone with what was joined on it; its link cannot be told.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func detach(_ interface: UInt32) {
        guard let position = position(of: interface) else { return }
        for group in memberships.groups(on: interface) {
            output.changes.append(GroupNews(interface: interface, group: group, kind: .left))
        }
        memberships.detach(interface)
        _ = machines.remove(links[position].place)
        links.remove(at: position)
        schedule()
    }

    /// The link is there, or the interface got its first address: all its groups are told as if they were new.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func linkWentUp(_ interface: UInt32, at now: Instant) {
        guard let position = position(of: interface) else { return }
        machines[links[position].place].linkWentUp(at: now)
        settle(position, at: now)
    }

    /// The link is gone, and with it all that was due on it.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func linkWentDown(_ interface: UInt32, at now: Instant) {
        guard let position = position(of: interface) else { return }
        machines[links[position].place].linkWentDown(at: now, output: &reports)
        settle(position, at: now)
    }

    /// The link has another MTU.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func setMTU(_ mtu: Int, of interface: UInt32) {
        guard let position = position(of: interface) else { return }
        machines[links[position].place].mtu = mtu
    }

    /// The interface reports in another way from now on; see ``InterfaceMachine/configure(_:at:output:)``.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func configure(
        _ settings: MembershipSettings<Address>, of interface: UInt32, at now: Instant
    ) {
        guard let position = position(of: interface) else { return }
        let place = links[position].place
        machines[place].configure(settings, at: now, output: &reports)
        // What was not reported before and is now is told as if it were new.
        for group in memberships.groups(on: interface) where !machines[place].knows(group) {
            machines[place].filterChanged(.mode(to: memberships.filter(of: group, on: interface)), of: group, at: now)
        }
        settle(position, at: now)
    }

    /// How the interface reports.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package func settings(of interface: UInt32) -> MembershipSettings<Address>? {
        guard let position = position(of: interface) else { return nil }
        return machines[links[position].place].settings
    }

    /// The state of the interface's machine, to be shown.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package func listing(of interface: UInt32) -> InterfaceMembership<Address>? {
        guard let position = position(of: interface) else { return nil }
        return machines[links[position].place].listing
    }

    /// How often things happened on the interface.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package func counters(of interface: UInt32) -> MembershipCounters? {
        guard let position = position(of: interface) else { return nil }
        return machines[links[position].place].counters
    }

    // MARK: - Sockets

    /// Does what a socket asks for, and tells the link what changed by it.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func perform(
        _ call: GroupCall<Address>, of group: Address, on interface: UInt32, socket: UInt32, at now: Instant
    ) throws(MembershipError) {
        let wasJoined = memberships.isJoined(group, on: interface)
        let change = try memberships.perform(call, of: group, on: interface, socket: socket)
        guard let change else { return }
        filterChanged(change, of: group, on: interface, wasJoined: wasJoined, at: now)
    }

    /// Takes a socket that is being closed out of all its groups.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func leaveAll(_ socket: UInt32, at now: Instant) {
        while let left = memberships.leaveNext(of: socket) {
            guard let change = left.change else { continue }
            filterChanged(change, of: left.group, on: left.interface, wasJoined: true, at: now)
        }
    }

    private mutating func filterChanged(
        _ change: FilterChange<Address>, of group: Address, on interface: UInt32, wasJoined: Bool, at now: Instant
    ) {
        guard let position = position(of: interface) else { return }
        let isJoined = memberships.isJoined(group, on: interface)
        output.changes.append(
            GroupNews(
                interface: interface, group: group,
                kind: isJoined == wasJoined ? .filterChanged : isJoined ? .joined : .left))
        let place = links[position].place
        let isKnown = machines[place].knows(group)
        // Of a group that routers were never told of, they need not hear that it is left.
        guard isJoined || isKnown else { return }
        // A group that the machine had no room for, or did not report, begins with all that is wanted of it.
        let isNews = wasJoined && !isKnown
        let told = isNews ? .mode(to: memberships.filter(of: group, on: interface)) : change
        machines[place].filterChanged(told, of: group, at: now)
        settle(position, at: now)
    }

    // MARK: - Packets and time

    /// A message about membership arrived on an interface; says why it came to nothing, `nil` when it did not.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func messageArrived(
        _ bytes: RawSpan, in packet: MembershipPacket<Address>, on interface: UInt32, at now: Instant,
        using random: inout StackRandom
    ) -> MembershipDrop? {
        guard let position = position(of: interface) else { return .down }
        let drop = machines[links[position].place].messageArrived(
            bytes, in: packet, at: now, using: &random, output: &reports)
        settle(position, at: now)
        return drop
    }

    /// Does what is due; early and late calls do no harm.
    @specialized(where Address == IPv4Address)
    @specialized(where Address == IPv6Address)
    package mutating func timerFired(at now: Instant, using random: inout StackRandom) {
        guard deadline <= now else { return }
        for position in links.indices where links[position].due <= now {
            machines[links[position].place].timerFired(at: now, using: &random, output: &reports)
            collect(position, at: now)
        }
        schedule()
    }

    /// The position of an interface; indexes are handed out from 1 on, so that the guess is nearly always right.
    private func position(of interface: UInt32) -> Int? {
        let guess = Int(interface) - 1
        if links.indices.contains(guess), links[guess].interface == interface { return guess }
        return links.firstIndex { $0.interface == interface }
    }

    /// Takes what a machine wants done, and looks when it is next due.
    private mutating func settle(_ position: Int, at now: Instant) {
        let before = links[position].due
        collect(position, at: now)
        let due = links[position].due
        if due <= deadline { deadline = due } else if before <= deadline { schedule() }
    }

    private mutating func collect(_ position: Int, at now: Instant) {
        let interface = links[position].interface
        while let next = reports.transmissions.next() {
            output.transmissions.append(HostTransmission(interface: interface, message: next.message))
        }
        while let event = reports.events.next() {
            output.events.append(HostEvent(interface: interface, event: event))
        }
        links[position].due = machines[links[position].place].deadline ?? .never
    }

    private mutating func schedule() {
        deadline = .never
        for link in links where link.due < deadline { deadline = link.due }
    }
}

/// An interface of a multicast host.
private struct MembershipLink {
    let interface: UInt32
    let place: SlotID
    var due = Instant.never
}

/// What a multicast host wants done, each in order.
package struct MulticastHostOutput<Address: MembershipAddress> {
    /// Messages to send.
    package var transmissions = OutputList<HostTransmission<Address>>()
    /// Groups of interfaces whose filters changed.
    package var changes = OutputList<GroupNews<Address>>()
    /// What became of the way interfaces report.
    package var events = OutputList<HostEvent>()
}

/// A message about membership to send on an interface: see ``MembershipTransmission``.
package struct HostTransmission<Address: MembershipAddress> {
    package let interface: UInt32
    package let message: MembershipMessage<Address>
}

/// An event of an interface.
package struct HostEvent {
    package let interface: UInt32
    package let event: MembershipEvent
}

/// A group of an interface whose merged filter changed.
package struct GroupNews<Address: MembershipAddress> {
    package let interface: UInt32
    package let group: Address
    package let kind: Kind

    package enum Kind {
        case joined, left, filterChanged
    }
}
