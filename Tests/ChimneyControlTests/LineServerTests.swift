import Foundation
import Glibc
import Testing

@testable import ChimneyControl

@Suite struct LineServerTests {
    /// A server that answers each line turned round, an empty one not at all, and stops at `quit`.
    private final class Running {
        let path: String
        let stopper: ControlStopper
        private let ended = DispatchSemaphore(value: 0)

        init(limits: ControlLimits = ControlLimits()) throws {
            path = "\(NSTemporaryDirectory())chimney-\(UUID().uuidString.prefix(8))/lines.sock"
            let server = try LineServer(path: path, limits: limits)
            stopper = server.stopper
            let box = Box(server)
            let ended = ended
            Thread.detachNewThread {
                box.run()
                ended.signal()
            }
        }

        func hasEnded() -> Bool { ended.wait(timeout: .now() + 5) == .success }

        /// Carries the server to its thread; nothing else touches it after that.
        private final class Box: @unchecked Sendable {
            private var server: LineServer
            init(_ server: consuming LineServer) { self.server = server }
            func run() {
                server.run { line in
                    line.isEmpty ? .silence : line == "quit" ? .stop : .line(String(line.reversed()))
                }
            }
        }
    }

    private struct Client {
        let descriptor: ControlSystem.Descriptor
        init(_ path: String) throws { descriptor = try ControlSystem.connect(path: path) }

        func send(_ text: String) { _ = ControlSystem.write(descriptor, Array(text.utf8)[...]) }

        /// So many lines, or what came before the other end closed or said nothing for two seconds.
        func lines(_ count: Int) -> [String] {
            var text = ""
            var buffer = [UInt8](repeating: 0, count: 4_096)
            while text.count(where: { $0 == "\n" }) < count {
                var interests = [ControlSystem.Interest(descriptor: descriptor.number)]
                ControlSystem.poll(&interests, milliseconds: 2_000)
                guard interests[0].isReadable, case .bytes(let read) = ControlSystem.read(descriptor, into: &buffer)
                else { break }
                text += String(decoding: buffer[..<read], as: UTF8.self)
            }
            return text.split(separator: "\n").map(String.init)
        }
    }

    @Test func linesOfSeveralClientsAreAnsweredInTheOrderOfEach() throws {
        let server = try Running()
        let (first, second) = (try Client(server.path), try Client(server.path))
        first.send("abc\nde")
        second.send("xyz\n")
        #expect(first.lines(1) == ["cba"])
        #expect(second.lines(1) == ["zyx"])
        first.send("f\n\ng\n")
        #expect(first.lines(2) == ["fed", "g"])
        server.stopper.stop()
        #expect(server.hasEnded())
    }

    @Test func lineThatIsToStopTheServerDoes() throws {
        let server = try Running()
        let client = try Client(server.path)
        client.send("a\nquit\nb\n")
        #expect(client.lines(2) == ["a"])
        #expect(server.hasEnded())
        var state = stat()
        #expect(unsafe lstat(server.path, &state) == -1)
    }

    @Test func oneClientTooManyAndALineTooLongAreClosed() throws {
        var limits = ControlLimits()
        limits.clientsMax = 1
        limits.requestBytesMax = 16
        let server = try Running(limits: limits)
        let first = try Client(server.path)
        first.send("a\n")
        #expect(first.lines(1) == ["a"])
        let second = try Client(server.path)
        second.send("b\n")
        #expect(second.lines(1) == [])
        first.send(String(repeating: "x", count: 17) + "\n")
        #expect(first.lines(1) == [])
        server.stopper.stop()
        #expect(server.hasEnded())
    }
}
