/// How these tests were built: a debug build allocates where a release build does not.
enum Build {
    /// Whether it is a release build.
    static var isOptimised: Bool {
        var isDebug = false
        // The condition is evaluated in debug builds only.
        assert({ isDebug = true }() == ())
        return !isDebug
    }
}
