/// Which congestion control a connection uses.
public enum CongestionAlgorithm: Hashable, Sendable, CustomStringConvertible {
    /// The standard's own (RFC 5681).
    case newReno
    /// CUBIC with HyStart++ (RFC 9438, RFC 9406).
    case cubic
    /// Data Center TCP (RFC 8257).
    case dctcp
    /// Vegas.
    case vegas
    /// One of a user's own.
    case other(OtherCongestionAlgorithm)

    /// Those of the stack itself.
    public static var builtIn: [Self] { [.newReno, .cubic, .dctcp, .vegas] }

    /// The name by which it is chosen: that of Linux where it has the same.
    public var name: String {
        switch self {
        case .newReno: "reno"
        case .cubic: "cubic"
        case .dctcp: "dctcp"
        case .vegas: "vegas"
        case .other(let other): other.name
        }
    }

    /// The name.
    public var description: String { name }
}

/// A congestion control of a user's own: a name, and how each connection gets a value of it.
public final class OtherCongestionAlgorithm: Hashable, Sendable {
    /// The name by which it is chosen.
    public let name: String
    let make: @Sendable () -> any CongestionControl

    /// An algorithm that begins with what `make` gives for each connection.
    public init(name: String, make: @escaping @Sendable () -> any CongestionControl) {
        self.name = name
        self.make = make
    }

    /// Whether they are the same one.
    public static func == (one: OtherCongestionAlgorithm, other: OtherCongestionAlgorithm) -> Bool { one === other }
    /// Distinguishes by identity.
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
