/// The congestion controls that a stack's connections may choose from, and the one they have without choosing.
public struct CongestionRegistry: Hashable, Sendable {
    /// Those there are, in the order they came.
    public private(set) var algorithms: [CongestionAlgorithm]
    /// The names an application may choose; the default is always among them.
    public private(set) var allowed: [String]
    /// What a connection has without choosing.
    public private(set) var standard: CongestionAlgorithm

    /// The most algorithms; a further one is refused.
    public static var algorithmsMax: Int { 64 }

    /// The built-in ones, of which `allowed` may be chosen.
    ///
    /// DCTCP is not among those allowed unless asked for: outside of networks made for it, it takes more than its share
    /// (RFC 8257 §5).
    public init() {
        algorithms = CongestionAlgorithm.builtIn
        standard = .cubic
        allowed = [CongestionAlgorithm.newReno, .cubic, .vegas].map(\.name)
    }

    /// Adds one of a user's own and allows it.
    public mutating func register(
        _ name: String, make: @escaping @Sendable () -> any CongestionControl
    ) throws(CongestionChoiceError) {
        guard !name.isEmpty, name.utf8.count <= 15 else { throw .nameNotUsable(name) }
        guard !algorithms.contains(where: { $0.name == name }) else { throw .nameTaken(name) }
        guard algorithms.count < Self.algorithmsMax else { throw .tooMany(limit: Self.algorithmsMax) }
        algorithms.append(.other(OtherCongestionAlgorithm(name: name, make: make)))
        allowed.append(name)
    }

    /// Says which may be chosen.
    public mutating func allow(_ names: [String]) throws(CongestionChoiceError) {
        for name in names { _ = try named(name) }
        guard names.contains(standard.name) else { throw .notAllowed(standard.name) }
        allowed = algorithms.map(\.name).filter(names.contains)
    }

    /// Says what a connection has without choosing, which is allowed from then on.
    public mutating func setStandard(_ name: String) throws(CongestionChoiceError) {
        standard = try named(name)
        if !allowed.contains(name) { allowed.append(name) }
    }

    /// The one with a name, for an application that may choose only what is allowed.
    public func chosen(_ name: String) throws(CongestionChoiceError) -> CongestionAlgorithm {
        let algorithm = try named(name)
        guard allowed.contains(name) else { throw .notAllowed(name) }
        return algorithm
    }

    /// The one with a name, for an administrator.
    public func named(_ name: String) throws(CongestionChoiceError) -> CongestionAlgorithm {
        guard let found = algorithms.first(where: { $0.name == name }) else { throw .unknown(name) }
        return found
    }
}

/// Why a congestion control was not chosen or registered.
public enum CongestionChoiceError: Error, Hashable, Sendable {
    /// There is none of this name.
    case unknown(String)
    /// It is not among those allowed.
    case notAllowed(String)
    /// There is one of this name.
    case nameTaken(String)
    /// A name has 1 to 15 bytes, as socket options take it.
    case nameNotUsable(String)
    /// There are so many already.
    case tooMany(limit: Int)
}
