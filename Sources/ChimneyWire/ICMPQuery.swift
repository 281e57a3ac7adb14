/// What joins an ICMP reply to its request, in both families (RFC 792, RFC 4443 §4.1).
@frozen
public struct ICMPQuery: Hashable, Sendable, BitwiseCopyable {
    /// Which of the askers.
    public var identifier: UInt16
    /// Which of its questions.
    public var sequence: UInt16

    /// A query with these numbers.
    @inlinable
    public init(identifier: UInt16, sequence: UInt16) {
        self.identifier = identifier
        self.sequence = sequence
    }
}

/// What joins an ICMPv4 reply to its request.
public typealias ICMPv4Query = ICMPQuery
