// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "HelloTCP",
    dependencies: [.package(name: "chimney", path: "../..", traits: [])],
    targets: [.executableTarget(name: "HelloTCP", dependencies: [.product(name: "Chimney", package: "chimney")])]
)
