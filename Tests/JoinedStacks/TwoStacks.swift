#if os(Linux)
    package import Chimney
    import ChimneyNeighbors

    /// The families of addresses that a test runs over.
    package enum Family: String, CaseIterable, Sendable {
        case ipv4, ipv6

        /// The first and the second stack of a test.
        package var red: IPAddress { host(1) }
        package var blue: IPAddress { host(2) }
        /// An address of neither, and one that no route leads to.
        package var nobody: IPAddress { host(99) }
        package var unreachable: IPAddress {
            switch self {
            case .ipv4: .v4(IPv4Address(8, 8, 8, 8))
            case .ipv6: .v6(IPv6Address(high: 0x2001_0DB8_FFFF_0000, low: 8))
            }
        }

        /// A group that any source may send to, and one that is joined source by source (RFC 4607 §1).
        package var group: IPAddress {
            switch self {
            case .ipv4: .v4(IPv4Address(239, 1, 2, 3))
            case .ipv6: .v6(IPv6Address(high: 0xFF15 << 48, low: 0x0001_0002_0003))
            }
        }
        package var channel: IPAddress {
            switch self {
            case .ipv4: .v4(IPv4Address(232, 1, 2, 3))
            case .ipv6: .v6(IPv6Address(high: 0xFF3E << 48, low: 0x8001_0203))
            }
        }

        private func host(_ number: UInt8) -> IPAddress {
            switch self {
            case .ipv4: .v4(IPv4Address(10, 0, 0, number))
            case .ipv6: .v6(IPv6Address(high: 0x2001_0DB8_0000_0000, low: UInt64(number)))
            }
        }
    }

    /// Two stacks on one shard, 10.0.0.1 and 10.0.0.2 or 2001:db8::1 and 2001:db8::2, joined by a pipe.
    package struct TwoStacks {
        package let shard: Shard
        package let red: StackHandle
        package let blue: StackHandle
        package let redInterface: InterfaceIndex
        package let blueInterface: InterfaceIndex

        /// How long to wait for what must come: other tests of the run may keep every thread for some seconds.
        package static var patience: Instant { Shard.clock + .seconds(30) }

        package static var redAddress: IPv4Address { IPv4Address(10, 0, 0, 1) }
        package static var blueAddress: IPv4Address { IPv4Address(10, 0, 0, 2) }

        package init(
            _ family: Family = .ipv4, settings: ShardSettings = ShardSettings(), pipe: PipeEnds = PipeEnds(),
            routesGroups: Bool = false
        ) async throws {
            shard = try Shard(name: "test", settings: settings)
            let own = Self.settings
            red = try await shard.addStack(named: "red", settings: own, random: StackRandom(seed: 1))
            blue = try await shard.addStack(named: "blue", settings: own, random: StackRandom(seed: 2))
            redInterface = try await Self.join(red, pipe.left, family.red)
            blueInterface = try await Self.join(blue, pipe.right, family.blue)
            guard routesGroups else { return }
            for (stack, index) in [(red, redInterface), (blue, blueInterface)] {
                // Over IPv6 groups need no route where there is one interface.
                try await stack.perform { stack, _ in
                    let groups = IPv4Prefix(IPv4Address(224, 0, 0, 0), length: 4)
                    try stack.addRoute(IPv4Route(groups, .connected(on: index.rawValue)))
                }
            }
        }

        /// As with the addresses of IPv4, those of IPv6 are used at once.
        package static var settings: StackSettings {
            var settings = StackSettings()
            settings.duplicateDetection = .off
            return settings
        }

        /// Attaches a device to a stack, with an address.
        package static func join(
            _ stack: StackHandle, _ driver: sending any LinkDriver, _ address: IPAddress
        ) async throws -> InterfaceIndex {
            let mode: IPv6Mode = address.isIPv4 ? .off : .manual
            let index = try await stack.attach(driver, InterfaceDescription(name: "eth0", ipv6: mode))
            try await stack.perform { stack, now in
                switch address {
                case .v4(let address): try stack.addAddress(address, prefixLength: 24, to: index, at: now)
                case .v6(let address): try stack.addAddress(address, prefixLength: 64, to: index, at: now)
                }
            }
            return index
        }
    }

    /// The ends of a pipe, handed to one shard and touched on its thread only.
    package struct PipeEnds: @unchecked Sendable {
        private let pipe: Pipe
        package init(packetsMax: Int = 4_096) { pipe = Pipe(packetsMax: packetsMax) }
        package var left: any LinkDriver { pipe.left }
        package var right: any LinkDriver { pipe.right }
        package func cut() { pipe.left.cut() }
    }
#endif
