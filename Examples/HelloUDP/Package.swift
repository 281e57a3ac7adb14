// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "HelloUDP",
    dependencies: [.package(name: "chimney", path: "../..", traits: [])],
    targets: [.executableTarget(name: "HelloUDP", dependencies: [.product(name: "Chimney", package: "chimney")])]
)
