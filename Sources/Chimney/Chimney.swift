@_exported public import ChimneyLink
@_exported public import ChimneyMulticast
@_exported public import ChimneyPrimitives
@_exported public import ChimneyRouting
@_exported public import ChimneyStack
@_exported public import ChimneyTCP

#if os(Linux)
    @_exported public import ChimneyCapture
    @_exported public import ChimneyDrivers
    @_exported public import ChimneyRuntime
    @_exported public import ChimneySockets

    /// Some shards and the stacks on them: where a program begins.
    ///
    ///     let network = try Network()
    ///     let red = try await network.addStack(named: "red")
    ///     let chim0 = try await red.attach(TAPDriver(name: "chim0"), InterfaceDescription(name: "eth0", ipv6: .manual))
    ///     try await red.perform { stack, now in
    ///         try stack.addAddress(IPv4Address(10, 7, 0, 2), prefixLength: 24, to: chim0, at: now)
    ///         try stack.addAddress(IPv6Address(high: 0xFD07 << 48, low: 2), prefixLength: 64, to: chim0, at: now)
    ///     }
    ///     let socket = try await UDPSocket.bound(to: Endpoint(port: 7), on: red)
    ///     for try await message in socket.messages { try await socket.answer(message, with: message.bytes) }
    ///
    /// A network runs until ``stop()``.
    public final class Network: Sendable {
        /// The shards, each a thread.
        public let shards: [Shard]

        /// Starts the shards.
        ///
        /// - Parameters:
        ///   - shardCount: how many threads carry stacks; at least 1.
        ///   - settings: how each of them runs.
        /// - Throws: `ShardError`.
        public init(shardCount: Int = 1, settings: ShardSettings = ShardSettings()) throws(ShardError) {
            var shards: [Shard] = []
            for index in 0..<max(1, shardCount) { shards.append(try Shard(name: "shard\(index)", settings: settings)) }
            self.shards = shards
        }

        /// Creates a stack on one of the shards, by number, modulo how many there are.
        ///
        /// - Parameters:
        ///   - name: unique on its shard.
        ///   - shard: which shard carries it.
        ///   - settings: what the operator sets.
        /// - Returns: the stack as any thread may hold it.
        /// - Throws: `ShardError`.
        public func addStack(
            named name: String, onShard shard: Int = 0, settings: StackSettings = StackSettings()
        ) async throws -> StackHandle {
            let number = Int(shard.magnitude % UInt(shards.count))
            return try await shards[number].addStack(named: name, settings: settings)
        }

        /// Stops all shards: stacks are removed, devices closed, threads ended.
        public func stop() async {
            for shard in shards { await shard.stop() }
        }
    }
#endif
