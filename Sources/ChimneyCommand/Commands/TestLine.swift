import ChimneyControl
import ChimneyPrimitives

/// One line of `chimney mtest`.
enum TestLine: Equatable {
    /// Nothing to do, and nothing to answer.
    case empty
    /// For the running chimney.
    case command(TestCommand)
    /// Wait before the next line.
    case sleep(seconds: Double)
    /// The end.
    case quit

    /// Why a line is none, as one sentence.
    struct Failure: Error, Equatable, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// The most seconds that a script sleeps at a time; more are refused.
    static var sleepSecondsMax: Double { 3_600 }
    /// The most characters of a socket's name; a longer one is refused.
    static var nameCharactersMax: Int { 64 }

    static var help: String {
        """
        join G | leave G                  every source of a group
        sjoin G S | sleave G S            one source
        block G S | unblock G S           all sources but one
        filter G in|ex [S ...]            exactly these, or all but these
        getfilter G
        send G COUNT [PPS [TTL [LEN [PORT]]]]
        count | wire | log [SINCE] | reset | now | sleep SECONDS | quit
        open NAME [PORT] | close NAME

        A group may be a row of them, and a source may stand before it: join 239.1.0.0+1000, \
        sjoin 10.0.0.1,232.1.1.1+16. Each group has a socket of its own, unless the line ends in: as NAME.
        """
    }

    init(_ text: String) throws(Failure) {
        var words = text.split(whereSeparator: \.isWhitespace).map(String.init)[...]
        guard let verb = words.popFirst(), !verb.hasPrefix("#") else {
            self = .empty
            return
        }
        switch verb {
        case "quit", "exit": self = try Self.alone(verb, words, .quit)
        case "count": self = try Self.alone(verb, words, .command(.count))
        case "reset": self = try Self.alone(verb, words, .command(.reset))
        case "now": self = try Self.alone(verb, words, .command(.now))
        case "wire": self = try Self.alone(verb, words, .command(.wire))
        case "log": self = .command(.log(since: try Self.number(verb, words.popFirst() ?? "0", to: 1e15)))
        case "sleep":
            guard let text = words.popFirst() else { throw Failure("\"sleep\" needs a number of seconds") }
            self = .sleep(seconds: try Self.number(verb, text, to: Self.sleepSecondsMax))
        case "open", "close": self = .command(try Self.socket(verb, &words))
        case "send": self = .command(.send(request: try Self.sending(&words)))
        case "getfilter":
            let name = try Self.name(at: &words)
            self = .command(.filter(group: try Self.target(verb, &words).group, name: name))
        default:
            let name = try Self.name(at: &words)
            self = .command(.member(call: try Self.call(verb, &words), name: name))
        }
        guard words.isEmpty else {
            throw Failure("\"\(verb)\" is followed by too much: \(words.joined(separator: " "))")
        }
    }

    /// The call about a membership that a verb and the words behind it make.
    static func call(_ verb: String, _ words: inout ArraySlice<String>) throws(Failure) -> MembershipCall {
        let (kind, needsSource): (MembershipCall.Verb, Bool)
        switch verb {
        case "join": (kind, needsSource) = (.join, false)
        case "leave": (kind, needsSource) = (.leave, false)
        case "sjoin": (kind, needsSource) = (.join, true)
        case "sleave": (kind, needsSource) = (.leave, true)
        case "block": (kind, needsSource) = (.block, true)
        case "unblock": (kind, needsSource) = (.unblock, true)
        case "filter": return try filter(&words)
        default: throw Failure("\"\(verb)\" is no command; see `chimney mtest --help`")
        }
        var target = try target(verb, &words)
        if needsSource, target.source == nil {
            guard let source = words.popFirst() else {
                throw Failure("\"\(verb)\" needs a group and a source: \(verb) GROUP SOURCE, or \(verb) SOURCE,GROUP")
            }
            target.source = try Self.source(source, of: target.group)
        }
        return MembershipCall(kind, target.group, source: target.source)
    }

    private static func filter(_ words: inout ArraySlice<String>) throws(Failure) -> MembershipCall {
        let target = try target("filter", &words)
        guard target.source == nil else { throw Failure("\"filter\" names its sources behind in or ex") }
        let mode: GroupFilterReport.Mode
        switch words.popFirst() {
        case "in": mode = .include
        case "ex": mode = .exclude
        case let other: throw Failure("\"filter\" needs in or ex behind its group, not \"\(other ?? "")\"")
        }
        var sources: [String] = []
        while let word = words.popFirst() { sources.append(try source(word, of: target.group)) }
        return MembershipCall(filter: target.group, mode, sources)
    }

    /// A group or a row of them, with the source that stands before it.
    private static func target(
        _ verb: String, _ words: inout ArraySlice<String>
    ) throws(Failure) -> (group: String, source: String?) {
        guard let word = words.popFirst() else { throw Failure("\"\(verb)\" needs a group") }
        let parts = word.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let group = parts.last else {
            throw Failure("\"\(word)\" is not GROUP, GROUP+COUNT or SOURCE,GROUP+COUNT")
        }
        do throws(AddressRow.Failure) {
            _ = try AddressRow(groups: group)
        } catch {
            throw Failure(error.description)
        }
        return (group, parts.count == 2 ? try source(parts[0], of: group) : nil)
    }

    private static func source(_ text: String, of group: String) throws(Failure) -> String {
        do throws(AddressRow.Failure) {
            _ = try AddressRow(sources: text, of: try AddressRow(groups: group).first)
            return text
        } catch {
            throw Failure(error.description)
        }
    }

    /// Takes `as NAME` from the end.
    private static func name(at words: inout ArraySlice<String>) throws(Failure) -> String? {
        guard let mark = words.lastIndex(of: "as") else { return nil }
        guard mark == words.endIndex - 2, let name = words.last else {
            throw Failure("\"as\" is followed by the name of a socket and nothing more")
        }
        words.removeLast(2)
        return try checked(name)
    }

    private static func checked(_ name: String) throws(Failure) -> String {
        guard name.count <= nameCharactersMax else {
            throw Failure("the name of a socket has at most \(nameCharactersMax) characters")
        }
        return name
    }

    private static func socket(_ verb: String, _ words: inout ArraySlice<String>) throws(Failure) -> TestCommand {
        guard let name = words.popFirst() else { throw Failure("\"\(verb)\" needs the name of a socket") }
        guard verb == "open" else { return .close(name: try checked(name)) }
        let port = try words.popFirst().map { text throws(Failure) in try integer(verb, text, 0...65_535) }
        return .open(name: try checked(name), port: port)
    }

    private static func sending(_ words: inout ArraySlice<String>) throws(Failure) -> TestSendRequest {
        let target = try target("send", &words)
        guard target.source == nil else { throw Failure("\"send\" takes no source; datagrams leave from our own") }
        guard let count = words.popFirst() else { throw Failure("\"send\" needs a group and a number of datagrams") }
        var request = TestSendRequest(
            group: target.group, count: try integer("send", count, 1...TestSendRequest.countMax))
        if let text = words.popFirst() {
            request.packetsPerSecond = try number("send", text, to: TestSendRequest.packetsPerSecondMax)
            guard request.packetsPerSecond > 0 else { throw Failure("\"send\" needs a rate above 0") }
        }
        if let text = words.popFirst() { request.timeToLive = try integer("send", text, 0...255) }
        if let text = words.popFirst() {
            request.byteCount = try integer("send", text, 0...TestSendRequest.byteCountMax)
        }
        if let text = words.popFirst() { request.port = try integer("send", text, 1...65_535) }
        return request
    }

    private static func integer(
        _ verb: String, _ text: String, _ range: ClosedRange<Int>
    ) throws(Failure) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw Failure(
                "\"\(text)\" behind \"\(verb)\" is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func number(_ verb: String, _ text: String, to most: Double) throws(Failure) -> Double {
        guard let number = Double(text), number >= 0, number <= most else {
            throw Failure("\"\(text)\" behind \"\(verb)\" is not a number from 0 to \(Int(most))")
        }
        return number
    }

    private static func alone(
        _ verb: String, _ words: ArraySlice<String>, _ line: TestLine
    ) throws(Failure) -> TestLine {
        guard words.isEmpty else { throw Failure("\"\(verb)\" takes nothing behind it") }
        return line
    }
}
