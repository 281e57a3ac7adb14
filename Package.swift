// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "chimney",
    products: [
        .executable(name: "chimney", targets: ["ChimneyCommand"]),
        .library(name: "ChimneyLab", targets: ["ChimneyLab"]),
        .library(name: "ChimneyConfiguration", targets: ["ChimneyConfiguration"]),
        .library(name: "ChimneyControl", targets: ["ChimneyControl"]),
        .library(name: "ChimneyPrimitives", targets: ["ChimneyPrimitives"]),
        .library(name: "ChimneyWire", targets: ["ChimneyWire"]),
        .library(name: "ChimneyAddressing", targets: ["ChimneyAddressing"]),
        .library(name: "ChimneyNeighbors", targets: ["ChimneyNeighbors"]),
        .library(name: "ChimneyMulticast", targets: ["ChimneyMulticast"]),
        .library(name: "ChimneyRouting", targets: ["ChimneyRouting"]),
        .library(name: "ChimneyTCP", targets: ["ChimneyTCP"]),
        .library(name: "ChimneyStack", targets: ["ChimneyStack"]),
        .library(name: "ChimneyLink", targets: ["ChimneyLink"]),
        .library(name: "ChimneyCapture", targets: ["ChimneyCapture"]),
        .library(name: "ChimneyDrivers", targets: ["ChimneyDrivers"]),
        .library(name: "ChimneyRuntime", targets: ["ChimneyRuntime"]),
        .library(name: "ChimneySignatures", targets: ["ChimneySignatures"]),
        .library(name: "ChimneySockets", targets: ["ChimneySockets"]),
        .library(name: "Chimney", targets: ["Chimney"]),
    ],
    traits: [
        .trait(name: "YAML", description: "Configuration and topology files are read, by Yams."),
        .trait(name: "Tools", description: "The command chimney.", enabledTraits: ["YAML"]),
        .trait(name: "Signatures", description: "TCP segments are signed with MD5 (RFC 2385), by swift-crypto."),
        .default(enabledTraits: ["YAML", "Tools"]),
    ],
    dependencies: [
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    ],
    targets: [
        .target(
            name: "ChimneyConfiguration",
            dependencies: [
                "ChimneyPrimitives", .product(name: "Yams", package: "Yams", condition: .when(traits: ["YAML"])),
            ],
            swiftSettings: settings),
        .target(
            name: "ChimneyLab",
            dependencies: [
                "ChimneyPrimitives", "ChimneyWire", "ChimneyLink", "ChimneyMulticast", "ChimneyNeighbors",
                "ChimneyRouting", "ChimneyStack", "ChimneyTCP", "ChimneyConfiguration", "ChimneyCapture",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneyLabTests",
            dependencies: [
                "ChimneyPrimitives", "ChimneyWire", "ChimneyLink", "ChimneyMulticast", "ChimneyNeighbors",
                "ChimneyRouting", "ChimneyStack", "ChimneyTCP", "ChimneyConfiguration", "ChimneyCapture", "ChimneyLab",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneyConfigurationTests", dependencies: ["ChimneyConfiguration", "ChimneyPrimitives"],
            swiftSettings: settings),
        .executableTarget(
            name: "ChimneyCommand",
            dependencies: [
                "ChimneyAddressing", "ChimneyCapture", "ChimneyConfiguration", "ChimneyControl", "ChimneyDrivers",
                "ChimneyLab", "ChimneyLink", "ChimneyMulticast", "ChimneyNeighbors", "ChimneyPrimitives",
                "ChimneyRouting", "ChimneyRuntime", "ChimneySignatures", "ChimneySockets", "ChimneyStack", "ChimneyTCP",
                "ChimneyWire",
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Tools"])),
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["Tools"])),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneyCommandTests",
            dependencies: [
                "ChimneyCommand", "ChimneyConfiguration", "ChimneyControl", "ChimneyLink", "ChimneyMulticast",
                "ChimneyPrimitives", "ChimneyRuntime", "ChimneySignatures", "ChimneySockets", "ChimneyStack",
                "ChimneyTCP",
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Tools"])),
            ],
            swiftSettings: settings),
        .target(name: "ChimneyControl", swiftSettings: settings),
        .testTarget(name: "ChimneyControlTests", dependencies: ["ChimneyControl"], swiftSettings: settings),
        .target(name: "CChimneyLinux"),
        .target(
            name: "ChimneyRuntime",
            dependencies: [
                "CChimneyLinux", "ChimneyCapture", "ChimneyLink", "ChimneyPrimitives", "ChimneyStack", "ChimneyTCP",
            ],
            swiftSettings: settings),
        .target(
            name: "JoinedStacks", dependencies: ["Chimney", "ChimneyNeighbors"], path: "Tests/JoinedStacks",
            swiftSettings: settings),
        .testTarget(
            name: "ChimneyRuntimeTests",
            dependencies: ["Chimney", "ChimneyPrimitives", "ChimneyRuntime", "JoinedStacks"],
            swiftSettings: settings),
        .target(
            name: "ChimneySockets",
            dependencies: ["ChimneyLink", "ChimneyPrimitives", "ChimneyRuntime", "ChimneyStack", "ChimneyTCP"],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneySocketsTests", dependencies: ["Chimney", "ChimneyPrimitives", "JoinedStacks"],
            swiftSettings: settings),
        .target(
            name: "ChimneySignatures",
            dependencies: [
                "ChimneyStack",
                .product(name: "Crypto", package: "swift-crypto", condition: .when(traits: ["Signatures"])),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneySignaturesTests", dependencies: ["ChimneySignatures", "ChimneyStack"],
            swiftSettings: settings),
        .target(
            name: "Chimney",
            dependencies: [
                "ChimneyCapture", "ChimneyDrivers", "ChimneyLink", "ChimneyMulticast", "ChimneyPrimitives",
                "ChimneyRouting", "ChimneyRuntime", "ChimneySockets", "ChimneyStack", "ChimneyTCP",
            ],
            swiftSettings: settings),
        .target(
            name: "ChimneyDrivers",
            dependencies: ["CChimneyLinux", "ChimneyCapture", "ChimneyLink", "ChimneyPrimitives"],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneyDriversTests",
            dependencies: ["CChimneyLinux", "ChimneyCapture", "ChimneyDrivers", "ChimneyLink", "ChimneyPrimitives"],
            swiftSettings: settings),
        .target(name: "ChimneyCapture", dependencies: ["ChimneyPrimitives"], swiftSettings: settings),
        .testTarget(
            name: "ChimneyCaptureTests", dependencies: ["ChimneyCapture", "ChimneyPrimitives"], swiftSettings: settings),
        .target(name: "ChimneyPrimitives", swiftSettings: settings),
        .testTarget(name: "ChimneyPrimitivesTests", dependencies: ["ChimneyPrimitives"], swiftSettings: settings),
        .target(name: "ChimneyWire", dependencies: ["ChimneyPrimitives"], swiftSettings: settings),
        .testTarget(
            name: "ChimneyWireTests", dependencies: ["ChimneyPrimitives", "ChimneyWire"], swiftSettings: settings),
        .testTarget(name: "TidyTests", exclude: ["allowances.tsv"], swiftSettings: settings),
        .target(
            name: "ChimneyNeighbors", dependencies: ["ChimneyPrimitives", "ChimneyWire"], swiftSettings: settings),
        .testTarget(
            name: "ChimneyNeighborsTests", dependencies: ["ChimneyNeighbors", "ChimneyPrimitives", "ChimneyWire"],
            swiftSettings: settings),
        .target(
            name: "ChimneyAddressing", dependencies: ["ChimneyPrimitives", "ChimneyWire"], swiftSettings: settings),
        .testTarget(
            name: "ChimneyAddressingTests", dependencies: ["ChimneyAddressing", "ChimneyPrimitives", "ChimneyWire"],
            swiftSettings: settings),
        .target(
            name: "ChimneyMulticast", dependencies: ["ChimneyPrimitives", "ChimneyWire"], swiftSettings: settings),
        .testTarget(
            name: "ChimneyMulticastTests", dependencies: ["ChimneyMulticast", "ChimneyPrimitives", "ChimneyWire"],
            swiftSettings: settings),
        .target(
            name: "ChimneyTCP", dependencies: ["ChimneyPrimitives", "ChimneyWire"], swiftSettings: settings),
        .testTarget(
            name: "ChimneyTCPTests", dependencies: ["ChimneyPrimitives", "ChimneyTCP", "ChimneyWire"],
            swiftSettings: settings),
        .target(name: "ChimneyRouting", dependencies: ["ChimneyPrimitives"], swiftSettings: settings),
        .testTarget(
            name: "ChimneyRoutingTests", dependencies: ["ChimneyPrimitives", "ChimneyRouting"], swiftSettings: settings),
        .target(name: "ChimneyLink", dependencies: ["ChimneyPrimitives"], swiftSettings: settings),
        .target(
            name: "ChimneyStack",
            dependencies: [
                "ChimneyPrimitives", "ChimneyWire", "ChimneyLink", "ChimneyAddressing", "ChimneyMulticast",
                "ChimneyNeighbors", "ChimneyRouting", "ChimneyTCP",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneyStackTests",
            dependencies: [
                "ChimneyPrimitives", "ChimneyWire", "ChimneyLink", "ChimneyAddressing", "ChimneyMulticast",
                "ChimneyNeighbors", "ChimneyRouting", "ChimneyStack", "ChimneyTCP",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ChimneyLinkTests", dependencies: ["ChimneyPrimitives", "ChimneyLink"], swiftSettings: settings),
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .testTarget(
            name: "AllocationTests",
            dependencies: [
                "CAllocationCounter", "ChimneyPrimitives", "ChimneyLink", "ChimneyMulticast", "ChimneyNeighbors",
                "ChimneyRouting", "ChimneyStack", "ChimneyTCP",
            ],
            swiftSettings: settings),
    ]
)

// The C API's functions are checked against their header, which compilers before 6.3 do not do.
#if compiler(>=6.3)
    package.products.append(.library(name: "chimneyc", type: .dynamic, targets: ["ChimneyC"]))
    package.targets += [
        .target(name: "CChimney"),
        .target(
            name: "ChimneyC",
            dependencies: [
                "CChimney", "ChimneyLink", "ChimneyPrimitives", "ChimneyRouting", "ChimneySignatures", "ChimneyStack",
                "ChimneyTCP",
            ],
            swiftSettings: settings),
        .target(
            name: "CAPITests", dependencies: ["CChimney"], path: "Tests/CAPITests", exclude: ["main.c"]),
        .testTarget(
            name: "ChimneyCTests", dependencies: ["CAPITests", "ChimneyC"], swiftSettings: settings),
    ]
#endif

// The plugin is fetched only by `make docs`, so that building the package does without it.
if Context.environment["CHIMNEY_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0"))
}

// `scripts/mutate` breaks engines and asks their own tests: it builds nothing that stands on them.
if Context.environment["CHIMNEY_ENGINES"] != nil {
    let names = ["Primitives", "Wire", "Link", "Neighbors", "Addressing", "Multicast", "Routing", "TCP", "Stack"]
    let engines = names.map { "Chimney" + $0 }
    package.targets.removeAll { target in !engines.contains { target.name == $0 || target.name == $0 + "Tests" } }
    package.products = []
    package.dependencies = []
}
