import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack

/// What went wrong with a group, in words and as the calls of RFC 3678 name it.
struct GroupRefusal: Error, Equatable, CustomStringConvertible {
    let description: String
    /// Such as `EADDRINUSE`.
    let errno: String

    init(_ description: String, _ errno: String) {
        self.description = description
        self.errno = errno
    }

    init(_ error: GroupError) { self.init(Self.sentence(of: error), error.errorName.rawValue) }

    init(_ error: OpenError) { self.init(Sentence.of(error), error.errorName.rawValue) }

    init(_ error: BindError) { self.init(Sentence.of(error), error.errorName.rawValue) }

    init(_ failure: AddressRow.Failure) { self.init(failure.description, "EINVAL") }

    private static func sentence(of error: GroupError) -> String {
        switch error {
        case .closed: "the socket was closed"
        case .noInterface(let address): "no interface is on the way to \(address)"
        case .familiesDiffer: "the group and the source are of different families"
        case .ipv6Disabled: "the interface does not speak IPv6"
        case .membership(let error): sentence(of: error)
        }
    }

    private static func sentence(of error: MembershipError) -> String {
        switch error {
        case .notMulticast: "the address is not a group"
        case .sourceInvalid: "the source is not an address that sends"
        case .noSuchInterface: "the interface does not exist"
        case .noSuchSocket: "the socket may not join groups"
        case .notMember: "the group was not joined"
        case .alreadyMember: "the group was joined already"
        case .sourceAlready: "the source was joined or blocked already"
        case .notASource: "the source was not joined or blocked"
        case .mixesAnySourceAndSource: "a group is joined either as a whole or source by source"
        case .needsSource: "the group is for one source at a time, and none is named"
        case .tooManySources(let most): "the filter has \(most) sources, which is its most"
        case .tooManySourcesInStack(let most): "the filters of the stack have \(most) sources, which is their most"
        case .tooManyMemberships(let most): "the socket is in \(most) groups, which is its most"
        case .tooManyMembershipsInStack(let most):
            "the stack's sockets are in \(most) groups, which is their most"
        }
    }
}

extension Sentence {
    static func of(_ error: LinkGroupError) -> String {
        switch error {
        case .noSuchInterface: "the interface does not exist or has no link addresses"
        case .filter(.notGroup(let mac)): "\(mac) is not a group of the link"
        case .filter(.notMember(let mac)): "nobody joined \(mac)"
        case .filter(.tooManyGroups(let most)): "the interface is in \(most) groups of the link, which is its most"
        }
    }

    static func of(_ drop: MembershipDrop) -> String {
        switch drop {
        case .truncated: "shorter than a message of its type"
        case .unknownType: "not about membership"
        case .queryLength: "a query of a length that no version has"
        case .sourcesTruncated: "more sources are counted than there are"
        case .recordTruncated: "a record reaches beyond its report"
        case .checksum: "the checksum is wrong"
        case .hopLimit: "the TTL or hop limit is not 1"
        case .routerAlert: "a query without router alert"
        case .source: "a query from an address that is not on the link"
        case .destination: "a query about all groups that went to one group"
        case .group: "about what is not a group"
        case .looped: "our own message came back"
        case .forRouters: "for routers"
        case .suppressesNothing: "a report that nothing of ours waits for"
        case .notMember: "a query about groups that are not joined"
        case .down: "the interface is down"
        }
    }
}
