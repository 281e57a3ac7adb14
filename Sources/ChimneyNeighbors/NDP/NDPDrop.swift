public import ChimneyPrimitives
package import ChimneyWire

/// Why a neighbour discovery message was of no use; each becomes a drop reason of the stack.
@frozen
public enum NDPDrop: Error, Hashable, Sendable, CaseIterable {
    /// Shorter than a message of its type.
    case truncated
    /// A type that is none of discovery's between neighbours.
    case otherType
    /// A code other than 0.
    case code
    /// An option without length.
    case optionWithoutLength
    /// An option that reaches beyond the message.
    case optionTruncated
    /// More options than are read.
    case tooManyOptions
    /// It came from an interface that discovery does not know.
    case unknownInterface
    /// The hop limit is not 255: it may come from beyond the link.
    case hopLimit
    /// The source is a group or a loopback address, or of a redirect no link-local one.
    case badSource
    /// It goes where such a message does not go: a question from nobody past its target's group, or an answer to a
    /// question to everybody.
    case badDestination
    /// The target is a group, a loopback address or none.
    case badTarget
    /// The link address is a group, broadcast or zero, or told by a sender without address.
    case badLinkAddress
    /// Our own message came back.
    case looped
    /// Another host has, or wants, an address of ours.
    case conflicting
    /// It asks for an address that is neither ours nor published.
    case notForUs
    /// It answers what was not asked, about a neighbour of no interest or against the accept rule.
    case unsolicited
    /// It contradicts what is known without the right to override it.
    case contradictory
    /// It would change an entry that the operator set.
    case permanentEntry
    /// More questions come from strangers than are answered.
    case rateLimited

    /// The reason to drop bytes that are no message.
    package init(_ error: ICMPv6Error) {
        switch error {
        case .truncated: self = .truncated
        case .unknownType: self = .otherType
        case .unknownCode: self = .code
        case .optionWithoutLength: self = .optionWithoutLength
        case .optionTruncated: self = .optionTruncated
        case .tooManyOptions: self = .tooManyOptions
        }
    }
}

/// Something about an IPv6 address of ours that the stack acts on.
public struct NDPAddressEvent: Hashable, Sendable {
    /// What happened.
    @frozen
    public enum Kind: Hashable, Sendable {
        /// It may be used with the care of RFC 4429 while it is still asked for.
        case optimistic
        /// Nobody else has the address: it may be used from now on.
        case usable
        /// Another host has the address, or wants it too; it may not be used.
        case duplicate(of: MACAddress?)
        /// Another host uses an address that is ours; it is kept.
        case contested(by: MACAddress?)
    }

    /// The address.
    public var address: IPv6Address
    /// The interface that has it.
    public var interface: UInt32
    /// What happened.
    public var kind: Kind
}
