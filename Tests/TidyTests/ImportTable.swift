/// Who may import whom.
///
/// Imports run one way, from the bytes up to the command; engines never import each other.
enum ImportTable {
    private static let base = ["Synchronization"]
    private static let siblings = ["ChimneyPrimitives", "ChimneyWire"]
    private static let engines = [
        "ChimneyLink", "ChimneyAddressing", "ChimneyNeighbors", "ChimneyRouting", "ChimneyMulticast", "ChimneyTCP",
    ]
    private static let platform = ["Glibc", "Foundation", "FoundationEssentials", "Dispatch"]
    private static let stack = base + siblings + engines
    private static let runtime = stack + ["ChimneyStack", "ChimneyCapture", "CChimneyLinux"] + platform

    static let rows: [String: Set<String>] = [
        "ChimneyPrimitives": Set(base),
        "ChimneyWire": ["ChimneyPrimitives"],
        "ChimneyLink": Set(base + siblings),
        "ChimneyAddressing": Set(siblings),
        "ChimneyNeighbors": Set(siblings),
        "ChimneyRouting": Set(siblings),
        "ChimneyMulticast": Set(siblings),
        "ChimneyTCP": Set(siblings),
        "ChimneyStack": Set(stack),
        "ChimneyConfiguration": Set(siblings + platform + ["Yams"]),
        "ChimneyCapture": Set(siblings),
        "ChimneyControl": Set(base + platform + ["ChimneyPrimitives", "CChimneyLinux"]),
        "ChimneyRuntime": Set(runtime),
        "ChimneySignatures": ["ChimneyStack", "Crypto"],
        "ChimneyDrivers": Set(runtime + ["ChimneyRuntime"]),
        "ChimneySockets": Set(runtime + ["ChimneyRuntime"]),
        // The caller drives it, so it too does without the runtime.
        "ChimneyC": Set(stack + ["ChimneyStack", "ChimneySignatures", "CChimney"] + platform),
        "ChimneyNIO": Set(
            runtime + [
                "ChimneyRuntime", "ChimneySockets", "NIOCore", "NIOPosix", "NIOEmbedded", "NIOConcurrencyHelpers",
            ]),
        // The lab is its own clock, so it does without the runtime.
        "ChimneyLab": Set(stack + ["ChimneyStack", "ChimneyCapture", "ChimneyConfiguration", "Yams"] + platform),
        "Chimney": Set(
            runtime + [
                "ChimneyConfiguration", "ChimneyControl", "ChimneyRuntime", "ChimneyDrivers", "ChimneySockets",
                "ChimneyLab",
            ]),
        "ChimneyCommand": Set(
            runtime + [
                "ChimneyRuntime", "ChimneySignatures", "ChimneyDrivers", "ChimneySockets", "ChimneyLab",
                "ChimneyConfiguration", "ChimneyControl", "Chimney",
                "ArgumentParser", "Yams",
                "Logging", "SystemPackage",
            ]),
        "ChimneyDaemon": Set(
            runtime + [
                "ChimneyRuntime", "ChimneyDrivers", "ChimneySockets", "ChimneyLab", "ChimneyConfiguration",
                "ChimneyControl", "Chimney",
                "ArgumentParser", "Yams",
                "Logging", "Metrics", "SystemPackage", "Hummingbird",
            ]),
    ]
}
