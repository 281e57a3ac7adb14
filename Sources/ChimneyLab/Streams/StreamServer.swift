import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// Takes the connections of all streams to one port of one node: a sink, or an echo service.
final class StreamServer: LabApplication {
    private unowned let lab: Lab
    let mode: StreamSettings.Mode
    let tcp: TCPSettings
    private let readDelay: TimeSpan
    /// In the order in which they were accepted.
    private var connections: [Incoming] = []
    private var buffer: [UInt8] = []
    var position = 0

    /// A connection that was accepted.
    private struct Incoming {
        var id: TCPConnectionID
        /// Nil for one that no stream opened.
        var record: StreamRecord?
        /// What was read and is to be sent back.
        var pending: [UInt8] = []
        var pendingStart = 0
        var readDue: Instant?
        var isShutDown = false
    }

    init(lab: Lab, mode: StreamSettings.Mode, tcp: TCPSettings, readDelay: TimeSpan) {
        self.lab = lab
        self.mode = mode
        self.tcp = tcp
        self.readDelay = readDelay
    }

    var deadline: Instant? {
        var first: Instant?
        for connection in connections { if let due = connection.readDue { first = min(first ?? due, due) } }
        return first
    }

    func listenerHasConnections(_ id: TCPListenerID, on node: LabNode, at now: Instant) {
        while let accepted = node.stack.accept(id) {
            let remote = node.stack.remoteEndpoint(accepted)
            // Connections to different ports may come from equal ones.
            let local = node.stack.localEndpoint(accepted)
            let record = lab.streams.last { stream in
                stream.settings.port == local?.port && stream.destination == local?.address
                    && stream.local?.address == remote?.address && stream.local?.port == remote?.port
            }
            connections.append(Incoming(id: accepted, record: record))
            node.connectionReaders[accepted] = position
            serve(connections.count - 1, on: node, at: now)
        }
    }

    func connectionHasNews(_ id: TCPConnectionID, on node: LabNode, at now: Instant) {
        guard let place = connections.firstIndex(where: { $0.id == id }) else { return }
        guard readDelay > .zero else { return serve(place, on: node, at: now) }
        if connections[place].readDue == nil { connections[place].readDue = now + readDelay }
    }

    func timerFired(on node: LabNode, at now: Instant) {
        let due = connections.filter { $0.readDue.map { $0 <= now } ?? false }.map(\.id)
        for id in due {
            guard let place = connections.firstIndex(where: { $0.id == id }) else { continue }
            connections[place].readDue = nil
            serve(place, on: node, at: now)
        }
    }

    /// Reads all there is, sends it back where that is the service, and lets go at the end.
    private func serve(_ place: Int, on node: LabNode, at now: Instant) {
        let id = connections[place].id
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: StreamSender.chunk) }
        while sendBack(place, on: node, at: now) {
            var count = 0
            do {
                var span = buffer.mutableSpan
                var target = span.mutableOctets
                count = try node.stack.read(id, into: &target, at: now)
            } catch {
                return end(place, failure: "\(error)", on: node, at: now)
            }
            guard count > 0 else { break }
            if let record = connections[place].record {
                let read = buffer
                record.received(read.span.octets.extracting(0..<count), at: now)
            }
            if mode == .echo { connections[place].pending = Array(buffer[0..<count]) }
        }
        guard connections.indices.contains(place), connections[place].id == id else { return }
        if let failure = node.stack.failure(of: id) { return end(place, failure: "\(failure)", on: node, at: now) }
        guard node.stack.isAtEnd(id), connections[place].pending.isEmpty else { return }
        end(place, failure: nil, on: node, at: now)
    }

    /// Whether nothing waits to be sent back any more.
    private func sendBack(_ place: Int, on node: LabNode, at now: Instant) -> Bool {
        guard !connections[place].pending.isEmpty else { return true }
        let pending = connections[place].pending
        let start = connections[place].pendingStart
        let count = pending.count
        do {
            connections[place].pendingStart += try node.stack.write(
                connections[place].id, pending.span.octets.extracting(start..<count), at: now)
        } catch {
            end(place, failure: "write: \(error)", on: node, at: now)
            return false
        }
        guard connections[place].pendingStart == count else { return false }
        connections[place].pending = []
        connections[place].pendingStart = 0
        return true
    }

    private func end(_ place: Int, failure: String?, on node: LabNode, at now: Instant) {
        let ended = connections.remove(at: place)
        ended.record?.receiverEndedAt = now
        ended.record?.receiverFailure = failure
        node.connectionReaders[ended.id] = nil
        node.stack.close(ended.id, at: now)
    }
}
