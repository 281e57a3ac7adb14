package import ChimneyPrimitives
public import ChimneyWire

/// A message that a host wants sent, with TTL or hop limit 1 and a router alert.
///
/// IGMP goes out as internetwork control (type of service 0xC0) from an address of the interface, or from 0.0.0.0 before it
/// has one (RFC 9776 §4 and §4.2.14); MLD from a link-local address, or from `::` before it has one (RFC 3590).
package struct MembershipTransmission<Address: MembershipAddress>: Hashable, Sendable {
    /// What to send.
    package var message: MembershipMessage<Address>
    /// Where to.
    package var destination: Address { message.destination }

    package init(_ message: MembershipMessage<Address>) { self.message = message }
}

/// What became of an interface's way to report.
public enum MembershipEvent: Hashable, Sendable {
    /// Another version is spoken now.
    case versionChanged(from: MembershipVersion, to: MembershipVersion)
    /// A querier wants changes told this often.
    case robustnessChanged(to: Int)
}

/// What an interface machine wants done; whoever called it takes everything.
package struct MembershipOutput<Address: MembershipAddress>: ~Copyable {
    /// Messages to send, in order.
    package var transmissions = OutputList<MembershipTransmission<Address>>()
    /// What changed.
    package var events = OutputList<MembershipEvent>()

    package init() {}

    /// Whether nothing is wanted.
    package var isEmpty: Bool { transmissions.isEmpty && events.isEmpty }
}

/// Why a message about membership came to nothing.
@frozen
public enum MembershipDrop: Error, Hashable, Sendable, CaseIterable {
    /// Shorter than a message of its type.
    case truncated
    /// A type that is not about membership.
    case unknownType
    /// A query of a length that no version has.
    case queryLength
    /// More sources are counted than there are.
    case sourcesTruncated
    /// A record of a report reaches beyond it.
    case recordTruncated
    /// The checksum is wrong.
    case checksum
    /// The TTL or hop limit is not 1.
    case hopLimit
    /// A query without router alert.
    case routerAlert
    /// A query from an address that is not on the link, or that sends nothing.
    case source
    /// A query about all groups that went to a group other than that of all hosts.
    case destination
    /// A query or report about what is not a group, or about sources of all groups.
    case group
    /// Our own message came back.
    case looped
    /// A message for routers: hosts neither need version 3 reports nor leaves (RFC 9776 §5).
    case forRouters
    /// An older report that suppresses nothing, since version 3 is spoken or nothing is due.
    case suppressesNothing
    /// A query about a group that is not joined, or when none is.
    case notMember
    /// The interface is down.
    case down

    /// The drop for a message that is none.
    init(_ error: MembershipMessageError) {
        switch error {
        case .truncated: self = .truncated
        case .unknownType: self = .unknownType
        case .queryLength: self = .queryLength
        case .sourcesTruncated: self = .sourcesTruncated
        case .recordTruncated: self = .recordTruncated
        }
    }
}

/// What the stack knows of a packet with a message about membership.
package struct MembershipPacket<Address: MembershipAddress>: Sendable {
    /// The packet's source.
    package var source: Address
    /// Where it went.
    package var destination: Address
    /// Its TTL or hop limit.
    package var hopLimit: UInt8
    /// Whether it carries a router alert; for IPv6 one with the value 0.
    package var hasRouterAlert: Bool
    /// Whether the source is of a prefix of the interface or link-local.
    package var isFromLink: Bool
    /// Whether the source is an address of the interface itself.
    package var isFromUs: Bool

    package init(
        source: Address, destination: Address, hopLimit: UInt8 = 1, hasRouterAlert: Bool = true,
        isFromLink: Bool = true, isFromUs: Bool = false
    ) {
        self.source = source
        self.destination = destination
        self.hopLimit = hopLimit
        self.hasRouterAlert = hasRouterAlert
        self.isFromLink = isFromLink
        self.isFromUs = isFromUs
    }
}

/// How often things happened on an interface.
public struct MembershipCounters: Hashable, Sendable {
    /// Queries taken, by version from 1 to 3.
    public var queries: [UInt64] = [0, 0, 0]
    /// Messages sent: reports by version from 1 to 3.
    public var reports: [UInt64] = [0, 0, 0]
    /// Leaves sent.
    public var leaves: UInt64 = 0
    /// Records sent that tell of a change for the first time.
    public var changes: UInt64 = 0
    /// Records sent, and older reports, that tell of a change once more.
    public var repeats: UInt64 = 0
    /// Records sent, and older reports, that answer a query.
    public var answers: UInt64 = 0
    /// Older reports that were not sent because another host sent one.
    public var suppressed: UInt64 = 0
    /// Answers about whole groups because too many sources were asked about.
    public var widened: UInt64 = 0
    /// Groups that were not reported for want of room.
    public var unreported: UInt64 = 0
    /// Messages that came to nothing, by reason in the order of ``MembershipDrop``.
    public var drops = [UInt64](repeating: 0, count: MembershipDrop.allCases.count)

    /// Nothing happened yet.
    public init() {}

    /// How many messages came to nothing for this reason.
    public func count(of drop: MembershipDrop) -> UInt64 {
        MembershipDrop.allCases.firstIndex(of: drop).map { drops[$0] } ?? 0
    }

    mutating func count(_ drop: MembershipDrop) {
        if let index = MembershipDrop.allCases.firstIndex(of: drop) { drops[index] += 1 }
    }
}
