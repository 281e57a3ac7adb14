import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// Opens the connection of one stream, writes its bytes and reads what comes back.
final class StreamSender: LabApplication {
    private let record: StreamRecord
    private let destination: Endpoint
    private var connection: TCPConnectionID?
    private var isOver = false
    private var startDue: Instant?
    private var stopDue: Instant?
    private var sampleDue: Instant?
    private var buffer = [UInt8](repeating: 0, count: 0)

    /// How many bytes are written and read at a time.
    static let chunk = 65_536

    init(record: StreamRecord, destination: Endpoint) {
        self.record = record
        self.destination = destination
    }

    var deadline: Instant? {
        let due = [startDue, stopDue, sampleDue].compactMap { $0 }
        return isOver ? nil : due.min()
    }

    func started(on node: LabNode, at now: Instant) { startDue = max(now, .zero + record.settings.start) }

    func timerFired(on node: LabNode, at now: Instant) {
        if let due = startDue, due <= now {
            startDue = nil
            open(on: node, at: now)
        }
        if let due = stopDue, due <= now {
            stopDue = nil
            finishWriting(on: node, at: now)
        }
        if let due = sampleDue, due <= now, let connection {
            if let snapshot = node.stack.snapshot(connection, at: now) { record.sample(snapshot, at: now) }
            sampleDue = due + record.samples.interval
        }
    }

    private func open(on node: LabNode, at now: Instant) {
        let settings = record.settings
        record.openedAt = now
        do {
            let id = try node.stack.connectTCP(to: destination, settings: settings.tcp, at: now)
            connection = id
            record.local = node.stack.localEndpoint(id)
            node.connectionReaders[id] = position
            sampleDue = now + record.samples.interval
            if let duration = settings.duration { stopDue = now + duration }
        } catch {
            record.senderFailure = "connect: \(error)"
            isOver = true
        }
    }

    /// Where the lab keeps this application; set when it is put on its node.
    var position = 0

    func connectionHasNews(_ id: TCPConnectionID, on node: LabNode, at now: Instant) {
        guard id == connection else { return }
        if record.establishedAt == nil, node.stack.state(of: id).isSynchronized { record.establishedAt = now }
        if let snapshot = node.stack.snapshot(id, at: now) { record.note(snapshot) }
        if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: Self.chunk) }
        read(id, on: node, at: now)
        if !isOver { write(id, on: node, at: now) }
    }

    private func write(_ id: TCPConnectionID, on node: LabNode, at now: Instant) {
        guard node.stack.state(of: id).isSynchronized, !record.isWritten else { return }
        while true {
            let left = record.settings.byteCount.map { $0 - record.written } ?? UInt64(Self.chunk)
            let count = Int(min(left, UInt64(Self.chunk)))
            if count == 0 { return finishWriting(on: node, at: now) }
            record.contents.write(from: record.written, into: &buffer, count: count)
            let taken: Int
            do {
                taken = try node.stack.write(id, buffer.span.octets.extracting(0..<count), at: now)
            } catch {
                return end(id, failure: "write: \(error)", on: node, at: now)
            }
            record.written += UInt64(taken)
            guard taken == count else { return }
        }
    }

    private func finishWriting(on node: LabNode, at now: Instant) {
        guard let connection, !record.isWritten else { return }
        record.isWritten = true
        node.stack.shutdown(connection, at: now)
    }

    private func read(_ id: TCPConnectionID, on node: LabNode, at now: Instant) {
        while true {
            var count = 0
            do {
                var span = buffer.mutableSpan
                var target = span.mutableOctets
                count = try node.stack.read(id, into: &target, at: now)
            } catch {
                return end(id, failure: "\(error)", on: node, at: now)
            }
            guard count > 0 else { break }
            let read = buffer
            record.cameBack(read.span.octets.extracting(0..<count))
        }
        if let failure = node.stack.failure(of: id) { return end(id, failure: "\(failure)", on: node, at: now) }
        guard node.stack.isAtEnd(id) else { return }
        // A receiver that ends before it had everything leaves the sender with bytes that nobody wants.
        guard record.isWritten else {
            return end(id, failure: "the receiver ended first", on: node, at: now)
        }
        end(id, failure: nil, on: node, at: now)
    }

    private func end(_ id: TCPConnectionID, failure: String?, on node: LabNode, at now: Instant) {
        isOver = true
        record.senderEndedAt = now
        record.senderFailure = record.senderFailure ?? failure
        node.stack.close(id, at: now)
        node.connectionReaders[id] = nil
        connection = nil
        buffer = []
    }
}
