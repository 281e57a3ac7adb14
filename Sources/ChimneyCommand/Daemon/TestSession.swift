import ChimneyControl
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack

/// A call about a row of groups, some of them at a time, so that the stack serves others in between.
final class TestSession: ControlSession {
    private let bench: TestBench
    private let call: GroupCall
    private let name: String?
    private var doneCount = 0

    /// The most groups of one visit to the stack.
    static var groupsPerVisitMax: Int { 1_024 }

    init(_ call: GroupCall, name: String?, on bench: TestBench) {
        self.bench = bench
        self.call = call
        self.name = name
    }

    func advance(writing outbox: inout ControlOutbox) -> ControlProgress {
        let (call, name) = (call, name)
        let positions = doneCount..<min(doneCount + Self.groupsPerVisitMax, call.groups.count)
        let visit = bench.perform { tester, stack, now in
            let (count, refusal) = tester.perform(call, positions, name: name, of: &stack, at: now)
            return (count: count, refusal: refusal, seconds: now.seconds)
        }
        guard let visit else {
            outbox.append(.failure(message: "the stack does not answer"))
            return .finished
        }
        doneCount += visit.count
        guard visit.refusal != nil || doneCount == call.groups.count else { return .again(milliseconds: 1) }
        var answer = TestAnswer(seconds: visit.seconds)
        answer.error = visit.refusal?.description
        answer.errno = visit.refusal?.errno
        if call.groups.count > 1 { answer.doneCount = doneCount }
        outbox.append(.tested(answer: answer))
        return .finished
    }

    func cancel() {}

    // MARK: What is answered at once

    /// The session that answers a step of a test.
    static func session(for command: TestCommand, on bench: TestBench) -> any ControlSession {
        if case .member(let call, let name) = command {
            do throws(GroupRefusal) {
                return TestSession(try GroupCall(call), name: name, on: bench)
            } catch {
                return ListSession([.tested(answer: TestAnswer(seconds: Shard.clock.seconds, error))])
            }
        }
        let watch = bench.watch
        let replies = bench.perform { tester, stack, now -> [ControlReply] in
            var answer = TestAnswer(seconds: now.seconds)
            do throws(GroupRefusal) {
                return try parts(of: command, tester: &tester, stack: &stack, watch, &answer, at: now)
                    + [.tested(answer: answer)]
            } catch {
                return [.tested(answer: TestAnswer(seconds: now.seconds, error))]
            }
        }
        return ListSession(replies ?? [.failure(message: "the stack does not answer")])
    }

    private static func parts(
        of command: TestCommand, tester: inout MulticastTester, stack: inout VirtualStack, _ watch: LinkWatch?,
        _ answer: inout TestAnswer, at now: Instant
    ) throws(GroupRefusal) -> [ControlReply] {
        switch command {
        case .open(let name, let port):
            try tester.open(name, port: port.map { UInt16(clamping: $0) } ?? tester.port, of: &stack)
        case .close(let name): try tester.close(name, of: &stack)
        case .filter(let text, let name):
            guard let group = IPAddress(text) else { throw GroupRefusal("\"\(text)\" is not a group", "EINVAL") }
            answer.filter = try tester.filter(of: group, name: name, in: &stack)
        case .send(let request): try tester.begin(request, of: &stack, at: now)
        case .count: return StackAnswers.parts(tester.counts) { .counted(list: $0) }
        case .reset:
            tester.reset()
            watch?.reset()
        case .wire:
            guard let watch else { throw noWatch }
            return StackAnswers.parts(watch.datagrams) { .datagramsSeen(list: $0) }
        case .log(let since):
            guard let watch else { throw noWatch }
            return StackAnswers.parts(watch.messages(since: since)) { .membershipSeen(list: $0) }
        case .now, .begin, .member: break
        }
        return []
    }

    private static var noWatch: GroupRefusal {
        GroupRefusal("no link is watched; name the interface that is to be", "ENODEV")
    }
}

extension TestAnswer {
    /// A command that was refused.
    init(seconds: Double, _ refusal: GroupRefusal) {
        self.init(seconds: seconds)
        error = refusal.description
        errno = refusal.errno
    }
}
