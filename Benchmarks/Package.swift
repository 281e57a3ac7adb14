// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "chimney-benchmarks",
    dependencies: [.package(name: "chimney", path: "..", traits: [])],
    targets: [
        .executableTarget(
            name: "chimney-bench",
            dependencies: [
                .product(name: "ChimneyPrimitives", package: "chimney"),
                .product(name: "ChimneyLink", package: "chimney"),
                .product(name: "ChimneyMulticast", package: "chimney"),
                .product(name: "ChimneyNeighbors", package: "chimney"),
                .product(name: "ChimneyRouting", package: "chimney"),
                .product(name: "ChimneyStack", package: "chimney"),
                .product(name: "ChimneyTCP", package: "chimney"),
                .product(name: "ChimneyDrivers", package: "chimney"),
            ],
            swiftSettings: settings)
    ]
)
