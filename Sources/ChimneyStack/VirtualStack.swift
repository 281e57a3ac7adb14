import ChimneyAddressing
public import ChimneyLink
import ChimneyMulticast
import ChimneyNeighbors
public import ChimneyPrimitives
import ChimneyRouting

/// One complete network stack: interfaces, addresses, routes, neighbours, sockets, and nothing shared with any other.
///
/// It reads no clock, starts no timer and calls no operating system. A shell hands it frames and the
/// time, takes what is to be transmitted, and calls ``timerFired(at:)`` when ``deadline`` has passed:
///
///     stack.framesArrived(&batch, on: interface, at: now)
///     while let index = stack.nextToTransmit() { stack.takeTransmit(from: index, into: &out) }
///
/// A stack is confined to one thread at a time. Its memory beyond the packets is some kilobytes.
public struct VirtualStack: ~Copyable {
    /// The name, for people.
    public let name: String
    /// What the operator set.
    public internal(set) var settings: StackSettings
    /// Where its packets come from; many stacks of one thread may share a pool.
    public let pool: PacketPool

    /// Whatever the shell wants to find with the stack; the stack never looks at it.
    ///
    /// Being of any type, it makes a borrow of the stack pass an address: without such a member all
    /// 850 bytes would be copied for each call that only reads.
    public var context: (any Sendable)?

    var random: StackRandom
    /// The time of the event being handled.
    var now = Instant.zero
    /// Grows with every change of addresses, routes or interfaces, so that remembered paths are known to be stale.
    var generation: UInt64 = 1

    /// Names, indexes and groups of the interfaces; a copy is a snapshot that readers on other threads may keep.
    public internal(set) var interfaceTable: InterfaceTable
    var ports: PortList
    /// Where `lo0` is kept.
    let loopback: SlotID
    var local = LocalAddresses<IPv4Address>()
    var ipv6Local = LocalAddresses<IPv6Address>()
    var routes: IPv4RoutingTables
    var ipv6Routes: IPv6RoutingTables
    /// The destinations of host routes that redirects made, oldest first.
    var redirects: [IPAddress] = []
    var arp: ARPEngine
    /// What ARP wants done; empty between any two calls.
    var arpOutput = ARPOutput()
    /// Whether what ARP wants done is being done.
    var isSettling = false
    var ndp: NDPEngine
    /// What neighbour discovery wants done; empty between any two calls.
    var ndpOutput = NDPOutput()
    /// What router discovery, router advertisements and DHCP want done; empty between any two calls.
    var discoveryOutput = RouterDiscoveryOutput()
    var advertiserOutput = RouterAdvertiserOutput()
    var dhcpOutput = DHCPOutput()
    /// Whether what discovery wants done is being done.
    var isSettlingDiscovery = false
    /// When the first of the interfaces' engines of addressing is due.
    var addressingDue = Instant.never
    /// The key of identifiers that stay the same on a network (RFC 7217 §5).
    let identifierSecret: KeyedHash
    /// The groups that are joined, and how their routers are told.
    var ipv4Groups: MulticastHost<IPv4Address>
    var ipv6Groups: MulticastHost<IPv6Address>
    /// What happened to groups, for whoever asks.
    var membershipNews = OutputList<StackMembershipEvent>()
    /// The interfaces whose devices have to be told what to let in.
    var filterNews: [InterfaceIndex] = []
    var reassembly: Reassembly
    var pathMTUs: PathMTUs

    var sockets: SlotMap<UDPSocketState>
    var portTable = PortTable()
    var connected = ConnectedTable()
    var announced: [SocketID] = []
    var echoes = EchoSockets()
    var tcp: TCPTables

    /// Where the last forwarded packet went; runs of packets go one way.
    var lastForwarding = ForwardingMemory<IPv4Address>()
    var lastIPv6Forwarding = ForwardingMemory<IPv6Address>()
    var dirty: [InterfaceIndex] = []
    var looped = PacketQueue()
    var icmpLimit: RateLimit
    var identification: UInt16

    /// The account of every packet.
    public internal(set) var ledger = Ledger()
    /// Counters beside the ledger.
    public internal(set) var counters = StackCounters()
    var history: DropHistory

    /// A stack without interfaces but its loopback, `lo0`.
    ///
    /// The pool bounds what this stack and its neighbours on it may hold. Everything the stack draws
    /// comes from `random`: equal generators and equal events give equal bytes.
    public init(name: String, settings: StackSettings = StackSettings(), pool: PacketPool, random: StackRandom) {
        self.name = name
        self.settings = settings
        self.pool = pool
        self.random = random
        identification = UInt16(truncatingIfNeeded: self.random.next())
        interfaceTable = InterfaceTable(interfacesMax: settings.interfacesMax + 1)
        ports = PortList(interfacesMax: settings.interfacesMax + 1)
        routes = IPv4RoutingTables(count: settings.fibCount)
        ipv6Routes = IPv6RoutingTables(count: settings.fibCount)
        // ARP must know every address an interface may have, or it would not answer for it.
        var arpSettings = settings.arp
        arpSettings.addressesMax = max(arpSettings.addressesMax, settings.addressesPerInterfaceMax)
        arp = ARPEngine(settings: arpSettings, using: &self.random)
        // Discovery must know every address an interface may have, or it would not answer for it.
        var ndpSettings = settings.ndp
        ndpSettings.addressesMax = max(ndpSettings.addressesMax, settings.addressesPerInterfaceMax)
        ndp = NDPEngine(settings: ndpSettings, using: &self.random)
        // Not `??`: its closure over `self` lets the compiler take the fields that follow as set, and release what is there.
        if let secret = settings.identifierSecret {
            identifierSecret = KeyedHash(
                key: (UInt64(truncatingIfNeeded: secret >> 64), UInt64(truncatingIfNeeded: secret)))
        } else {
            identifierSecret = KeyedHash(using: &self.random)
        }
        // Every socket may join, and so may the stack itself.
        var limits = settings.membershipLimits
        limits.socketsMax = settings.socketsMax + Int(Self.firstSocketNumber)
        ipv4Groups = MulticastHost(limits: limits, interfacesMax: settings.interfacesMax + 1, using: &self.random)
        ipv6Groups = MulticastHost(limits: limits, interfacesMax: settings.interfacesMax + 1, using: &self.random)
        reassembly = Reassembly(settings: settings)
        pathMTUs = PathMTUs(destinationsMax: settings.destinationsMax)
        sockets = SlotMap(elementsMax: settings.socketsMax)
        tcp = TCPTables(settings: settings.tcp, using: &self.random)
        icmpLimit = RateLimit(perSecondMax: settings.icmpErrorsPerSecondMax, burstMax: settings.icmpErrorBurstMax)
        history = DropHistory(recordsMax: settings.dropRecordsMax)
        let description = InterfaceDescription(name: "lo0", kind: .loopback, mtu: 65_535)
        guard let index = try? interfaceTable.attach(name: description.name, kind: description.kind),
            let id = ports.insert(StackInterface(description, index: index, using: &self.random))
        else { preconditionFailure("an empty table has room for one interface") }
        loopback = id
        configureLoopback()
        startGroups()
    }

    mutating func beginRound(at now: Instant) { self.now = now }

    mutating func nextIdentification() -> UInt16 {
        identification &+= 1
        return identification
    }
}

extension VirtualStack {
    /// When ``timerFired(at:)`` next has work, or `nil` while nothing is pending.
    public var deadline: Instant? {
        if !looped.isEmpty || !tcp.touched.isEmpty { return now }
        let neighbors = min(arp.deadline ?? .never, ndp.deadline ?? .never, addressingDue)
        let groups = min(ipv4Groups.deadline, ipv6Groups.deadline)
        let earliest = min(min(reassembly.deadline ?? .never, neighbors, groups, tcp.due), pathMTUs.deadline)
        return earliest == .never ? nil : earliest
    }

    /// Does what was due by now; early or late calls do no harm.
    public mutating func timerFired(at now: Instant) {
        beginRound(at: now)
        expireFragments()
        // A larger packet may pass by now: flows ask for their way anew.
        if pathMTUs.forget(at: now) { generation &+= 1 }
        neighborTimersFired()
        discoveryTimersFired()
        groupTimersFired()
        tcpTimersFired()
        deliverLooped()
    }

    private mutating func expireFragments() {
        var dead = PacketQueue()
        while reassembly.expire(at: now, into: &dead) {
            var isFirst = true
            while !dead.isEmpty {
                let fragment = dead.removeFirst()
                if isFirst { sendICMPError(.reassemblyTimeExceeded, about: fragment) }
                isFirst = false
                drop(fragment, .fragmentTimeout)
            }
        }
    }

    /// The next interface that has frames to transmit, or `nil`; each call names another.
    ///
    /// Connections of TCP first send what has become due by now.
    public mutating func nextToTransmit() -> InterfaceIndex? {
        if !tcp.touched.isEmpty { sendTouched() }
        guard let index = dirty.popLast() else { return nil }
        if let port = ports.position(of: index) { ports[port].isDirty = false }
        return index
    }

    /// Whether any interface may have frames to transmit.
    public var hasTransmit: Bool { !dirty.isEmpty || !tcp.touched.isEmpty }

    /// Hands an interface's waiting frames to the shell, all at once and without copying.
    public mutating func takeTransmit(from index: InterfaceIndex, into queue: inout PacketQueue) {
        if !tcp.touched.isEmpty { sendTouched() }
        guard let port = ports.position(of: index) else { return }
        let count = UInt64(ports[port].transmit.count)
        ports[port].counters.transmittedPackets &+= count
        ports[port].counters.transmittedBytes &+= UInt64(ports[port].transmit.byteCount)
        ledger.transmitted &+= count
        queue.append(contentsOf: &ports[port].transmit)
    }

    /// Compares the ledger with what the queues hold; they must agree between any two calls.
    public var conservation: Conservation {
        var held = Int64(reassembly.heldCount + looped.count + arp.table.packetsWaiting + ndp.table.packetsWaiting)
        for position in 0..<ports.count { held += Int64(ports[ports.id(at: position)].transmit.count) }
        return Conservation(heldByLedger: ledger.held, heldInFact: held)
    }
}

/// Counters that are not a packet's fate.
public struct StackCounters: Sendable, Hashable {
    /// ICMP messages that passed their checksum.
    public internal(set) var icmpReceived: UInt64 = 0
    /// Echo and timestamp requests answered.
    public internal(set) var icmpEchoesAnswered: UInt64 = 0
    /// ICMP errors sent.
    public internal(set) var icmpErrorsSent: UInt64 = 0
    /// ICMP errors not sent because of the rate limit.
    public internal(set) var icmpErrorsSuppressed: UInt64 = 0
    /// Reports about groups for which there was no buffer.
    public internal(set) var membershipMessagesUnsent: UInt64 = 0
    /// Copies of a datagram for further receivers for which there was no buffer.
    public internal(set) var multicastCopiesMissed: UInt64 = 0
}
