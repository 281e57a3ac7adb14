import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyStack

/// The sockets of one `chimney mtest`: what they joined, what they received and what they send.
///
/// It knows nothing of threads and of the control socket; whoever has it gives it the stack and the time.
struct MulticastTester {
    /// A source and the group it sends to.
    struct Flow: Hashable, Comparable {
        var source: IPAddress
        var group: IPAddress

        static func < (lhs: Self, rhs: Self) -> Bool { (lhs.source, lhs.group) < (rhs.source, rhs.group) }
    }

    private struct Holding {
        var id: SocketID
        /// The group that the socket is for, where it was opened for one.
        var group: IPAddress?
    }

    private struct Sending {
        var socket: SocketID
        var groups: AddressRow
        var port: UInt16
        var count: Int
        var perSecond: Double
        var payload: [UInt8]
        var startedAt: Instant
        var sentCount = 0

        /// When the datagram after those sent is due.
        var nextAt: Instant { startedAt + .fractionalSeconds(Double(sentCount) / perSecond) }
    }

    let port: UInt16
    private let choice: InterfaceChoice
    private var holdings: [String: Holding] = [:]
    private var sendings: [Sending] = []
    private var received: [Flow: UInt64] = [:]
    /// Datagrams of further flows than ``flowsMax``.
    private(set) var uncountedCount: UInt64 = 0
    /// Sockets that were opened and not yet listened to.
    private var openedSockets: [SocketID] = []
    /// Sockets that were closed and are still listened to.
    private var closedSockets: [SocketID] = []

    /// The most sockets of one client, those it sends from not among them; at the bound opening is refused.
    ///
    /// Sockets of one port are in one list, so that opening many costs the square of their number.
    static var socketsMax: Int { 4_096 }
    /// The most flows that are counted one by one; datagrams of others are counted together.
    static var flowsMax: Int { 16_384 }
    /// The most things that are sent at a time; one more is refused.
    static var sendingsMax: Int { 64 }
    /// The most datagrams sent or received before others get their turn.
    static var datagramsPerTurnMax: Int { 256 }

    /// A client that joins on an interface, or on the one that each group is routed to.
    init(port: UInt16, interface: InterfaceIndex?) {
        self.port = port
        choice = interface.map { .index($0) } ?? .route
    }

    /// The sockets that were opened since it was last asked.
    mutating func takeOpened() -> [SocketID] {
        defer { openedSockets = [] }
        return openedSockets
    }

    /// The sockets that were closed since it was last asked.
    mutating func takeClosed() -> [SocketID] {
        defer { closedSockets = [] }
        return closedSockets
    }

    // MARK: Sockets and groups

    /// Opens a socket that takes what comes to a port, whatever group it is for.
    mutating func open(
        _ name: String, port: UInt16, of stack: inout VirtualStack
    ) throws(GroupRefusal) {
        guard holdings[name] == nil else { throw GroupRefusal("the socket \(name) is open already", "EEXIST") }
        try open(name, for: nil, port: port, of: &stack)
    }

    private mutating func open(
        _ name: String, for group: IPAddress?, port: UInt16, of stack: inout VirtualStack
    ) throws(GroupRefusal) {
        guard holdings.count < Self.socketsMax else {
            let advice = group == nil ? "" : "; one socket joins many groups where a line ends in: as NAME"
            throw GroupRefusal(
                "there are \(Self.socketsMax) sockets, which is the most of one client\(advice)", "EMFILE")
        }
        let id: SocketID
        do throws(OpenError) { id = try stack.openUDP() } catch { throw GroupRefusal(error) }
        var options = UDPOptions()
        options.sharesAddress = true
        stack.setOptions(options, of: id)
        do throws(BindError) {
            _ = try stack.bind(id, to: group.map { Endpoint($0, port) } ?? Endpoint(port: port))
        } catch {
            stack.close(id)
            throw GroupRefusal(error)
        }
        holdings[name] = Holding(id: id, group: group)
        openedSockets.append(id)
    }

    mutating func close(_ name: String, of stack: inout VirtualStack) throws(GroupRefusal) {
        guard let holding = holdings.removeValue(forKey: name) else {
            throw GroupRefusal("there is no socket \(name)", "EBADF")
        }
        if openedSockets.last == holding.id { openedSockets.removeLast() } else { closedSockets.append(holding.id) }
        stack.close(holding.id)
    }

    /// Closes everything.
    mutating func closeAll(of stack: inout VirtualStack) {
        // In the order of the names, so that the reports of what is left are in an order, too.
        for name in holdings.keys.sorted() { try? close(name, of: &stack) }
        for sending in sendings { stack.close(sending.socket) }
        sendings = []
    }

    /// Makes a call for some of the groups it is about, on the socket of a name or on that of each group.
    ///
    /// - Returns: how many groups it was made for, and why not for more.
    mutating func perform(
        _ call: GroupCall, _ positions: Range<Int>, name: String?, of stack: inout VirtualStack, at now: Instant
    ) -> (doneCount: Int, refusal: GroupRefusal?) {
        for position in positions {
            do throws(GroupRefusal) {
                try perform(call, call.groups[position], name: name, of: &stack, at: now)
            } catch {
                return (position - positions.lowerBound, error)
            }
        }
        return (positions.count, nil)
    }

    private mutating func perform(
        _ call: GroupCall, _ group: IPAddress, name: String?, of stack: inout VirtualStack, at now: Instant
    ) throws(GroupRefusal) {
        let key = name ?? "\(group)"
        let isNew = holdings[key] == nil
        if isNew { try open(key, for: name == nil ? group : nil, port: port, of: &stack) }
        guard let holding = holdings[key] else { return }
        do throws(GroupRefusal) {
            try call.perform(group, on: choice, as: .socket(holding.id), of: &stack, at: now)
        } catch {
            if isNew { try close(key, of: &stack) }
            throw error
        }
        if call.leavesWholeGroup, name == nil, holding.group != nil { try close(key, of: &stack) }
    }

    /// The filter of a socket for a group.
    func filter(
        of group: IPAddress, name: String?, in stack: inout VirtualStack
    ) throws(GroupRefusal) -> GroupFilterReport {
        guard let holding = holdings[name ?? "\(group)"] else {
            throw GroupRefusal("there is no socket \(name ?? "\(group)")", "EBADF")
        }
        do throws(GroupError) {
            return GroupFilterReport(try stack.filter(of: group, on: choice, as: .socket(holding.id)))
        } catch {
            throw GroupRefusal(error)
        }
    }

    // MARK: Receiving

    /// Counts what waits in a socket; `false` when more waits than one turn takes.
    mutating func receive(_ id: SocketID, of stack: inout VirtualStack) -> Bool {
        _ = stack.takeError(id)
        var turns = 0
        while stack.receivableCount(id) > 0 {
            guard turns < Self.datagramsPerTurnMax else { return false }
            turns += 1
            let datagram = stack.receive(id)
            count(Flow(source: datagram.source.address, group: datagram.destination.address))
        }
        return true
    }

    mutating func count(_ flow: Flow) {
        if received[flow] != nil || received.count < Self.flowsMax {
            received[flow, default: 0] += 1
        } else {
            uncountedCount += 1
        }
    }

    /// How many datagrams of each flow came, in order.
    var counts: [FlowCount] {
        var list = received.sorted { $0.key < $1.key }.map {
            FlowCount(source: "\($0.key.source)", group: "\($0.key.group)", count: $0.value)
        }
        if uncountedCount > 0 { list.append(FlowCount(source: "*", group: "*", count: uncountedCount)) }
        return list
    }

    mutating func reset() {
        received = [:]
        uncountedCount = 0
    }

    // MARK: Sending

    /// Begins to send.
    mutating func begin(
        _ request: TestSendRequest, of stack: inout VirtualStack, at now: Instant
    ) throws(GroupRefusal) {
        guard sendings.count < Self.sendingsMax else {
            throw GroupRefusal("\(Self.sendingsMax) things are being sent, which is the most of one client", "EBUSY")
        }
        guard (1...TestSendRequest.countMax).contains(request.count), request.packetsPerSecond > 0,
            request.packetsPerSecond <= TestSendRequest.packetsPerSecondMax, (0...255).contains(request.timeToLive),
            (0...TestSendRequest.byteCountMax).contains(request.byteCount),
            (1...65_535).contains(request.port ?? 1)
        else { throw GroupRefusal("a number of the request is out of its range", "EINVAL") }
        let groups: AddressRow
        do throws(AddressRow.Failure) {
            groups = try AddressRow(groups: request.group)
        } catch {
            throw GroupRefusal(error)
        }
        let id: SocketID
        do throws(OpenError) { id = try stack.openUDP() } catch { throw GroupRefusal(error) }
        var options = UDPOptions()
        options.multicastTimeToLive = UInt8(request.timeToLive)
        options.multicastLoops = false
        if case .index(let index) = choice { options.multicastInterface = index }
        stack.setOptions(options, of: id)
        sendings.append(
            Sending(
                socket: id, groups: groups, port: request.port.map { UInt16(clamping: $0) } ?? port,
                count: request.count, perSecond: request.packetsPerSecond,
                payload: [UInt8](repeating: UInt8(ascii: "."), count: request.byteCount), startedAt: now))
    }

    /// Sends what is due, and says when it wants to be called again; `nil` when nothing is left to send.
    mutating func send(of stack: inout VirtualStack, at now: Instant) -> Instant? {
        var turns = 0
        var next: Instant?
        for position in sendings.indices {
            while sendings[position].sentCount < sendings[position].count, sendings[position].nextAt <= now,
                turns < Self.datagramsPerTurnMax
            {
                turns += 1
                Self.sendOne(&sendings[position], of: &stack, at: now)
            }
            guard sendings[position].sentCount < sendings[position].count else { continue }
            next = min(next ?? .never, max(now, sendings[position].nextAt))
        }
        for sending in sendings where sending.sentCount >= sending.count { stack.close(sending.socket) }
        sendings.removeAll { $0.sentCount >= $0.count }
        return next
    }

    private static func sendOne(_ sending: inout Sending, of stack: inout VirtualStack, at now: Instant) {
        let number = UInt32(truncatingIfNeeded: sending.sentCount)
        if sending.payload.count >= 4 {
            for place in 0..<4 { sending.payload[place] = UInt8(truncatingIfNeeded: number >> UInt32(24 - place * 8)) }
        }
        let group = sending.groups[sending.sentCount % sending.groups.count]
        // What cannot be sent is lost, as any datagram may be; the stack's counters say why.
        // Invariant: the span ends before the array does.
        try? unsafe stack.send(sending.socket, sending.payload.span.bytes, to: Endpoint(group, sending.port), at: now)
        sending.sentCount += 1
    }
}
