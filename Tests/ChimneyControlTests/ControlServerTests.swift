import Foundation
import Glibc
import Synchronization
import Testing

@testable import ChimneyControl

/// Says a number of long parts, one for every step.
private final class TalkingSession: ControlSession {
    private var left: Int
    init(parts: Int) { left = parts }

    func advance(writing outbox: inout ControlOutbox) -> ControlProgress {
        while left > 0 {
            guard !outbox.isCongested else { return .again(milliseconds: 1) }
            outbox.append(.captured(bytes: Data(repeating: 7, count: 30_000)))
            left -= 1
        }
        return .finished
    }

    func cancel() {}
}

/// Says more than its client reads.
private final class FloodingSession: ControlSession {
    func advance(writing outbox: inout ControlOutbox) -> ControlProgress {
        outbox.append(.captured(bytes: Data(repeating: 7, count: 60_000)))
        return .again(milliseconds: 1)
    }

    func cancel() {}
}

/// Answers `stacks` at once, `sockets` with much and `statistics` with a flood.
private func session(for request: ControlRequest, _ guest: ControlGuest) -> any ControlSession {
    switch request.command {
    case .test(command: .open(let name, _)):
        guest.belongings = Luggage(name)
        return ListSession([])
    default: return session(for: request)
    }
}

/// What a client has, by the name of its client; those given up are noted.
private final class Luggage: ControlBelongings {
    static let givenUp = Mutex<[String]>([])
    private let name: String
    init(_ name: String) { self.name = name }
    func giveUp() { Self.givenUp.withLock { $0.append(name) } }
}

private func session(for request: ControlRequest) -> any ControlSession {
    switch request.command {
    case .sockets: TalkingSession(parts: 200)
    case .statistics: FloodingSession()
    case .neighbours: ListSession([.failure(message: "no stack is called \(request.stack ?? "")")])
    default:
        ListSession([
            .stacks(list: [StackReport(name: request.stack ?? "red", interfaceCount: 2, forwarding: false, fibCount: 1)]
            )
        ])
    }
}

/// A server on a thread of its own, which is stopped when the test ends.
private final class RunningServer {
    let path: String
    private let stopper: ControlStopper
    private let ended = DispatchSemaphore(value: 0)

    init(limits: ControlLimits = ControlLimits()) throws {
        path = "\(NSTemporaryDirectory())chimney-\(UUID().uuidString.prefix(8))/control.sock"
        let server = try ControlServer(path: path, limits: limits)
        stopper = server.stopper
        let box = Box(server)
        let ended = ended
        Thread.detachNewThread {
            box.run()
            ended.signal()
        }
    }

    func stop() -> Bool {
        stopper.stop()
        return ended.wait(timeout: .now() + 5) == .success
    }

    /// Carries the server to its thread; nothing else touches it after that.
    private final class Box: @unchecked Sendable {
        private var server: ControlServer
        init(_ server: consuming ControlServer) { self.server = server }
        func run() { server.run { request, guest in session(for: request, guest) } }
    }
}

/// A client that sends what it is told to, well-formed or not.
private struct RawClient {
    let descriptor: ControlSystem.Descriptor
    init(_ path: String) throws { descriptor = try ControlSystem.connect(path: path) }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard case .bytes(let count) = ControlSystem.write(descriptor, rest) else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// What comes until the other end closes or says nothing for so long.
    func read(untilQuietFor milliseconds: Int) -> (text: String, closed: Bool) {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        for _ in 0..<10_000 {
            var interests = [ControlSystem.Interest(descriptor: descriptor.number)]
            ControlSystem.poll(&interests, milliseconds: milliseconds)
            guard interests[0].isReadable else { return (String(decoding: all, as: UTF8.self), false) }
            guard case .bytes(let count) = ControlSystem.read(descriptor, into: &buffer) else { break }
            all += buffer[..<count]
        }
        return (String(decoding: all, as: UTF8.self), true)
    }
}

@Suite struct ControlServerTests {
    @Test func requestIsAnsweredAndTheConnectionServesAnother() throws {
        let server = try RunningServer()
        var client = try ControlClient(path: server.path)
        for name in ["red", "blue"] {
            let parts = try client.ask(ControlRequest(.stacks, stack: name))
            let expected = StackReport(name: name, interfaceCount: 2, forwarding: false, fibCount: 1)
            #expect(parts == [.stacks(list: [expected])])
        }
        #expect(server.stop())
    }

    @Test func socketIsItsOwnersOnlyAndGoesWithTheServer() throws {
        let server = try RunningServer()
        var state = stat()
        #expect(unsafe lstat(server.path, &state) == 0)
        #expect(state.st_mode & 0o777 == 0o600)
        #expect(server.stop())
        #expect(unsafe lstat(server.path, &state) == -1)
    }

    @Test func secondServerOnThePathIsRefusedAndADeadOnesFileIsReplaced() throws {
        let server = try RunningServer()
        #expect(throws: ControlError.pathInUse(path: server.path)) {
            _ = try ControlSystem.listen(path: server.path, backlog: 1)
        }
        #expect(server.stop())
        let dead = try ControlSystem.listen(path: server.path, backlog: 1)
        #expect(dead.number >= 0)
        let left = server.path + "2"
        do { _ = try ControlSystem.listen(path: left, backlog: 1) }
        _ = try ControlSystem.listen(path: left, backlog: 1)
    }

    @Test func plainFileAtThePathIsLeftAlone() throws {
        let path = "\(NSTemporaryDirectory())chimney-\(UUID().uuidString.prefix(8))"
        try Data("keep".utf8).write(to: URL(filePath: path))
        #expect(throws: ControlError.notASocket(path: path)) { _ = try ControlSystem.listen(path: path, backlog: 1) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "keep")
    }

    @Test func nothingListeningIsSaidSo() {
        #expect(throws: ControlError.notRunning(path: "/nowhere/at-all.sock")) {
            _ = try ControlClient(path: "/nowhere/at-all.sock")
        }
        let long = "/" + String(repeating: "x", count: 200)
        #expect(throws: ControlError.pathTooLong(path: long, bytesMax: 107)) { _ = try ControlClient(path: long) }
    }

    @Test func garbageIsAnsweredWithAFailureAndOthersAreServedOn() throws {
        let server = try RunningServer()
        let garbage: [[UInt8]] = [
            Array("hello\n".utf8), Array("{}\n".utf8), Array("{\"command\":{\"fly\":{}}}\n".utf8),
            Array("{\"command\":{\"routes\":{\"fib\":\"x\"}}}\n".utf8), [0xFF, 0x00, 0xC0, 0x0A], [0x0A],
            Array(String(repeating: "[", count: 5_000).utf8) + [0x0A],
        ]
        for bytes in garbage {
            let raw = try RawClient(server.path)
            raw.send(bytes)
            let (text, closed) = raw.read(untilQuietFor: 2_000)
            #expect(
                text.hasPrefix("{\"failure\":{\"message\":\"a message is not understood"),
                "\(bytes.prefix(20)): \(text)")
            #expect(closed)
        }
        var client = try ControlClient(path: server.path)
        #expect(try client.ask(ControlRequest(.stacks)).count == 1)
        #expect(server.stop())
    }

    @Test func randomBytesNeverStopTheServer() throws {
        let server = try RunningServer()
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        for _ in 0..<100 {
            let raw = try RawClient(server.path)
            raw.send(
                (0..<400).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1
                    return UInt8(truncatingIfNeeded: state >> 56)
                })
        }
        // Until the server has seen that the others are gone, it may have as many clients as it takes.
        var isServed = false
        for _ in 0..<500 where !isServed {
            if var client = try? ControlClient(path: server.path) {
                isServed = (try? client.ask(ControlRequest(.stacks)).count) == 1
            }
            if !isServed { usleep(10_000) }
        }
        #expect(isServed)
        #expect(server.stop())
    }

    @Test func lineBeyondTheLimitIsRefusedWithoutWaitingForItsEnd() throws {
        var limits = ControlLimits()
        limits.requestBytesMax = 1_024
        let server = try RunningServer(limits: limits)
        let raw = try RawClient(server.path)
        raw.send([UInt8](repeating: 0x20, count: 1_024))
        let (text, closed) = raw.read(untilQuietFor: 2_000)
        #expect(text == "{\"failure\":{\"message\":\"a message exceeds 1024 bytes\"}}\n")
        #expect(closed)
        #expect(server.stop())
    }

    @Test func oneClientTooManyIsToldSo() throws {
        var limits = ControlLimits()
        limits.clientsMax = 2
        let server = try RunningServer(limits: limits)
        var first = try ControlClient(path: server.path)
        var second = try ControlClient(path: server.path)
        _ = try first.ask(ControlRequest(.stacks))
        _ = try second.ask(ControlRequest(.stacks))
        let third = try RawClient(server.path)
        let (text, closed) = third.read(untilQuietFor: 2_000)
        #expect(text.contains("has 2 control clients already"))
        #expect(closed)
        #expect(server.stop())
    }

    @Test func longAnswerReachesASlowReaderWhole() throws {
        let server = try RunningServer()
        var client = try ControlClient(path: server.path)
        var bytes = 0
        try client.ask(ControlRequest(.sockets)) { part throws(ControlError) in
            guard case .captured(let data) = part else { return false }
            bytes += data.count
            if bytes % 600_000 == 0 { usleep(5_000) }
            return true
        }
        #expect(bytes == 200 * 30_000)
        #expect(server.stop())
    }

    @Test func clientThatDoesNotReadIsClosedBeforeItCostsMoreThanItsBound() throws {
        var limits = ControlLimits()
        limits.outboxBytesMax = 256 << 10
        let server = try RunningServer(limits: limits)
        let raw = try RawClient(server.path)
        raw.send(Array("{\"command\":{\"statistics\":{}}}\n".utf8))
        usleep(500_000)
        let (text, closed) = raw.read(untilQuietFor: 2_000)
        #expect(closed)
        #expect(text.utf8.count < 1 << 20)
        var client = try ControlClient(path: server.path)
        #expect(try client.ask(ControlRequest(.stacks)).count == 1)
        #expect(server.stop())
    }

    @Test func clientThatBeginsALineAndStopsIsClosed() throws {
        var limits = ControlLimits()
        limits.idleMillisecondsMax = 100
        let server = try RunningServer(limits: limits)
        let raw = try RawClient(server.path)
        raw.send(Array("{\"comm".utf8))
        #expect(raw.read(untilQuietFor: 3_000).closed)
        #expect(server.stop())
    }

    @Test func clientThatHasSomethingHereMayBeSilentUntilItBeginsALine() throws {
        var limits = ControlLimits()
        limits.idleMillisecondsMax = 150
        let server = try RunningServer(limits: limits)
        var keeper = try ControlClient(path: server.path)
        _ = try keeper.ask(ControlRequest(.test(command: .open(name: "a", port: nil))))
        let raw = try RawClient(server.path)
        raw.send(Array("{\"command\":{\"test\":{\"command\":{\"open\":{\"name\":\"b\"}}}}}\n{\"comm".utf8))
        let (text, closed) = raw.read(untilQuietFor: 3_000)
        #expect(text == "{\"end\":{}}\n" && closed)
        #expect(Luggage.givenUp.withLock { $0.contains("b") })
        #expect(try keeper.ask(ControlRequest(.stacks)).count == 1)
        #expect(server.stop())
    }

    @Test func whatAClientHasIsGivenUpWhenItGoesAndWhenTheServerStops() throws {
        let server = try RunningServer()
        var goer = try ControlClient(path: server.path)
        var stayer = try ControlClient(path: server.path)
        _ = try goer.ask(ControlRequest(.test(command: .open(name: "goer", port: nil))))
        _ = try stayer.ask(ControlRequest(.test(command: .open(name: "stayer", port: nil))))
        do { _ = consume goer }
        for _ in 0..<500 where !Luggage.givenUp.withLock({ $0.contains("goer") }) { usleep(10_000) }
        #expect(Luggage.givenUp.withLock { $0.contains("goer") && !$0.contains("stayer") })
        #expect(server.stop())
        #expect(Luggage.givenUp.withLock { $0.contains("stayer") })
    }

    @Test func failureOfASessionReachesTheClientAsItsSentence() throws {
        let server = try RunningServer()
        var client = try ControlClient(path: server.path)
        #expect(throws: ControlError.refused("no stack is called green")) {
            _ = try client.ask(ControlRequest(.neighbours(family: .ipv6), stack: "green"))
        }
        #expect(try client.ask(ControlRequest(.stacks)).count == 1)
        #expect(server.stop())
    }

    @Test func requestsSentTogetherAreAnsweredInOrder() throws {
        let server = try RunningServer()
        let raw = try RawClient(server.path)
        raw.send(
            Array("{\"command\":{\"stacks\":{}},\"stack\":\"a\"}\n{\"command\":{\"stacks\":{}},\"stack\":\"b\"}\n".utf8)
        )
        let lines = raw.read(untilQuietFor: 300).text.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.first?.contains("\"name\":\"a\"") == true)
        #expect(lines.dropFirst(2).first?.contains("\"name\":\"b\"") == true)
        #expect(lines.last == "{\"end\":{}}")
        #expect(server.stop())
    }
}

@Suite struct MessageTests {
    @Test func requestsComeBackAsTheyWere() throws {
        let requests: [ControlRequest] = [
            ControlRequest(.stacks), ControlRequest(.interfaces(name: nil)),
            ControlRequest(.interfaces(name: "eth0"), stack: "red"),
            ControlRequest(.configure(interface: "eth0", change: .mac(address: "02:00:00:00:00:09"))),
            ControlRequest(.addRoute(route: RouteRequest(destination: "10.0.0.0/8", gateway: "10.7.0.1"))),
            ControlRequest(.ping(request: PingRequest(destination: "10.7.0.1"))),
            ControlRequest(
                .capture(request: CaptureRequest(interface: "eth0", count: 3, filter: ["udp", "port", "7"]))),
            ControlRequest(.explain(request: ExplainRequest(destination: "10.7.0.1", ipProtocol: 17))),
            ControlRequest(.drops(filter: DropFilter(reason: "noRoute"))),
            ControlRequest(.multicast(interface: nil)), ControlRequest(.membershipLimits), ControlRequest(.monitor),
            ControlRequest(
                .configureMulticast(
                    interface: "eth0",
                    change: .reporting(family: .ipv4, setting: .rule(rule: .routerAlert, isOn: false)))),
            ControlRequest(.limitMemberships(limit: .sourcesPerFilter, count: 7)),
            ControlRequest(
                .test(
                    command: .member(
                        call: MembershipCall(filter: "232.1.1.1+9", .exclude, ["10.0.0.1+3"]), name: "a"))),
            ControlRequest(.test(command: .send(request: TestSendRequest(group: "239.1.1.1", count: 3)))),
        ]
        for request in requests {
            let line = try MessageCoding.line(of: request)
            #expect(line.filter { $0 == 0x0A }.count == 1)
            #expect(try MessageCoding.message(ControlRequest.self, in: Array(line.dropLast())) == request)
        }
    }
}
