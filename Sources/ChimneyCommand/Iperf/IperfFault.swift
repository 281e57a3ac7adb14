import ChimneyPrimitives

/// Why a test did not begin, or did not end well.
enum IperfFault: Error, Hashable, Sendable {
    /// A connection did not begin with a cookie.
    case cookie
    /// Nothing came for so long.
    case silence(IperfTest.Stage, TimeSpan)
    /// The control connection ended.
    case controlEnded(IperfTest.Stage)
    /// The connection of a stream ended early.
    case streamEnded(Int)
    /// A byte that does not belong there.
    case state(UInt8, IperfTest.Stage)
    /// The client gave up.
    case clientTerminated
    /// The parameters are no JSON, or not of the kinds they should be.
    case parametersMalformed
    /// The parameters have so many bytes.
    case parametersTooLong(Int)
    /// The client's results are no JSON, or not of the kinds they should be.
    case resultsMalformed
    /// The client's results have so many bytes.
    case resultsTooLong(Int)
    /// Another protocol than TCP.
    case notTCP(String)
    /// So many streams.
    case streams(Int)
    /// So many seconds.
    case duration(Int)
    /// So many seconds to leave out.
    case omit(Int)
    /// Blocks of so many bytes.
    case block(Int)
    /// Socket buffers of so many bytes.
    case window(Int)
    /// A type of service that is no byte.
    case typeOfService(Int)
    /// Both directions and the reverse one alone.
    case directions
    /// A congestion control that a connection of the stack may not choose.
    case congestionControl(String)
    /// The test went on beyond its time.
    case endless
    /// The stack did not do what the test asked of a connection.
    case socket(String)

    /// The number by which the client knows the reason, for which it has a sentence; nil when there is nobody to tell.
    ///
    /// The numbers are those of iperf3, 3.12.
    var code: Int32? {
        switch self {
        case .cookie, .controlEnded, .clientTerminated: nil
        case .silence, .streamEnded, .endless: 144
        case .state: 110
        case .parametersMalformed, .parametersTooLong: 114
        case .resultsMalformed, .resultsTooLong: 117
        case .notTCP: 13
        case .streams: 6
        case .duration: 5
        case .omit: 12
        case .block: 7
        case .window: 8
        case .typeOfService: 21
        case .directions: 25
        case .congestionControl: 134
        case .socket: 104
        }
    }
}

extension IperfFault: CustomStringConvertible {
    var description: String {
        switch self {
        case .cookie: "it did not begin with a cookie"
        case .silence(let stage, let span): "nothing came for \(Int(span.seconds)) s \(stage.words)"
        case .controlEnded(let stage): "the control connection ended \(stage.words)"
        case .streamEnded(let number): "the connection of stream \(number) ended early"
        case .state(let byte, let stage): "the byte \(byte) means nothing \(stage.words)"
        case .clientTerminated: "the client gave up"
        case .parametersMalformed: "the parameters cannot be read"
        case .parametersTooLong(let count): "the parameters have \(count) bytes, more than \(IperfTest.jsonBytesMax)"
        case .resultsMalformed: "the client's results cannot be read"
        case .resultsTooLong(let count): "the client's results have \(count) bytes, more than \(IperfTest.jsonBytesMax)"
        case .notTCP(let name): "a test over \(name) was asked for, and there are only those over TCP"
        case .streams(let count): "\(count) streams are not 1 to \(IperfParameters.streamsMax)"
        case .duration(let seconds): "\(seconds) s are not 0 to \(IperfParameters.secondsMax) s"
        case .omit(let seconds): "leaving out \(seconds) s is not 0 to \(IperfParameters.omitSecondsMax) s"
        case .block(let bytes): "blocks of \(bytes) bytes are not 1 to \(IperfParameters.blockBytesMax)"
        case .window(let bytes): "buffers of \(bytes) bytes are not 0 to \(IperfParameters.windowBytesMax)"
        case .typeOfService(let value): "a type of service of \(value) is not 0 to 255"
        case .directions: "both the reverse direction alone and both directions were asked for"
        case .congestionControl(let name): "the congestion control \"\(name)\" may not be chosen"
        case .endless: "it went on beyond its time"
        case .socket(let reason): reason
        }
    }
}
