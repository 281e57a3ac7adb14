import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire

/// Runs one case of a packet script over one family: a stack with one interface, its peer played by the script, and virtual time.
final class ScriptBench {
    private let script: PacketScript
    private let lines: ScriptCase
    private let family: Family
    private let pool = PacketPool(packetsMax: 8_192, largeMax: 64)
    private var stack: VirtualStack
    private let interface: InterfaceIndex
    private let start = Instant(nanoseconds: 1_000_000_000)
    private var now: Instant
    /// When the line before happened.
    private var before: Instant

    private var listeners: [UInt16: TCPListenerID] = [:]
    private var listeningPort: UInt16?
    private var connections: [String: Held] = [:]
    private var flows: [UInt16: ScriptFlow] = [:]
    /// The peer's port in segments that name none.
    private var peerPort: UInt16
    /// What left and no line has named yet.
    private var left: [SeenSegment] = []
    /// The parts of a packet that arrived so far.
    private var fragments: [UInt8] = []
    private var dialogue: [String] = []

    /// A connection as its owner has it.
    private struct Held {
        var id: TCPConnectionID
        /// How much was written and read.
        var written = 0
        var taken = 0
    }

    init(_ script: PacketScript, _ lines: ScriptCase, over family: Family) throws {
        self.script = script
        self.lines = lines
        self.family = family
        now = start
        before = start
        peerPort = script.peerPort
        var settings = StackSettings()
        settings.duplicateDetection = .off
        for change in script.stackChanges { change(&settings.tcp) }
        for change in script.connectionChanges { change(&settings.tcp.connection) }
        stack = VirtualStack(name: "stack", settings: settings, pool: pool, random: StackRandom(seed: script.seed))
        let mtu = Self.mtu(script.size, family)
        let description = InterfaceDescription(name: "tun0", kind: .ip, mtu: mtu, ipv6: family.ipv6Mode)
        interface = try stack.attach(description, at: now)
        try stack.addAddress(family.right, to: interface, at: now)
        try stack.addRoute(to: family.stranger(1), .connected(on: interface))
        transmit()
    }

    private static func mtu(_ size: ScriptMessage.Size, _ family: Family) -> Int {
        switch size {
        case .mtu(let mtu): mtu
        case .mss(let mss): mss + 20 + family.headerByteCount
        }
    }

    /// Runs every line.
    ///
    /// - Throws: ``ScriptFailure`` at the first that does not hold.
    func run() throws(ScriptFailure) {
        for line in lines.lines {
            do {
                try run(line)
            } catch {
                throw failure(line, error.message)
            }
        }
        guard let last = lines.lines.last else { return }
        transmit()
        if let surplus = left.first { throw failure(last, "behind it left what no line names: \(surplus.text)") }
        guard stack.conservation.isKept else { throw failure(last, "a packet is not accounted for: \(conservation)") }
    }

    private var conservation: String { "\(stack.conservation)" }

    private func failure(_ line: ScriptLine, _ message: String) -> ScriptFailure {
        ScriptFailure(
            file: script.file, line: line.number, scene: lines.name, family: family, text: line.text, message: message,
            dialogue: Array(dialogue.suffix(24)))
    }

    /// Why a line does not hold.
    private struct Broken: Error {
        let message: String
        init(_ message: String) { self.message = message }
    }

    private func run(_ line: ScriptLine) throws(Broken) {
        let base = line.time.isRelative ? before : start
        if case .leaves(let written) = line.event {
            return try awaitSegment(
                written, from: base + line.time.earliest, to: base + line.time.latest + script.tolerance)
        }
        try pass(to: base + line.time.earliest)
        before = now
        switch line.event {
        case .given(let segment, let reason):
            note("< " + line.text.split(separator: " ").dropFirst(2).joined(separator: " "))
            try give(segment, dies: reason)
        case .told(let message, let reason):
            note("< " + line.text.split(separator: " ").dropFirst(2).joined(separator: " "))
            try dying(of: reason) { tell(message) }
        case .call(let call):
            note(line.text.split(separator: " ").dropFirst().joined(separator: " "))
            try perform(call)
        case .connectionStands(let name, let claims): try check(name, claims)
        case .stackStands(let claims): try check(claims)
        case .renew: flows[peerPort]?.renew()
        case .nothing, .leaves: break
        }
        transmit()
    }

    // MARK: - Time

    /// Lets time pass up to a line; nothing may leave that no line names.
    private func pass(to end: Instant) throws(Broken) {
        if let surplus = left.first { throw Broken("before it left what no line names: \(surplus.text)") }
        guard end >= now else { throw Broken("its time is over: it is \(text(now)) already") }
        for _ in 0..<100_000 {
            guard let due = stack.deadline, due <= end else { break }
            fire(at: max(now, due))
            if let surplus = left.first {
                throw Broken("before it, at \(text(surplus.at)), left what no line names: \(surplus.text)")
            }
        }
        now = end
    }

    private func fire(at time: Instant) {
        now = time
        stack.timerFired(at: now)
        transmit()
    }

    private func text(_ time: Instant) -> String {
        let microseconds = (time - start).nanoseconds / 1_000
        let fraction = String(1_000_000 + microseconds % 1_000_000).dropFirst()
        return "\(microseconds / 1_000_000).\(fraction)"
    }

    private func note(_ event: String) { dialogue.append("\(text(now)) \(event)") }

    // MARK: - What leaves

    private func awaitSegment(_ written: ScriptSegment, from earliest: Instant, to latest: Instant) throws(Broken) {
        for _ in 0..<100_000 where left.isEmpty {
            guard let due = stack.deadline, due <= latest else { break }
            fire(at: max(now, due))
        }
        guard !left.isEmpty else {
            now = max(now, latest)
            throw Broken("nothing left until \(text(latest))")
        }
        let seen = left.removeFirst()
        before = seen.at
        if let port = written.peerPort, port != seen.peerPort {
            throw Broken("it went to port \(seen.peerPort), not \(port): \(seen.text)")
        }
        let differences = seen.differences(from: written)
        guard differences.isEmpty else { throw Broken("\(differences.joined(separator: ", ")): \(seen.text)") }
        guard seen.at + script.tolerance >= earliest, seen.at <= latest else {
            throw Broken("it left at \(text(seen.at)), not from \(text(earliest)) to \(text(latest)): \(seen.text)")
        }
    }

    /// Takes what the stack has to transmit.
    private func transmit() {
        var queue = PacketQueue()
        while let index = stack.nextToTransmit() { stack.takeTransmit(from: index, into: &queue) }
        while !queue.isEmpty {
            let packet = Seen(Segment.bytes(of: queue.removeFirst()))
            if packet.ipProtocol == 6, let whole = joined(packet) { see(whole) }
        }
        stack.dropTCPNews()
    }

    /// A packet, or all of one that was cut, once its last part is there.
    private func joined(_ packet: Seen) -> Seen? {
        let word = packet.fragmentWord
        if word & 0x3FFF == 0 { return packet }
        if word & 0x1FFF == 0 { fragments = Array(packet.bytes.prefix(family.headerByteCount)) }
        fragments += packet.payload
        guard word & 0x2000 == 0, family == .ipv4 else { return nil }
        fragments.replaceSubrange(6..<8, with: [0, 0])
        return Seen(fragments)
    }

    private func see(_ packet: Seen) {
        let segment = packet.segment
        let port = segment.destinationPort
        var flow = flows[port] ?? makeFlow(port, local: segment.sourcePort)
        flow.localPort = segment.sourcePort
        var seen = flow.see(segment)
        flows[port] = flow
        seen.at = now
        seen.mark = packet.typeOfService & 3
        if family == .ipv4 { seen.mayBeCut = packet.bytes[6] & 0x40 == 0 }
        left.append(seen)
        note(seen.text)
    }

    private func makeFlow(_ port: UInt16, local: UInt16) -> ScriptFlow {
        ScriptFlow(peerPort: port, localPort: local, peerISN: script.peerISN)
    }

    // MARK: - What arrives

    private func give(_ written: ScriptSegment, dies reason: DropReason?) throws(Broken) {
        peerPort = written.peerPort ?? peerPort
        guard let local = written.localPort ?? flows[peerPort]?.localPort ?? listeningPort else {
            throw Broken("no listener, no connection and no 'to' tells which port it is for")
        }
        var flow = flows[peerPort] ?? makeFlow(peerPort, local: local)
        flow.localPort = local
        let segment = flow.segment(written)
        flows[peerPort] = flow
        var packet = Handmade.tcp(family, segment)
        packet.typeOfService = written.mark
        try dying(of: reason) { hand(packet) }
    }

    /// Does something of which one packet dies, or none.
    private func dying(of reason: DropReason?, _ body: () -> Void) throws(Broken) {
        let ledger = stack.ledger
        body()
        let reasons = DropReason.allCases.filter { stack.ledger.dropped($0) > ledger.dropped($0) }
        guard reasons != [reason].compactMap({ $0 }) else { return }
        let names = reasons.map { "\($0)" }.joined(separator: ", ")
        throw Broken("it died of \(names.isEmpty ? "nothing" : names), not of \(reason.map { "\($0)" } ?? "nothing")")
    }

    private func hand(_ packet: Handmade) {
        var queue = PacketQueue()
        queue.append(Segment.packet(packet.bytes, pool))
        stack.framesArrived(&queue, on: interface, at: now)
    }

    /// A router, or the peer, says that a segment of the stack's came to nothing.
    private func tell(_ message: ScriptMessage) {
        let flow = flows[peerPort] ?? makeFlow(peerPort, local: listeningPort ?? 0)
        var quoted = HandSegment()
        quoted.sourcePort = flow.localPort
        quoted.destinationPort = flow.peerPort
        quoted.sequence = (flow.stackISN ?? 0) &+ UInt32(truncatingIfNeeded: message.sequence)
        quoted.data = [UInt8](repeating: 0, count: message.count)
        let lost = Handmade.tcp(family, quoted, source: family.right, destination: family.left)
        let quote = Array(lost.bytes.prefix(family.headerByteCount + 20))
        let mtu = message.size.map { Self.mtu($0, family) } ?? 0
        hand(
            Handmade.icmp(
                family.told(message.kind), rest: UInt32(mtu), quote, from: family.stranger(1), to: family.right))
    }

    // MARK: - Calls

    private func perform(_ call: ScriptCall) throws(Broken) {
        switch call {
        case .listen(let port, let backlogMax):
            do {
                listeners[port] = try stack.listenTCP(on: Endpoint(port: port), backlogMax: backlogMax)
                listeningPort = port
            } catch { throw Broken("listening fails: \(error)") }
        case .stopListening(let port):
            guard let id = listeners.removeValue(forKey: port) else { throw Broken("nobody listens to \(port)") }
            stack.close(id, at: now)
        case .accept(let name): try accept(name)
        case .connect(let name, let port):
            do {
                connections[name] = Held(id: try stack.connectTCP(to: Endpoint(family.left, port), at: now))
            } catch { throw Broken("connecting fails: \(error)") }
            peerPort = port
        case .write(let name, let count, let outcome): try write(name, count, outcome)
        case .read(let name, let count, let outcome): try read(name, count, outcome)
        case .shutdown(let name): stack.shutdown(try held(name).id, at: now)
        case .stopReading(let name): stack.stopReading(try held(name).id, at: now)
        case .close(let name, let linger): stack.close(try held(name).id, linger: linger, at: now)
        case .abort(let name): stack.abort(try held(name).id, at: now)
        case .markUrgent(let name): stack.markUrgent(try held(name).id, at: now)
        case .noDelay(let name, let isOn): stack.setNoDelay(isOn, of: try held(name).id, at: now)
        case .cork(let name, let isOn): stack.setCorked(isOn, of: try held(name).id, at: now)
        case .set(let name, let change):
            let id = try held(name).id
            guard var settings = stack.settings(of: id) else { throw Broken("\(name) was let go") }
            change(&settings)
            stack.setSettings(settings, of: id, at: now)
        }
    }

    private func held(_ name: String) throws(Broken) -> Held {
        guard let held = connections[name] else { throw Broken("no connection is called \(name)") }
        return held
    }

    private func accept(_ name: String) throws(Broken) {
        for port in listeners.keys.sorted() {
            guard let listener = listeners[port], let id = stack.accept(listener) else { continue }
            connections[name] = Held(id: id)
            return
        }
        throw Broken("there is no connection to accept")
    }

    private func write(_ name: String, _ count: Int, _ outcome: CallOutcome) throws(Broken) {
        let held = try held(name)
        let bytes = ScriptFlow.bytes(at: held.written, count: count)
        let came: CallOutcome
        do {
            let taken = try unsafe stack.write(held.id, bytes.span.bytes, at: now)
            connections[name]?.written += taken
            came = .bytes(taken)
        } catch { came = .fails(Self.name(of: error)) }
        try compare(came, outcome)
    }

    private func read(_ name: String, _ count: Int, _ outcome: CallOutcome) throws(Broken) {
        let held = try held(name)
        var bytes = [UInt8](repeating: 0, count: count)
        let came: CallOutcome
        do {
            var span = bytes.mutableSpan
            var target = unsafe span.mutableBytes
            let given = try stack.read(held.id, into: &target, at: now)
            came = given == 0 && stack.isAtEnd(held.id) ? .atEnd : .bytes(given)
        } catch { came = .fails(Self.name(of: error)) }
        try compare(came, outcome)
        guard case .bytes(let given) = came else { return }
        guard Array(bytes.prefix(given)) == ScriptFlow.bytes(at: held.taken, count: given) else {
            throw Broken("what was read is not what was sent")
        }
        connections[name]?.taken += given
    }

    private func compare(_ came: CallOutcome, _ wanted: CallOutcome) throws(Broken) {
        guard came != wanted else { return }
        throw Broken("it comes to \(Self.text(came)), not to \(Self.text(wanted))")
    }

    private static func text(_ outcome: CallOutcome) -> String {
        switch outcome {
        case .bytes(let count): "\(count) bytes"
        case .atEnd: "the end"
        case .fails(let name): "the failure \(name)"
        }
    }

    private static func name(of error: TCPWriteError) -> String {
        if case .failed(let failure) = error { "\(failure)" } else { "\(error)" }
    }

    private static func name(of error: TCPReadError) -> String {
        if case .failed(let failure) = error { "\(failure)" } else { "\(error)" }
    }

    // MARK: - Claims

    private func check(_ name: String, _ claims: [(ConnectionFact, FactPattern)]) throws(Broken) {
        let id = try held(name).id
        for (fact, pattern) in claims {
            guard let value = fact.value(of: id, in: stack, at: now) else { throw Broken("\(name) was let go") }
            guard pattern.fits(value) else { throw Broken("\(fact) is \(value.text), not \(pattern.text)") }
        }
    }

    private func check(_ claims: [(StackFact, FactPattern)]) throws(Broken) {
        for (fact, pattern) in claims {
            let value = fact.value(of: stack)
            guard pattern.fits(.number(value)) else { throw Broken("\(fact) is \(value), not \(pattern.text)") }
        }
    }
}
