// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
]

/// A fuzz target is a folder in Sources with one `LLVMFuzzerTestOneInput`, and a line here.
///
/// It is a static library, because libFuzzer brings `main`; `run.sh` links the two.
func fuzzer(_ name: String, _ products: [String] = ["ChimneyPrimitives", "ChimneyWire"]) -> Target {
    .target(
        name: name,
        dependencies: ["FuzzSupport"] + products.map { .product(name: $0, package: "chimney") },
        swiftSettings: settings)
}

let fuzzers: [Target] = [
    fuzzer("Ethernet"),
    fuzzer("VLANTag"),
    fuzzer("ARP"),
    fuzzer("IPv4"),
    fuzzer("IPv4Options"),
    fuzzer("UDP"),
    fuzzer("DHCPv4"),
    fuzzer("ICMPv4"),
    fuzzer("ICMPv6"),
    fuzzer("NDP"),
    fuzzer("IPv6"),
    fuzzer("IGMP"),
    fuzzer("MLD"),
    fuzzer(
        "TCP",
        ["ChimneyLink", "ChimneyNeighbors", "ChimneyPrimitives", "ChimneyStack", "ChimneyTCP", "ChimneyWire"]),
    fuzzer("Capture", ["ChimneyCapture", "ChimneyPrimitives"]),
    fuzzer(
        "VirtualStack",
        [
            "ChimneyLink", "ChimneyMulticast", "ChimneyNeighbors", "ChimneyPrimitives", "ChimneyRouting",
            "ChimneyStack",
            "ChimneyWire",
        ]),
]

let package = Package(
    name: "chimney-fuzz",
    products: fuzzers.map { .library(name: $0.name, type: .static, targets: [$0.name]) },
    dependencies: [.package(name: "chimney", path: "..")],
    targets: [.target(name: "FuzzSupport", swiftSettings: settings)] + fuzzers
)
