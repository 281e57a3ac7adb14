import ChimneyConfiguration
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack

/// Echo, discard or chargen over UDP, served on the thread of its stack as soon as a datagram is there.
///
/// It is confined to the shard's thread, which tells it of news and runs what it asks to be run later.
final class StackService: SocketListener, Alarmed {
    private let socket: SocketID
    private let kind: ServiceConfiguration.Kind
    /// It lets the service go when the stack is removed.
    private let cell: StackCell

    /// The most datagrams of one socket that are answered before others get their turn.
    static var datagramsPerTurnMax: Int { 256 }

    /// Opens the socket of a service on a stack, and serves it as long as the stack lives.
    static func open(_ configuration: ServiceConfiguration, on cell: StackCell) throws(CommandFailure) {
        let place = "\(cell.stack.name): the service \(configuration.kind.rawValue)"
        let socket: SocketID
        do throws(OpenError) {
            socket = try cell.stack.openUDP()
        } catch {
            throw CommandFailure("\(place): \(Sentence.of(error))")
        }
        do throws(BindError) {
            _ = try cell.stack.bind(socket, to: Endpoint(port: configuration.port))
        } catch {
            throw CommandFailure("\(place): \(Sentence.of(error))")
        }
        cell.setListener(StackService(socket, configuration.kind, cell), for: socket)
    }

    private init(_ socket: SocketID, _ kind: ServiceConfiguration.Kind, _ cell: StackCell) {
        self.socket = socket
        self.kind = kind
        self.cell = cell
    }

    /// Answers what waits, a bounded number before others get their turn.
    func socketHasNews(at now: Instant) {
        let turns = cell.withStack { stack in Self.serve(kind, socket, &stack, now) }
        cell.touch()
        // A deadline that is now passes in the next round, when others have had their turn.
        if turns == Self.datagramsPerTurnMax { _ = cell.shard.callAgain(self, of: cell, name: 0, at: now) }
    }

    /// Answers what waits in a socket, and tells how much it was; the stack is reached once for all of it.
    private static func serve(
        _ kind: ServiceConfiguration.Kind, _ socket: SocketID, _ stack: inout VirtualStack, _ now: Instant
    ) -> Int {
        _ = stack.takeError(socket)
        var turns = 0
        while stack.isReadable(socket), turns < datagramsPerTurnMax {
            turns += 1
            let datagram = stack.receive(socket)
            switch kind {
            case .echo: echo(datagram, socket, &stack, now)
            case .discard: break
            case .chargen: generate(datagram, socket, &stack, now)
            }
        }
        return turns
    }

    /// The next turn has come.
    func alarmFired(_ name: UInt64, at now: Instant) {
        if !cell.isRemoved { socketHasNews(at: now) }
    }

    /// The socket went with its stack.
    func stackWasRemoved() {}

    private static func echo(
        _ datagram: borrowing Datagram, _ socket: SocketID, _ stack: inout VirtualStack, _ now: Instant
    ) {
        guard mayAnswer(datagram) else { return }
        // An answer that cannot be sent is lost, as any datagram may be; the stack's counters say why.
        try? stack.answer(socket, datagram, with: datagram.bytes, at: now)
    }

    private static func generate(
        _ datagram: borrowing Datagram, _ socket: SocketID, _ stack: inout VirtualStack, _ now: Instant
    ) {
        guard mayAnswer(datagram) else { return }
        let start = Int(datagram.source.port) % 95
        var text: [UInt8] = []
        // Lines of 72 characters that each begin one further; an answer has at most 512 (RFC 864).
        for line in 0..<6 { text += (0..<72).map { UInt8(0x20 + (start + line + $0) % 95) } + [13, 10] }
        // Invariant: the span ends before the array does.
        try? unsafe stack.answer(socket, datagram, with: text.span.bytes, at: now)
    }

    /// Two such services must not answer each other for ever (CERT CA-1996-01).
    private static func mayAnswer(_ datagram: borrowing Datagram) -> Bool {
        ![7, 17, 19].contains(datagram.source.port) && datagram.source.port != 0
            && !datagram.destination.address.isMulticast && datagram.destination.ipv4 != .limitedBroadcast
    }
}
