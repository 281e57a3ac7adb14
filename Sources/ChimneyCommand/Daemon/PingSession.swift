import ChimneyControl
import ChimneyPrimitives
import ChimneyStack

/// Runs work on the thread that owns a stack and waits for it.
protocol StackAccess: Sendable {
    /// What the work gave, or `nil` when the stack is no longer there or does not answer.
    func withStack<Result: Sendable>(
        _ body: @escaping @Sendable (inout VirtualStack, Instant) -> Result
    ) -> Result?
}

/// Echo requests of a stack and their answers, step by step.
final class PingSession: ControlSession {
    private let access: any StackAccess
    private let request: PingRequest
    private let destination: ScopedAddress
    private var identifier: UInt16?
    private var sentCount = 0
    /// Requests without an answer, oldest first.
    private var waiting: [(sequence: Int, at: Instant)] = []
    private var nextDue: Instant = .zero

    init(_ request: PingRequest, to destination: ScopedAddress, access: any StackAccess) {
        self.access = access
        self.request = request
        self.destination = destination
    }

    private struct Round: Sendable {
        var now: Instant
        var identifier: UInt16?
        var replies: [EchoReply] = []
        var didSend = false
        var failure: String?
        var refusal: String?
    }

    func advance(writing outbox: inout ControlOutbox) -> ControlProgress {
        guard !outbox.isCongested else { return .again(milliseconds: 5) }
        let (request, destination, identifier) = (request, destination, identifier)
        let (due, sequence) = (sentCount < request.count ? nextDue : .never, sentCount + 1)
        let round = access.withStack { stack, now in
            Self.round(request, destination, identifier, sequence: sequence, due: due, &stack, now)
        }
        guard let round, round.refusal == nil else {
            outbox.append(.failure(message: round?.refusal ?? "the stack does not answer"))
            close()
            return .finished
        }
        self.identifier = round.identifier
        take(round, writing: &outbox)
        giveUp(at: round.now, writing: &outbox)
        guard sentCount < request.count || !waiting.isEmpty else {
            close()
            return .finished
        }
        if !waiting.isEmpty { return .again(milliseconds: 2) }
        return .again(milliseconds: min(20, Int((nextDue - round.now).nanoseconds / 1_000_000)))
    }

    func cancel() { close() }

    /// One visit to the stack: fetch what came, send what is due.
    private static func round(
        _ request: PingRequest, _ destination: ScopedAddress, _ known: UInt16?, sequence: Int, due: Instant,
        _ stack: inout VirtualStack, _ now: Instant
    ) -> Round {
        var round = Round(now: now, identifier: known)
        let zone: UInt32
        do throws(CommandFailure) {
            zone = try StackAnswers.zone(of: destination, in: stack)
        } catch {
            round.refusal = error.description
            return round
        }
        do throws(EchoError) {
            let identifier: UInt16
            if let known { identifier = known } else { identifier = try stack.openEcho() }
            round.identifier = identifier
            round.replies = stack.takeEchoReplies(identifier)
            guard due <= now else { return round }
            do throws(EchoError) {
                try stack.sendEcho(
                    identifier, to: destination.address, zone: zone, sequence: UInt16(truncatingIfNeeded: sequence),
                    byteCount: request.byteCount, timeToLive: request.timeToLive.map { UInt8(clamping: $0) },
                    fib: request.fib, at: now)
            } catch {
                round.failure = Sentence.of(error)
            }
            round.didSend = true
        } catch {
            round.refusal = Sentence.of(error)
        }
        return round
    }

    private func take(_ round: Round, writing outbox: inout ControlOutbox) {
        if round.didSend {
            sentCount += 1
            nextDue = round.now + .milliseconds(Int64(request.intervalMilliseconds))
            if let failure = round.failure {
                outbox.append(.echo(report: report(sentCount, nil, failure)))
            } else {
                waiting.append((sentCount, round.now))
            }
        }
        for reply in round.replies {
            let match = waiting.firstIndex { UInt16(truncatingIfNeeded: $0.sequence) == reply.sequence }
            guard let match else { continue }
            let (sequence, sentAt) = waiting.remove(at: match)
            if let error = reply.error {
                outbox.append(.echo(report: report(sequence, reply.source, Sentence.of(error))))
            } else if !reply.isIntact {
                outbox.append(.echo(report: report(sequence, reply.source, "the answer's data is not what was sent")))
            } else {
                let time = Double((reply.receivedAt - sentAt).nanoseconds) / 1_000
                outbox.append(
                    .echo(
                        report: EchoReport(
                            sequence: sequence, source: "\(reply.source)", byteCount: reply.byteCount,
                            timeToLive: Int(reply.timeToLive), microseconds: time, error: nil)))
            }
        }
    }

    private func giveUp(at now: Instant, writing outbox: inout ControlOutbox) {
        while let oldest = waiting.first,
            oldest.at + .milliseconds(Int64(request.timeoutMilliseconds)) <= now
        {
            waiting.removeFirst()
            outbox.append(.echo(report: report(oldest.sequence, nil, "no answer")))
        }
    }

    private func report(_ sequence: Int, _ source: IPAddress?, _ error: String) -> EchoReport {
        EchoReport(
            sequence: sequence, source: source.map { "\($0)" }, byteCount: 0, timeToLive: nil, microseconds: nil,
            error: error)
    }

    private func close() {
        guard let identifier else { return }
        self.identifier = nil
        _ = access.withStack { stack, _ in stack.closeEcho(identifier) }
    }
}
