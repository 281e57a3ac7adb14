import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// A packet script: what is given to one stack, when, and what must leave it (docs/packet-scripts.md).
struct PacketScript {
    let file: String
    var families = Family.allCases
    /// The MTU of the interface, or the segments that fit in it.
    var size = ScriptMessage.Size.mss(1_460)
    var seed: UInt64 = 1
    /// How much earlier or later than written a segment may leave.
    var tolerance = TimeSpan.milliseconds(1)
    /// The peer's first number: one of those that soon begin anew at zero.
    var peerISN: UInt32 = 0xFFFF_F000
    var peerPort: UInt16 = 40_000
    var stackChanges: [(inout TCPStackSettings) -> Void] = []
    var connectionChanges: [(inout TCPSettings) -> Void] = []
    /// What every case begins with.
    private var prelude: [ScriptLine] = []
    private var ownCases: [ScriptCase] = []

    /// The cases, each with all its lines: one without a name where the script tells none apart.
    var cases: [ScriptCase] {
        guard !ownCases.isEmpty else { return [ScriptCase(name: "", lines: prelude)] }
        return ownCases.map { ScriptCase(name: $0.name, lines: prelude + $0.lines) }
    }

    /// Reads a script, all of it before any of it runs.
    init(_ text: String, file: String) throws(ScriptError) {
        self.file = file
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            var words = ScriptWords(file: file, line: index + 1, text: line)
            guard let first = words.first else { continue }
            if let character = first.first, character == "+" || character.isNumber {
                try readEvent(&words)
            } else if words.take("case") {
                ownCases.append(ScriptCase(name: words.takeRest(), lines: []))
            } else {
                guard prelude.isEmpty, ownCases.isEmpty else {
                    throw words.error(
                        .misplaced("a line here begins with a time, as +0 is, or with case, not with '\(first)'"))
                }
                try readDirective(&words)
            }
            try words.end()
        }
        if ownCases.isEmpty ? prelude.isEmpty : ownCases.contains(where: { $0.lines.isEmpty }) {
            let names = ownCases.filter { $0.lines.isEmpty }.map { " of '\($0.name)'" }
            throw ScriptError(file: file, line: 1, fault: .missing("a line with a time\(names.first ?? "")"))
        }
    }

    private mutating func readEvent(_ words: inout ScriptWords) throws(ScriptError) {
        let time = try Self.time(&words)
        let event = try Self.event(&words, time)
        let line = ScriptLine(number: words.line, text: words.text, time: time, event: event)
        if ownCases.isEmpty { prelude.append(line) } else { ownCases[ownCases.count - 1].lines.append(line) }
    }

    // MARK: - The head

    private enum Directive: String, CaseIterable { case stack, option, family, peer, tolerance }

    private mutating func readDirective(_ words: inout ScriptWords) throws(ScriptError) {
        switch try words.choice("directive", of: Directive.self) {
        case .stack: try readStack(&words)
        case .option: connectionChanges.append(try Self.connectionChange(&words))
        case .family:
            families = words.take("both") ? Family.allCases : [try words.choice("family", of: Family.self)]
        case .peer:
            if words.take("port") {
                peerPort = try words.port()
            } else if words.take("isn") {
                peerISN = UInt32(try words.number("the peer's first number"))
            } else {
                throw words.error(.missing("isn or port"))
            }
        case .tolerance: tolerance = try words.span("a tolerance")
        }
    }

    private mutating func readStack(_ words: inout ScriptWords) throws(ScriptError) {
        if words.take("seed") {
            seed = UInt64(try words.number("a seed"))
        } else if let size = try Self.size(&words) {
            self.size = size
        } else {
            stackChanges.append(try words.choice("setting of a stack", of: StackSetting.self).readChange(&words))
        }
    }

    private static func size(_ words: inout ScriptWords) throws(ScriptError) -> ScriptMessage.Size? {
        if words.take("mtu") { return .mtu(try words.number("an MTU", in: 0...65_535)) }
        if words.take("mss") { return .mss(try words.number("a segment size", in: 1...65_000)) }
        return nil
    }

    private static func connectionChange(
        _ words: inout ScriptWords
    ) throws(ScriptError) -> (inout TCPSettings) -> Void {
        try words.choice("setting of a connection", of: ConnectionSetting.self).readChange(&words)
    }

    // MARK: - A line

    private static func time(_ words: inout ScriptWords) throws(ScriptError) -> ScriptTime {
        let word = try words.word("a time")
        let isRelative = word.hasPrefix("+")
        let digits = isRelative ? String(word.dropFirst()) : word
        if let span = ScriptWords.span(digits) {
            return ScriptTime(isRelative: isRelative, earliest: span, latest: span)
        }
        guard let dots = digits.firstRange(of: ".."), let earliest = ScriptWords.span(digits[..<dots.lowerBound]),
            let latest = ScriptWords.span(digits[dots.upperBound...]), earliest <= latest
        else { throw words.error(.notA("a time, as 0.2, +0.2, +200ms and +0.2..0.3 are", word)) }
        return ScriptTime(isRelative: isRelative, earliest: earliest, latest: latest)
    }

    private enum Verb: String, CaseIterable {
        case listen, unlisten, accept, connect, write, read, shutdown, stopReading, close, abort
        case urgent, noDelay, cork, set, expect, nothing, renew
    }

    private static func event(_ words: inout ScriptWords, _ time: ScriptTime) throws(ScriptError) -> ScriptEvent {
        if words.take(">") { return .leaves(try ScriptSegment(&words, isGiven: false)) }
        guard time.earliest == time.latest else {
            throw words.error(.misplaced("only what leaves may do so between two times"))
        }
        if words.take("<") { return try given(&words) }
        let verb = try words.choice("verb, < and > aside,", of: Verb.self)
        switch verb {
        case .expect: return try claim(&words)
        case .nothing: return .nothing
        case .renew: return .renew
        case .listen, .unlisten, .accept, .connect, .write, .read, .shutdown, .stopReading, .close, .abort, .urgent,
            .noDelay, .cork, .set:
            return .call(try call(verb, &words))
        }
    }

    private static func given(_ words: inout ScriptWords) throws(ScriptError) -> ScriptEvent {
        if words.take("icmp") {
            let message = try message(&words)
            return .told(message, dies: try fate(&words))
        }
        let segment = try ScriptSegment(&words, isGiven: true)
        return .given(segment, dies: try fate(&words))
    }

    private static func fate(_ words: inout ScriptWords) throws(ScriptError) -> DropReason? {
        words.take("dies") ? try words.choice("reason to drop", of: DropReason.self) : nil
    }

    private static func message(_ words: inout ScriptWords) throws(ScriptError) -> ScriptMessage {
        let kind = try words.choice("ICMP error", of: Family.Told.self)
        let size = try size(&words)
        guard (kind == .tooBig) == (size != nil) else {
            throw words.error(kind == .tooBig ? .missing("mtu or mss") : .misplaced("only tooBig names a size"))
        }
        guard words.take("seq") else { throw words.error(.missing("seq")) }
        var message = ScriptMessage(
            kind: kind, size: size, sequence: try words.number("a number", in: -1_000_000_000...1_000_000_000), count: 0
        )
        if words.take("count") { message.count = try words.number("a count of bytes", in: 0...65_000) }
        return message
    }

    private static func claim(_ words: inout ScriptWords) throws(ScriptError) -> ScriptEvent {
        let subject = try words.word("stack, or a connection")
        if subject == "stack" {
            var claims: [(StackFact, FactPattern)] = []
            repeat {
                let fact = try words.choice("fact of a stack", of: StackFact.self)
                claims.append((fact, .number(try words.pattern(fact.rawValue))))
            } while !words.isEmpty
            return .stackStands(claims)
        }
        var claims: [(ConnectionFact, FactPattern)] = []
        repeat {
            let fact = try words.choice("fact of a connection", of: ConnectionFact.self)
            claims.append((fact, try fact.readPattern(&words)))
        } while !words.isEmpty
        return .connectionStands(subject, claims)
    }

    private static func call(_ verb: Verb, _ words: inout ScriptWords) throws(ScriptError) -> ScriptCall {
        switch verb {
        case .listen:
            let port = try words.port()
            return .listen(port, backlogMax: words.take("backlog") ? try words.number("a backlog") : 128)
        case .unlisten: return .stopListening(try words.port())
        case .accept: return .accept(try name(&words))
        case .connect: return .connect(try name(&words), port: try words.port())
        case .write:
            let (name, count) = (try name(&words), try words.number("how many bytes", in: 1...10_000_000))
            if words.take("takes") { return .write(name, count: count, .bytes(try words.number("how many bytes"))) }
            return .write(name, count: count, try failure(&words) ?? .bytes(count))
        case .read:
            let name = try name(&words)
            if words.take("end") { return .read(name, count: 1, .atEnd) }
            if let failure = try failure(&words) { return .read(name, count: 1, failure) }
            let count = try words.number("how many bytes, end or fails", in: 1...10_000_000)
            return .read(name, count: count, words.take("gives") ? .bytes(try words.number("how many")) : .bytes(count))
        case .shutdown: return .shutdown(try name(&words))
        case .stopReading: return .stopReading(try name(&words))
        case .close:
            let name = try name(&words)
            return .close(name, linger: words.take("linger") ? try words.span("how long to linger") : nil)
        case .abort: return .abort(try name(&words))
        case .urgent: return .markUrgent(try name(&words))
        case .noDelay: return .noDelay(try name(&words), try words.flag("noDelay"))
        case .cork: return .cork(try name(&words), try words.flag("cork"))
        case .set: return .set(try name(&words), try connectionChange(&words))
        case .expect, .nothing, .renew: throw words.error(.surplus(verb.rawValue))
        }
    }

    private static func name(_ words: inout ScriptWords) throws(ScriptError) -> String {
        let name = try words.word("the name of a connection")
        guard name != "stack" else { throw words.error(.notA("a name of a connection", name)) }
        return name
    }

    private static func failure(_ words: inout ScriptWords) throws(ScriptError) -> CallOutcome? {
        words.take("fails") ? .fails(try words.word("how it fails")) : nil
    }
}
