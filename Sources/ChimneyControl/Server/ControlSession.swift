/// What answers one request.
///
/// It lives until it says that it has finished or its client goes away.
///
/// A session is confined to the server's thread. It must not block: what takes time is done in steps.
public protocol ControlSession: AnyObject {
    /// Does the next step, writing what there is to say, and says when to be called again.
    func advance(writing outbox: inout ControlOutbox) -> ControlProgress

    /// The client went away, or the server stops, before the session had finished.
    func cancel()
}

/// A client for as long as it is connected, with what it keeps from one request to the next.
///
/// It is confined to the server's thread.
public final class ControlGuest {
    /// What the client has here; a client that has something may be silent for as long as it likes.
    public var belongings: (any ControlBelongings)?

    /// A client that has nothing yet.
    public init() {}
}

/// What a client has in the process that answers it.
public protocol ControlBelongings: AnyObject {
    /// The client went away, or the server stops: everything is to be given up.
    func giveUp()
}

/// When a session wants its next step.
public enum ControlProgress: Hashable, Sendable {
    /// Never: everything has been said. The server closes the answer with ``ControlReply/end`` unless it was a failure.
    case finished
    /// After so many milliseconds, or sooner.
    case again(milliseconds: Int)
}

/// What waits for one client to read it.
public struct ControlOutbox {
    private(set) var bytes: [UInt8] = []
    private(set) var start = 0
    private(set) var isOverrun = false
    private(set) var hasFailed = false
    private let limits: ControlLimits

    init(limits: ControlLimits) { self.limits = limits }

    /// How many bytes wait.
    public var byteCount: Int { bytes.count - start }

    /// Whether so much waits that a session should pause.
    public var isCongested: Bool { byteCount > limits.outboxBytesToPause }

    /// Adds a line.
    ///
    /// A reply beyond a limit is not added and closes the connection.
    public mutating func append(_ reply: ControlReply) {
        guard let line = try? MessageCoding.line(of: reply), line.count <= limits.replyBytesMax,
            byteCount + line.count <= limits.outboxBytesMax
        else {
            isOverrun = true
            return
        }
        if case .failure = reply { hasFailed = true }
        if start > 0, start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        }
        bytes += line
    }

    var waiting: ArraySlice<UInt8> { bytes[start...] }

    mutating func taken(_ count: Int) {
        start += count
        if start > 256 << 10 || start == bytes.count {
            bytes.removeFirst(start)
            start = 0
        }
    }

    mutating func beginAnswer() { hasFailed = false }
}

/// A session that has all it wants to say from the beginning and says it as fast as the client reads.
public final class ListSession: ControlSession {
    private var parts: ArraySlice<ControlReply>

    /// Says these parts, in this order.
    public init(_ parts: [ControlReply]) { self.parts = parts[...] }

    /// Says as much as the client will take.
    public func advance(writing outbox: inout ControlOutbox) -> ControlProgress {
        while let part = parts.first {
            guard !outbox.isCongested else { return .again(milliseconds: 5) }
            outbox.append(part)
            parts.removeFirst()
        }
        return .finished
    }

    /// Nothing is left behind.
    public func cancel() {}
}
