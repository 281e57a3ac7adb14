import ChimneyConfiguration
import ChimneyPrimitives
import ChimneyRuntime
import ChimneySockets
import ChimneyStack
import ChimneyTCP

/// Echo, discard or chargen over TCP (RFC 862, RFC 863, RFC 864), served on the thread of its stack.
///
/// It is confined to the shard's thread, which tells it of news. At its bound of connections further ones wait in the
/// listener's queue until one ends, and when that is full their SYNs are dropped.
final class TCPService: SocketListener {
    private let listener: TCPListenerID
    private let kind: ServiceConfiguration.Kind
    /// The most connections at a time; further ones wait to be accepted.
    private let connectionsMax: Int
    /// It lets the service go when the stack is removed.
    private let cell: StackCell
    /// What chargen sends over and over: 95 lines that each begin one character further (RFC 864), so often that a write fills
    /// the largest packets that a device takes.
    let text: [UInt8]
    private(set) var connectionCount = 0

    /// Opens the listener of a service on a stack, and serves it as long as the stack lives.
    static func open(
        _ configuration: ServiceConfiguration, _ settings: TCPSettings, connectionsMax: Int, on cell: StackCell
    ) throws(TCPSocketError) {
        let listener: TCPListenerID
        do throws(ListenError) {
            listener = try cell.stack.listenTCP(on: Endpoint(port: configuration.port), settings: settings)
        } catch {
            throw .listen(error)
        }
        cell.setListener(TCPService(listener, configuration.kind, connectionsMax, cell), for: listener)
    }

    private init(_ listener: TCPListenerID, _ kind: ServiceConfiguration.Kind, _ connectionsMax: Int, _ cell: StackCell)
    {
        self.listener = listener
        self.kind = kind
        self.connectionsMax = connectionsMax
        self.cell = cell
        text = kind == .chargen ? (0..<95 * 32).flatMap(Self.line) : []
    }

    private static func line(_ number: Int) -> [UInt8] {
        (0..<72).map { UInt8(0x20 + (number + $0) % 95) } + [13, 10]
    }

    /// Accepts as many as there is room for.
    func socketHasNews(at now: Instant) {
        while connectionCount < connectionsMax, let id = cell.stack.accept(listener) {
            connectionCount += 1
            let connection = TCPServiceConnection(id, kind, of: self, cell)
            cell.setListener(connection, for: id)
            connection.socketHasNews(at: now)
        }
        cell.touch()
    }

    func connectionEnded(at now: Instant) {
        connectionCount -= 1
        socketHasNews(at: now)
    }

    /// The listener went with its stack.
    func stackWasRemoved() {}
}

/// One connection of a service.
private final class TCPServiceConnection: SocketListener, Alarmed {
    private let id: TCPConnectionID
    private let kind: ServiceConfiguration.Kind
    private let service: TCPService
    private let cell: StackCell
    /// What is to be sent back and found no room.
    private var pending = PacketQueue()
    /// How far chargen is in its text.
    private var position = 0
    private var hasEnded = false
    private var isArmed = false
    private var timer: UInt32?

    /// How often it reads or writes before others get their turn.
    static var turnsMax: Int { 16 }

    init(_ id: TCPConnectionID, _ kind: ServiceConfiguration.Kind, of service: TCPService, _ cell: StackCell) {
        self.id = id
        self.kind = kind
        self.service = service
        self.cell = cell
    }

    func socketHasNews(at now: Instant) {
        guard !hasEnded else { return }
        var turns = 0
        do {
            while try serve(at: now) {
                turns += 1
                guard turns < Self.turnsMax else { return takeAnotherTurn(at: now) }
            }
            guard cell.stack.isAtEnd(id), pending.isEmpty else { return cell.touch() }
        } catch {}
        end(at: now)
    }

    /// Reads what there is and writes what there is room for; whether there may be more to do.
    private func serve(at now: Instant) throws -> Bool {
        switch kind {
        case .echo:
            if pending.isEmpty, try cell.stack.read(id, 65_536, into: &pending, at: now) == 0 { return false }
            return try cell.stack.write(id, from: &pending, at: now) > 0
        case .discard:
            return try discard(at: now)
        case .chargen:
            while try discard(at: now) {}
            guard !cell.stack.isAtEnd(id) else { return false }
            let text = service.text
            let count = try cell.stack.write(id, text.span.octets.extracting(position..<text.count), at: now)
            let isAllTaken = count == text.count - position
            position = (position + count) % text.count
            if !isAllTaken, cell.stack.writableCount(id) > 0 { goOn(at: now + .milliseconds(10)) }
            return isAllTaken
        }
    }

    private func discard(at now: Instant) throws -> Bool {
        var arrived = PacketQueue()
        return try cell.stack.read(id, into: &arrived, at: now) > 0
    }

    /// A deadline that is now passes in the next round, when others have had their turn.
    private func takeAnotherTurn(at now: Instant) {
        cell.touch()
        goOn(at: now)
    }

    /// Goes on without news: also where the pool is at its bound, since nothing that this connection waits for may ever come.
    private func goOn(at deadline: Instant) {
        guard !isArmed else { return }
        isArmed = true
        timer = cell.shard.callAgain(self, of: cell, name: 0, at: deadline)
    }

    func alarmFired(_ name: UInt64, at now: Instant) {
        isArmed = false
        timer = nil
        socketHasNews(at: now)
    }

    private func end(at now: Instant) {
        hasEnded = true
        disarm()
        pending.removeAll()
        cell.setListener(nil, for: id)
        cell.stack.close(id, at: now)
        cell.touch()
        service.connectionEnded(at: now)
    }

    private func disarm() {
        if let timer { cell.shard.disarm(timer) }
        timer = nil
    }

    /// The connection went with its stack.
    func stackWasRemoved() {
        hasEnded = true
        disarm()
    }
}
