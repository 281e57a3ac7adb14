/// How much the sockets of a stack may join, for each address family on its own.
public struct MembershipLimits: Hashable, Sendable {
    /// The most groups one socket is in, an interface each; at the bound joining is refused.
    public var membershipsPerSocketMax = 131_072
    /// The most groups all sockets are in together; at the bound joining is refused.
    public var membershipsPerStackMax = 1_048_576
    /// The most sources in one filter of a socket; a longer list is refused.
    public var sourcesPerFilterMax = 16_384
    /// The most sources in all filters together; at the bound more are refused.
    public var sourcesPerStackMax = 4_194_304
    /// The sockets that may join have numbers below this; others are refused.
    public var socketsMax = 1_048_576

    /// Bounds far above what programs need, which bound the memory that a mistake costs.
    public init() {}
}
