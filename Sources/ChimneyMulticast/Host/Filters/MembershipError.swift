/// Why a membership is as it was: nothing of a call that throws takes effect.
///
/// Behind each case stands the error that the calls of RFC 3678 give programs on BSD and Linux.
@frozen
public enum MembershipError: Error, Hashable, Sendable {
    /// The group is no multicast address (`EINVAL`).
    case notMulticast
    /// A source is a multicast, unspecified or broadcast address, which sends nothing (`EINVAL`).
    case sourceInvalid
    /// The stack has no such interface (`ENODEV`).
    case noSuchInterface(UInt32)
    /// The number of the socket is not below ``MembershipLimits/socketsMax`` (`EBADF`).
    case noSuchSocket(UInt32)
    /// The socket is not in the group on this interface (`EADDRNOTAVAIL`).
    case notMember
    /// The socket is in the group on this interface already (`EADDRINUSE`).
    case alreadyMember
    /// The source is joined or blocked already (`EADDRNOTAVAIL`).
    case sourceAlready
    /// The source is not among those joined or blocked (`EADDRNOTAVAIL`).
    case notASource
    /// The socket joined the group without sources and names one to receive, or the other way round (`EINVAL`).
    case mixesAnySourceAndSource
    /// The group is for one source at a time, and none is named (RFC 4607 §4.2, `EINVAL`).
    case needsSource
    /// The filter has as many sources as one may (`ENOBUFS`).
    case tooManySources(max: Int)
    /// The filters of all sockets have as many sources as they may together (`ENOBUFS`).
    case tooManySourcesInStack(max: Int)
    /// The socket is in as many groups as one may be (`ENOBUFS`).
    case tooManyMemberships(max: Int)
    /// The sockets are in as many groups as they may be together (`ENOBUFS`).
    case tooManyMembershipsInStack(max: Int)
}
