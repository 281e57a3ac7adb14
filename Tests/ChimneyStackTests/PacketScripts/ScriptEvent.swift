import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// What one line of a packet script does or claims.
enum ScriptEvent {
    /// The peer, or a router, sends something, and the packet dies of `dies`, or does not.
    case given(ScriptSegment, dies: DropReason?)
    case told(ScriptMessage, dies: DropReason?)
    /// A segment leaves.
    case leaves(ScriptSegment)
    /// None has left up to now.
    case nothing
    /// A call of the stack's owner.
    case call(ScriptCall)
    /// How a connection, or all of TCP, stands.
    case connectionStands(String, [(ConnectionFact, FactPattern)])
    case stackStands([(StackFact, FactPattern)])
    /// Numbers count from the last SYNs from now on.
    case renew
}

/// A call of the stack's owner.
enum ScriptCall {
    case listen(UInt16, backlogMax: Int)
    case stopListening(UInt16)
    case accept(String)
    case connect(String, port: UInt16)
    case write(String, count: Int, CallOutcome)
    case read(String, count: Int, CallOutcome)
    case shutdown(String)
    case stopReading(String)
    case close(String, linger: TimeSpan?)
    case abort(String)
    case markUrgent(String)
    case noDelay(String, Bool)
    case cork(String, Bool)
    case set(String, (inout TCPSettings) -> Void)
}

/// What a call comes to.
enum CallOutcome: Hashable {
    /// It takes, or gives, this many bytes.
    case bytes(Int)
    /// Nothing more will ever come.
    case atEnd
    /// It fails, for the reason with this name.
    case fails(String)
}

/// An ICMP error about a segment of the stack's.
struct ScriptMessage: Hashable {
    /// How large packets may be, by the MTU that is named or by the segments that fit.
    enum Size: Hashable {
        case mtu(Int)
        case mss(Int)
    }

    var kind: Family.Told
    var size: Size?
    /// The number that is quoted, and how many bytes were behind it.
    var sequence: Int
    var count: Int
}

/// When something happens in a packet script: at a time, or between two.
struct ScriptTime: Hashable {
    /// From the line before rather than from the beginning.
    var isRelative: Bool
    var earliest: TimeSpan
    var latest: TimeSpan
}

/// A line of a packet script.
struct ScriptLine {
    let number: Int
    let text: String
    let time: ScriptTime
    let event: ScriptEvent
}

/// Lines that are run one after the other with a stack of their own.
struct ScriptCase {
    let name: String
    var lines: [ScriptLine]
}
