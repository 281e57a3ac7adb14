#if os(Linux)
    package import Chimney

    /// Two stacks on one shard, 10.0.0.1 and 10.0.0.2, joined by a pipe.
    package struct TwoStacks {
        package let shard: Shard
        package let red: StackHandle
        package let blue: StackHandle
        package let redInterface: InterfaceIndex

        /// How long to wait for what must come: other tests of the run may keep every thread for some seconds.
        package static var patience: Instant { Shard.clock + .seconds(30) }

        package static var redAddress: IPv4Address { IPv4Address(10, 0, 0, 1) }
        package static var blueAddress: IPv4Address { IPv4Address(10, 0, 0, 2) }

        package init(settings: ShardSettings = ShardSettings(), pipe: PipeEnds = PipeEnds()) async throws {
            shard = try Shard(name: "test", settings: settings)
            red = try await shard.addStack(named: "red", random: StackRandom(seed: 1))
            blue = try await shard.addStack(named: "blue", random: StackRandom(seed: 2))
            redInterface = try await Self.join(red, pipe.left, Self.redAddress)
            _ = try await Self.join(blue, pipe.right, Self.blueAddress)
        }

        private static func join(
            _ stack: StackHandle, _ driver: sending any LinkDriver, _ address: IPv4Address
        ) async throws -> InterfaceIndex {
            let index = try await stack.attach(driver, InterfaceDescription(name: "eth0"))
            try await stack.perform { stack, now in
                try stack.addAddress(address, prefixLength: 24, to: index, at: now)
            }
            return index
        }
    }

    /// The ends of a pipe, handed to one shard and touched on its thread only.
    package struct PipeEnds: @unchecked Sendable {
        private let pipe = Pipe()
        package init() {}
        package var left: any LinkDriver { pipe.left }
        package var right: any LinkDriver { pipe.right }
        package func cut() { pipe.left.cut() }
    }
#endif
