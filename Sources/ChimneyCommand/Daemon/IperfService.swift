import ChimneyPrimitives
import ChimneyRuntime
import ChimneySockets
import ChimneyStack
import ChimneyTCP

/// The server of iperf3 for clients of a stack: takes connections, and runs one test at a time.
///
/// All its tasks run on the shard's thread.
final class IperfService: @unchecked Sendable {
    // Touched by the shard's thread only.
    private let settings: TCPSettings
    private let notes: ServiceNotes
    private var session: IperfSession?
    private var acceptedCount = 0

    /// The most connections that are asked for their cookie at a time, the one of the running test among them; further ones wait.
    static var greetedMax: Int { 64 }
    /// The longest wait for a cookie.
    static var cookieSpanMax: TimeSpan { .seconds(10) }

    /// Listens on a port of a stack, for both families, as long as the stack lives.
    ///
    /// - Parameters:
    ///   - port: the port.
    ///   - settings: how connections behave.
    ///   - stack: the stack.
    ///   - notes: gets a line for each test and each connection that was turned away.
    /// - Throws: `TCPSocketError`; nothing is opened.
    static func open(
        port: UInt16, settings: TCPSettings, on stack: StackHandle, notes: @escaping @Sendable (String) -> Void
    ) async throws(TCPSocketError) {
        let listener = try await TCPListener.bound(to: Endpoint(port: port), on: stack, settings: settings)
        let service = IperfService(settings, ServiceNotes(about: "iperf3", to: notes))
        Task(executorPreference: stack.shard) {
            await listener.serveEach(atMost: greetedMax) { await service.greet($0) }
        }
    }

    private init(_ settings: TCPSettings, _ notes: ServiceNotes) {
        self.settings = settings
        self.notes = notes
    }

    /// Asks a connection for its cookie, which says what it is for.
    private func greet(_ socket: TCPSocket) async {
        // Connections are taken in the order in which they were opened, their cookies may come in another.
        acceptedCount += 1
        let number = acceptedCount
        let cookie: IperfCookie
        do throws(IperfFault) {
            cookie = try await Self.cookie(of: socket)
        } catch {
            notes.add("\(socket.remote): \(error)")
            return await socket.abort()
        }
        guard let session else {
            let session = IperfSession(socket, cookie, settings)
            self.session = session
            let outcome = await session.run()
            self.session = nil
            return notes.add("\(socket.remote): \(outcome)")
        }
        if session.admits(cookie) { return await session.join(socket, number: number) }
        notes.add("\(socket.remote): turned away, a test runs")
        try? await socket.write([IperfState.accessDenied.byte], deadline: Shard.clock + Self.cookieSpanMax)
        await socket.close()
    }

    private static func cookie(of socket: TCPSocket) async throws(IperfFault) -> IperfCookie {
        var bytes: [UInt8] = []
        let deadline = Shard.clock + cookieSpanMax
        while bytes.count < IperfCookie.byteCount {
            let rest = IperfCookie.byteCount - bytes.count
            guard let more = try? await socket.read(max: rest, deadline: deadline) else { throw .cookie }
            bytes += more
        }
        return try IperfCookie(bytes)
    }
}
