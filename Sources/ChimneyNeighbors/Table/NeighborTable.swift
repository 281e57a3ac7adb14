package import ChimneyPrimitives

/// Link addresses of neighbours, and whether they still work: one machine for ARP and for NDP.
///
/// It decides whom to ask and when, holds packets meanwhile and gives them back; the protocol around it turns
/// questions into messages and messages into claims. It owns no clock, interface or packet pool.
///
/// The path of a packet is ``resolved(_:at:)`` with a handle that the route cache or socket keeps. When that
/// answers `nil`, ``resolve(_:on:at:using:output:)`` finds or makes the entry.
///
/// - Note: RFC 4861 §7.2 and §7.3, with the bounds of RFC 6583.
package struct NeighborTable<Address: InternetAddress>: ~Copyable {
    /// The part of an entry that sending reads.
    @usableFromInline
    struct Cell: BitwiseCopyable {
        @usableFromInline var mac: UInt64 = 0
        // Until when packets may go to `mac` without a question: zero for never, the last instant for as long
        // as the state lasts, otherwise the end of reachability.
        @usableFromInline var freshUntil = Instant.zero
        @usableFromInline var reachableTime = TimeSpan.zero
        @usableFromInline var generation: UInt32 = 0

        @usableFromInline init() {}
    }

    /// The rest of an entry.
    struct Entry {
        var address: Address
        var interface: UInt32
        var state = NeighborState.none
        var solicitationsLeft = 0
        var isUsed = false
        var wasReachable = false
        var isRouter = false
        // A router that is known to be silent; the others were not told to be.
        var isSilentRouter = false
        var changedAt = Instant.zero
        var answeredAt: Instant?
        var waiting: Int?
    }

    @usableFromInline var cells: [Cell] = []
    var entries: [Entry] = []
    var free: [UInt32] = []
    var index = NeighborIndex()
    var order = EvictionOrder()
    var timers = DeadlineHeap()
    var waiting = WaitingRoom()
    let settings: NeighborSettings
    var times: [InterfaceTimes] = []
    let key: (UInt64, UInt64)
    /// How many entries there are.
    package private(set) var count = 0
    /// How many of them await a first answer.
    package private(set) var resolvingCount = 0

    /// An empty table; settings outside their meaning are brought to the nearest that has one.
    package init(settings: NeighborSettings = .init(), using random: inout StackRandom) {
        self.settings = settings.clamped
        key = (random.next() | 1, random.next())
    }

    /// How many packets wait for neighbours.
    package var packetsWaiting: Int { waiting.packetCount }
    /// How many bytes they have.
    package var bytesWaiting: Int { waiting.byteCount }
    /// When ``timerFired(at:using:output:)`` wants to be called.
    package var deadline: Instant? { timers.first }

    /// Where to send a packet, if that is known and fresh; otherwise ask ``resolve(_:on:at:using:output:)``.
    @inlinable @inline(__always)
    package func resolved(_ handle: NeighborHandle, at now: Instant) -> MACAddress? {
        let number = Int(handle.index)
        guard number < cells.count else { return nil }
        let cell = cells[number]
        guard cell.generation == handle.generation, now < cell.freshUntil else { return nil }
        return MACAddress(bits: cell.mac)
    }

    /// An upper layer made progress through the neighbour, which proves it reachable (RFC 4861 §7.3.1).
    @inlinable
    package mutating func confirmed(_ handle: NeighborHandle, at now: Instant) {
        let number = Int(handle.index)
        guard number < cells.count, cells[number].generation == handle.generation else { return }
        let until = cells[number].freshUntil
        guard until != .zero, until != .never else { return confirmedWhileDoubted(number, at: now) }
        cells[number].freshUntil = now + cells[number].reachableTime
    }

    /// Finds out where a packet for `address` goes, asking the link if need be.
    ///
    /// On `.hold` the caller gives the packet to ``hold(_:for:output:)``, which never loses it. At
    /// ``NeighborSettings/resolvingMax`` or when every entry is worth more, a new neighbour is refused.
    package mutating func resolve(
        _ address: Address, on interface: UInt32, at now: Instant, using random: inout StackRandom,
        output: inout NeighborOutput<Address>
    ) -> NeighborAnswer {
        guard let number = find(address, on: interface) else {
            guard resolvingCount < settings.resolvingMax,
                let number = create(address, on: interface, displacing: .live)
            else { return .refused(.tableFull) }
            entries[number].isUsed = true
            startResolving(number, at: now, output: &output)
            return .hold(handle(number))
        }
        entries[number].isUsed = true
        switch entries[number].state {
        case .none, .incomplete:
            return .hold(handle(number))
        case .failed:
            guard entries[number].changedAt + settings.failedHold <= now else { return .refused(.unreachable) }
            guard resolvingCount < settings.resolvingMax else { return .refused(.tableFull) }
            startResolving(number, at: now, output: &output)
            return .hold(handle(number))
        case .reachable where now < cells[number].freshUntil:
            break
        case .reachable, .stale:
            enter(.delay, number, at: now, until: now + settings.delayFirstProbe)
        case .delay, .probe, .permanent:
            break
        }
        return .send(to: MACAddress(bits: cells[number].mac), handle(number))
    }

    /// Keeps a packet until the neighbour answers or is given up; it comes back in a run of `output`.
    package mutating func hold(
        _ packet: consuming Packet, for handle: NeighborHandle, output: inout NeighborOutput<Address>
    ) {
        guard let number = number(of: handle) else {
            return output.give(packet, of: Address(bits: 0), on: 0, .drop(.removed))
        }
        let address = entries[number].address
        let interface = entries[number].interface
        switch entries[number].state {
        case .none, .failed:
            return output.give(packet, of: address, on: interface, .drop(.unreachable))
        case .reachable, .stale, .delay, .probe, .permanent:
            let mac = MACAddress(bits: cells[number].mac)
            return output.give(packet, of: address, on: interface, .send(to: mac))
        case .incomplete:
            break
        }
        guard settings.pendingPacketsMax > 0 else {
            return output.give(packet, of: address, on: interface, .drop(.queueFull))
        }
        let bytes = packet.totalCount
        while let room = entries[number].waiting, waiting.count(in: room) >= settings.pendingPacketsMax {
            output.give(waiting.removeFirst(from: room), of: address, on: interface, .drop(.queueFull))
        }
        while let room = entries[number].waiting, waiting.count(in: room) > 0,
            waiting.byteCount + bytes > settings.pendingBytesMax
        {
            output.give(waiting.removeFirst(from: room), of: address, on: interface, .drop(.bytesFull))
        }
        guard waiting.byteCount + bytes <= settings.pendingBytesMax else {
            return output.give(packet, of: address, on: interface, .drop(.bytesFull))
        }
        let room = entries[number].waiting ?? waiting.open()
        entries[number].waiting = room
        waiting.append(packet, to: room)
        order.set(number, to: .pinned)
    }

    /// Moves every neighbour whose time has come; early and late calls do no harm.
    package mutating func timerFired(
        at now: Instant, using random: inout StackRandom, output: inout NeighborOutput<Address>
    ) {
        // Every state's next deadline is after `now`, so that each entry comes up once.
        while let number = timers.due(at: now) { expired(number, at: now, output: &output) }
    }

    private mutating func expired(_ number: Int, at now: Instant, output: inout NeighborOutput<Address>) {
        switch entries[number].state {
        case .none, .permanent:
            timers.set(number, to: nil)
        case .incomplete:
            guard entries[number].solicitationsLeft > 0 else { return fail(number, at: now, output: &output) }
            solicit(number, to: nil, at: now, output: &output)
        case .reachable:
            let until = cells[number].freshUntil
            guard until <= now else { return timers.set(number, to: until) }
            becomeStale(number, at: now)
        case .stale, .failed:
            remove(number, .removed, output: &output)
        case .delay:
            startProbing(number, at: now, output: &output)
        case .probe:
            guard entries[number].solicitationsLeft > 0 else {
                guard resolvingCount < settings.resolvingMax else { return fail(number, at: now, output: &output) }
                routerFellSilent(number, output: &output)
                return startResolving(number, at: now, output: &output)
            }
            solicit(number, to: MACAddress(bits: cells[number].mac), at: now, output: &output)
        }
    }
}

// MARK: - States

extension NeighborTable {
    /// Gives an entry a state and all that follows from it: freshness, worth, deadline and counts.
    mutating func enter(_ state: NeighborState, _ number: Int, at now: Instant, until due: Instant?) {
        if entries[number].state == .incomplete { resolvingCount -= 1 }
        if state == .incomplete { resolvingCount += 1 }
        entries[number].state = state
        entries[number].changedAt = now
        timers.set(number, to: due)
        switch state {
        case .none, .incomplete, .failed:
            cells[number].freshUntil = .zero
            order.set(number, to: entries[number].waiting == nil ? .vain : .pinned)
        case .stale:
            cells[number].freshUntil = .zero
            order.set(number, to: entries[number].isUsed ? .stale : .unused)
        case .reachable:
            cells[number].freshUntil = now + cells[number].reachableTime
            order.set(number, to: .live)
        case .delay, .probe:
            cells[number].freshUntil = .never
            order.set(number, to: .live)
        case .permanent:
            cells[number].freshUntil = .never
            order.set(number, to: .pinned)
        }
    }

    mutating func becomeReachable(_ number: Int, at now: Instant, using random: inout StackRandom) {
        let half = TimeSpan.nanoseconds(reachableTime(on: entries[number].interface).nanoseconds / 2)
        cells[number].reachableTime = half + random.delay(upTo: half * 2)
        entries[number].wasReachable = true
        entries[number].answeredAt = now
        enter(.reachable, number, at: now, until: now + cells[number].reachableTime)
    }

    mutating func becomeStale(_ number: Int, at now: Instant) {
        let lifetime = entries[number].isUsed ? settings.staleLifetime : settings.unusedLifetime
        enter(.stale, number, at: now, until: now + lifetime)
    }

    mutating func startResolving(_ number: Int, at now: Instant, output: inout NeighborOutput<Address>) {
        cells[number].mac = 0
        entries[number].answeredAt = nil
        enter(.incomplete, number, at: now, until: nil)
        entries[number].solicitationsLeft = settings.multicastSolicitations
        solicit(number, to: nil, at: now, output: &output)
    }

    mutating func startProbing(_ number: Int, at now: Instant, output: inout NeighborOutput<Address>) {
        enter(.probe, number, at: now, until: now + retransmit(on: entries[number].interface))
        entries[number].solicitationsLeft = settings.unicastSolicitations
        guard entries[number].solicitationsLeft > 0 else { return }
        solicit(number, to: MACAddress(bits: cells[number].mac), at: now, output: &output)
    }

    private mutating func solicit(
        _ number: Int, to mac: MACAddress?, at now: Instant, output: inout NeighborOutput<Address>
    ) {
        entries[number].solicitationsLeft -= 1
        timers.set(number, to: now + retransmit(on: entries[number].interface))
        output.solicitations.append(
            NeighborQuestion(address: entries[number].address, interface: entries[number].interface, mac: mac))
    }

    private mutating func fail(_ number: Int, at now: Instant, output: inout NeighborOutput<Address>) {
        giveBack(number, .drop(.unreachable), output: &output)
        routerFellSilent(number, output: &output)
        if entries[number].wasReachable {
            entries[number].wasReachable = false
            output.events.appendNews(
                NeighborEvent(address: entries[number].address, interface: entries[number].interface, kind: .lost))
        }
        cells[number].mac = 0
        // A zero hold forgets the neighbour at once.
        enter(.failed, number, at: now, until: now + settings.failedHold)
    }

    mutating func giveBack(_ number: Int, _ fate: NeighborFate, output: inout NeighborOutput<Address>) {
        guard let room = entries[number].waiting else { return }
        entries[number].waiting = nil
        var queue = waiting.close(room)
        output.give(&queue, of: entries[number].address, on: entries[number].interface, fate)
    }

    @usableFromInline
    mutating func confirmedWhileDoubted(_ number: Int, at now: Instant) {
        switch entries[number].state {
        case .none, .incomplete, .failed, .permanent, .reachable:
            return
        case .stale, .delay, .probe:
            // An entry that was never reachable has drawn no time of its own yet.
            if cells[number].reachableTime == .zero {
                cells[number].reachableTime = reachableTime(on: entries[number].interface)
            }
            entries[number].wasReachable = true
            enter(.reachable, number, at: now, until: now + cells[number].reachableTime)
        }
    }
}

// MARK: - Places

extension NeighborTable {
    func hash(_ address: Address, _ interface: UInt32) -> UInt32 {
        let low = UInt64(truncatingIfNeeded: address.bits)
        let high = Address.bitWidth > 64 ? UInt64(truncatingIfNeeded: address.bits >> 64) : 0
        func folded(_ a: UInt64, _ b: UInt64) -> UInt64 {
            let product = a.multipliedFullWidth(by: b)
            return product.high ^ product.low
        }
        let mixed = folded(low ^ key.0, folded(high ^ key.1, UInt64(interface) ^ 0x9E37_79B9_7F4A_7C15) | 1)
        return UInt32(truncatingIfNeeded: mixed ^ mixed >> 32)
    }

    func find(_ address: Address, on interface: UInt32) -> Int? {
        index.first(hash(address, interface)) {
            entries[$0].address == address && entries[$0].interface == interface
        }
    }

    func handle(_ number: Int) -> NeighborHandle {
        NeighborHandle(index: UInt32(truncatingIfNeeded: number), generation: cells[number].generation)
    }

    func number(of handle: NeighborHandle) -> Int? {
        let number = Int(handle.index)
        guard number < cells.count, cells[number].generation == handle.generation,
            entries[number].state != .none
        else { return nil }
        return number
    }

    /// Makes an entry, in the place of the least worthy one up to `worthMax` when the table is full.
    mutating func create(_ address: Address, on interface: UInt32, displacing worthMax: NeighborWorth) -> Int? {
        if count >= settings.entriesMax {
            guard let victim = order.leastWorthy(upTo: worthMax) else { return nil }
            forget(victim)
        }
        let number: Int
        if let reused = free.popLast() {
            number = Int(reused)
            entries[number] = Entry(address: address, interface: interface)
        } else {
            number = entries.count
            entries.append(Entry(address: address, interface: interface))
            cells.append(Cell())
        }
        index.insert(number, hash: hash(address, interface))
        count += 1
        return number
    }

    mutating func remove(_ number: Int, _ reason: NeighborRefusal, output: inout NeighborOutput<Address>) {
        giveBack(number, .drop(reason), output: &output)
        forget(number)
    }

    /// Frees the place of an entry for which no packet waits; its handles resolve to nothing from now on.
    private mutating func forget(_ number: Int) {
        if entries[number].state == .incomplete { resolvingCount -= 1 }
        index.remove(number, hash: hash(entries[number].address, entries[number].interface))
        order.set(number, to: nil)
        timers.set(number, to: nil)
        entries[number].state = .none
        let generation = cells[number].generation &+ 1
        cells[number] = Cell()
        cells[number].generation = generation
        free.append(UInt32(truncatingIfNeeded: number))
        count -= 1
    }
}
