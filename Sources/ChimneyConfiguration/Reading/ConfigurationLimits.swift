/// What one configuration file may cost its reader; a file beyond a bound is refused with an error.
public struct ConfigurationLimits: Sendable, Hashable {
    /// The most bytes of a file.
    public var bytesMax = 1 << 20
    /// The most values of a file, repetitions counted.
    public var nodesMax = 200_000
    /// The deepest nesting of lists and mappings.
    public var depthMax = 16

    /// The defaults.
    public init() {}
}
