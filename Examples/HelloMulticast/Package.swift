// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "HelloMulticast",
    dependencies: [.package(name: "chimney", path: "../..", traits: [])],
    targets: [.executableTarget(name: "HelloMulticast", dependencies: [.product(name: "Chimney", package: "chimney")])]
)
