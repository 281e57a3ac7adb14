import ChimneyControl

/// The answer to one line of `chimney mtest`, gathered from its parts.
struct TestOutcome: Equatable {
    var answer = TestAnswer(seconds: 0)
    var counts: [FlowCount]?
    var datagrams: [FlowSight]?
    var messages: [MembershipSight]?

    /// Takes in a part; `false` for one that belongs to something else.
    mutating func take(_ part: ControlReply) -> Bool {
        switch part {
        case .tested(let answer): self.answer = answer
        case .counted(let list): counts = (counts ?? []) + list
        case .datagramsSeen(let list): datagrams = (datagrams ?? []) + list
        case .membershipSeen(let list): messages = (messages ?? []) + list
        default: return false
        }
        return true
    }

    /// What a line was refused for that never reached the running chimney.
    static func refused(_ sentence: String, seconds: Double) -> Self {
        var outcome = Self()
        outcome.answer = TestAnswer(seconds: seconds)
        outcome.answer.error = sentence
        outcome.answer.errno = "EINVAL"
        return outcome
    }
}

/// Answers of `chimney mtest` as people read them: one line each.
enum TestText {
    static func line(_ outcome: TestOutcome, for command: TestCommand?) -> String {
        let answer = outcome.answer
        if let error = answer.error {
            let done = answer.doneCount.map { ", \($0) done before" } ?? ""
            return "error: \(error)\(answer.errno.map { " (\($0))" } ?? "")\(done)\n"
        }
        if let counts = outcome.counts {
            return list(counts.map { "\($0.source)>\($0.group) \($0.count)" })
        }
        if let datagrams = outcome.datagrams {
            return list(datagrams.map { "\($0.source)>\($0.group) \($0.count) ttl \($0.timeToLive)" })
        }
        if let messages = outcome.messages { return list(messages.map(message)) }
        if let filter = answer.filter { return MulticastText.filter(filter) + "\n" }
        if case .now? = command { return "\(ReportText.fixed(answer.seconds, 6))\n" }
        return answer.doneCount.map { "ok, \($0) groups\n" } ?? "ok\n"
    }

    private static func list(_ words: [String]) -> String {
        words.isEmpty ? "none\n" : words.joined(separator: ", ") + "\n"
    }

    private static func message(_ sight: MembershipSight) -> String {
        var line = "\(sight.isOutbound ? "out" : "in") \(sight.kind)"
        if let group = sight.group { line += " \(group)" }
        for record in sight.records ?? [] {
            line += " \(record.kind) \(record.group) {\(record.sources.joined(separator: " "))}"
        }
        return line
    }
}

/// Answers of `chimney mtest` as scripts read them.
struct TestJSON: Encodable {
    private let outcome: TestOutcome

    init(_ outcome: TestOutcome) { self.outcome = outcome }

    private enum Key: String, CodingKey {
        case t, error, errno, done, count, wire, now, log, filter
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(outcome.answer.seconds, forKey: .t)
        try fields.encodeIfPresent(outcome.answer.error, forKey: .error)
        try fields.encodeIfPresent(outcome.answer.errno, forKey: .errno)
        try fields.encodeIfPresent(outcome.answer.doneCount, forKey: .done)
        if let counts = outcome.counts {
            let pairs = counts.map { ("\($0.source)>\($0.group)", $0.count) }
            try fields.encode(Dictionary(pairs) { $0 + $1 }, forKey: .count)
        }
        if let datagrams = outcome.datagrams {
            let pairs = datagrams.map { sight in
                let numbers = [Double(sight.count), sight.first, sight.last, Double(sight.timeToLive)]
                return ("\(sight.source)>\(sight.group)", numbers)
            }
            try fields.encode(Dictionary(pairs) { first, _ in first }, forKey: .wire)
            try fields.encode(outcome.answer.seconds, forKey: .now)
        }
        try fields.encodeIfPresent(outcome.messages?.map(MessageJSON.init), forKey: .log)
        try fields.encodeIfPresent(outcome.answer.filter.map(FilterJSON.init), forKey: .filter)
    }

    private struct FilterJSON: Encodable {
        let mode: String
        let sources: [String]
        let count: Int

        init(_ filter: GroupFilterReport) {
            mode = filter.mode == .include ? "in" : "ex"
            sources = filter.sources
            count = filter.sourceCount
        }
    }

    private struct MessageJSON: Encodable {
        let sight: MembershipSight

        private enum Key: String, CodingKey {
            case t, out, src, dst, k, g, ver, mrt, s, qrv, qqic, srcs, rec
        }

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(sight.seconds, forKey: .t)
            try fields.encode(sight.isOutbound, forKey: .out)
            try fields.encode(sight.source, forKey: .src)
            try fields.encode(sight.destination, forKey: .dst)
            try fields.encode(sight.kind, forKey: .k)
            try fields.encodeIfPresent(sight.group, forKey: .g)
            try fields.encodeIfPresent(sight.query?.version, forKey: .ver)
            try fields.encodeIfPresent(sight.query?.responseCode, forKey: .mrt)
            try fields.encodeIfPresent(sight.query?.suppresses.map { $0 ? 1 : 0 }, forKey: .s)
            try fields.encodeIfPresent(sight.query?.robustness, forKey: .qrv)
            try fields.encodeIfPresent(sight.query?.intervalCode, forKey: .qqic)
            try fields.encodeIfPresent(sight.query?.sources, forKey: .srcs)
            try fields.encodeIfPresent(sight.records?.map(RecordJSON.init), forKey: .rec)
        }
    }

    /// A record as a list: its kind, its group and its sources.
    private struct RecordJSON: Encodable {
        let record: MembershipSight.Record

        func encode(to encoder: any Encoder) throws {
            var list = encoder.unkeyedContainer()
            try list.encode(record.kind)
            try list.encode(record.group)
            try list.encode(record.sources)
        }
    }
}
