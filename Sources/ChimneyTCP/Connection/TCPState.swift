/// Where a connection stands (RFC 9293 §3.3.2).
///
/// LISTEN is not among them: a listener is a port that a ``SynCache`` answers for.
public enum TCPState: UInt8, Hashable, Sendable, CaseIterable {
    /// There is no connection, or none any more.
    case closed
    /// A SYN was sent.
    case synSent
    /// A SYN was sent and one arrived.
    case synReceived
    /// Data flows both ways.
    case established
    /// We have no more data; the peer does not know yet.
    case finWait1
    /// We have no more data, and the peer knows it.
    case finWait2
    /// The peer has no more data.
    case closeWait
    /// Both had no more data at the same time; the peer does not know of ours.
    case closing
    /// Neither has more data; the peer does not know of ours.
    case lastAck
    /// All is said; segments still under way are waited for.
    case timeWait

    /// Whether both ends know each other's first number.
    package var isSynchronized: Bool {
        switch self {
        case .closed, .synSent, .synReceived: false
        case .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait: true
        }
    }

    /// Whether data may come from the peer.
    package var takesData: Bool {
        switch self {
        case .established, .finWait1, .finWait2: true
        case .closed, .synSent, .synReceived, .closeWait, .closing, .lastAck, .timeWait: false
        }
    }

    /// Whether data or our FIN may be on its way, for the first or another time.
    package var sendsData: Bool {
        switch self {
        case .established, .finWait1, .closeWait, .closing, .lastAck: true
        case .closed, .synSent, .synReceived, .finWait2, .timeWait: false
        }
    }
}
