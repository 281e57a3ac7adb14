/// The asking end of a control socket.
///
/// It waits where it must, but never longer than it is told to.
public struct ControlClient: ~Copyable {
    private let descriptor: ControlSystem.Descriptor
    private let limits: ControlLimits
    private var framer: LineFramer
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    /// Connects to the process that listens at a path.
    public init(path: String, limits: ControlLimits = ControlLimits()) throws(ControlError) {
        let socket = try ControlSystem.connect(path: path)
        descriptor = socket
        self.limits = limits
        framer = LineFramer(lineBytesMax: limits.replyBytesMax)
    }

    /// Sends a request and hands over each part of the answer as it comes.
    ///
    /// - Parameters:
    ///   - request: what to ask.
    ///   - silenceMillisecondsMax: how long the other end may say nothing; negative for ever.
    ///   - body: takes a part and says whether to go on.
    /// - Throws: ``ControlError``; `.refused` carries the other end's sentence.
    public mutating func ask(
        _ request: ControlRequest, silenceMillisecondsMax: Int = 10_000,
        _ body: (ControlReply) throws(ControlError) -> Bool
    ) throws(ControlError) {
        try send(MessageCoding.line(of: request), within: silenceMillisecondsMax)
        while true {
            switch try nextReply(within: silenceMillisecondsMax) {
            case .end: return
            case .failure(let message): throw .refused(message)
            case let part: if try !body(part) { return }
            }
        }
    }

    /// Sends a request and gathers the whole answer.
    public mutating func ask(
        _ request: ControlRequest, silenceMillisecondsMax: Int = 10_000
    ) throws(ControlError) -> [ControlReply] {
        var parts: [ControlReply] = []
        try ask(request, silenceMillisecondsMax: silenceMillisecondsMax) { part throws(ControlError) in
            parts.append(part)
            return true
        }
        return parts
    }

    private func send(_ line: [UInt8], within milliseconds: Int) throws(ControlError) {
        guard line.count <= limits.requestBytesMax else { throw .lineTooLong(bytesMax: limits.requestBytesMax) }
        var rest = line[...]
        while !rest.isEmpty {
            switch ControlSystem.write(descriptor, rest) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .closed: throw .closed
            case .wouldBlock: try wait(milliseconds, forWriting: true)
            }
        }
    }

    private mutating func nextReply(within milliseconds: Int) throws(ControlError) -> ControlReply {
        while true {
            if let line = try framer.next() { return try MessageCoding.message(ControlReply.self, in: line) }
            switch ControlSystem.read(descriptor, into: &buffer) {
            case .bytes(let count): framer.append(buffer[..<count])
            case .closed: throw .closed
            case .wouldBlock: try wait(milliseconds, forWriting: false)
            }
        }
    }

    private func wait(_ milliseconds: Int, forWriting: Bool) throws(ControlError) {
        var interests = [
            ControlSystem.Interest(descriptor: descriptor.number, wantsRead: !forWriting, wantsWrite: forWriting)
        ]
        ControlSystem.poll(&interests, milliseconds: milliseconds)
        guard interests[0].isReadable || interests[0].isWritable else { throw .timedOut(milliseconds: milliseconds) }
    }
}
