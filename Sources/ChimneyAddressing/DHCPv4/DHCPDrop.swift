import ChimneyWire

/// Why a DHCP message was of no use; each becomes a drop reason of the stack.
@frozen
public enum DHCPDrop: Error, Hashable, Sendable, CaseIterable {
    /// Shorter than a DHCP message.
    case truncated
    /// Neither a request nor a reply.
    case operation
    /// The link is not Ethernet.
    case hardware
    /// No options follow.
    case cookie
    /// An option reaches beyond its field.
    case optionTruncated
    /// An option has a length that its kind cannot have.
    case optionLength
    /// The fields that hold more options are not told.
    case overload
    /// There is no message type.
    case messageType
    /// A client sent it, or it is of a type that no server sends.
    case notReply
    /// It is for another client.
    case notForUs
    /// It answers another exchange.
    case wrongTransaction
    /// No such answer is awaited.
    case unexpected
    /// The server does not say who it is.
    case noServerIdentifier
    /// The server calls itself by an address that no host has.
    case badServerIdentifier
    /// It is not from the server that was asked.
    case otherServer
    /// The address is one that no host has.
    case badAddress
    /// The address is not the one that was asked for.
    case otherAddress
    /// The subnet mask has holes, or its prefix is shorter than is taken.
    case badMask
    /// The address is lent for an untold time.
    case noLeaseTime
    /// The address is lent for too short a time.
    case leaseTooShort
    /// There are as many offers to choose from as are kept.
    case tooManyOffers

    init(_ error: DHCPv4Error) {
        self =
            switch error {
            case .truncated: .truncated
            case .operation: .operation
            case .hardware: .hardware
            case .cookie: .cookie
            case .optionTruncated: .optionTruncated
            case .optionLength: .optionLength
            case .overload: .overload
            case .messageType: .messageType
            }
    }
}
