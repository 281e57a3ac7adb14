#if os(Linux)
    import ChimneyDrivers
    import ChimneyLink
    import ChimneyPrimitives
    import Glibc
    import Testing

    /// What the kernel says that an interface lets in.
    private struct KernelFilter: Equatable {
        /// How many users each group has, the kernel's own groups included.
        var groups: [String: Int] = [:]
        /// How many ask for all groups and for all frames; an old kernel does not tell the former.
        var allMulticastCount: UInt32?
        var promiscuousCount: UInt32?

        /// Reads it in the namespace of the calling thread.
        init(of name: String) throws {
            let index = try KernelInterface(name: name).index
            // Index, name, users, global users and the address in hexadecimal.
            for line in Self.text(of: "/proc/thread-self/net/dev_mcast").split(separator: "\n") {
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                if fields.count == 5, fields[0] == "\(index)" { groups[String(fields[4])] = Int(fields[2]) }
            }
            let attributes = Self.link(index)
            promiscuousCount = attributes.first { $0.type == Self.promiscuity }?.value
            allMulticastCount = attributes.first { $0.type == Self.allMulticast }?.value
        }

        /// `IFLA_PROMISCUITY` and `IFLA_ALLMULTI`, which the C library's modules do not have.
        private static var promiscuity: UInt16 { 30 }
        private static var allMulticast: UInt16 { 61 }

        private static func text(of path: String) -> String {
            let file = unsafe open(path, O_RDONLY)
            defer { close(file) }
            var bytes = [UInt8](repeating: 0, count: 65_536)
            // Invariant: the kernel fills at most what the buffer holds.
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }

        /// The attributes of four bytes that the kernel answers RTM_GETLINK with.
        private static func link(_ index: Int32) -> [(type: UInt16, value: UInt32)] {
            // Length 32, RTM_GETLINK, NLM_F_REQUEST; the interface's number stands in its eighth byte from 16.
            var request = [UInt8](repeating: 0, count: 32)
            (request[0], request[4], request[6], request[20]) = (32, 18, 1, UInt8(truncatingIfNeeded: index))
            let socket = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 0)
            defer { close(socket) }
            _ = unsafe send(socket, request, request.count, 0)
            var answer = [UInt8](repeating: 0, count: 32_768)
            // Invariant: as above.
            let count = unsafe answer.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
            var found: [(type: UInt16, value: UInt32)] = []
            var offset = 32
            while offset + 4 <= count {
                let length = Int(answer[offset]) | Int(answer[offset + 1]) << 8
                guard length >= 4, offset + length <= count else { break }
                let type = UInt16(answer[offset + 2]) | UInt16(answer[offset + 3]) << 8
                if length == 8 {
                    found.append((type, answer[offset + 4..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt32($1) }))
                }
                offset += (length + 3) & ~3
            }
            return found
        }
    }

    private let group = MACAddress(group: IPv4Address(239, 1, 2, 3))
    private let other = MACAddress(group: IPv6Address(high: 0xFF15 << 48, low: 0x1234_5678))

    @Suite(.enabled(if: Namespace.isAvailable, "needs root and /dev/net/tun"))
    struct AFPacketFilterTests {
        @Test func kernelIsToldOfGroupsAndForgetsThemOnceTheyAreDropped() {
            _ = Namespace.run {
                let tap = try TAPDriver(name: "tap0")
                let driver = try AFPacketDriver(name: "tap0")
                // The kernel's stack has groups of its own there.
                func named() throws -> [String: Int] {
                    try KernelFilter(of: "tap0").groups.filter { ["01005e010203", "333312345678"].contains($0.key) }
                }
                for address in [group, other] { #expect(try driver.setFilter(.admit(address))) }
                #expect(try named() == ["01005e010203": 1, "333312345678": 1])
                #expect(try driver.setFilter(.refuse(group)))
                #expect(try named() == ["333312345678": 1])
                // A device that lets everything in need not be told, and the kernel hears nothing of it.
                #expect(try tap.setFilter(.admit(group)) && tap.groupAddressesMax == nil)
                #expect(try named() == ["333312345678": 1])
            }
        }

        @Test func allGroupsAndAllFramesAreAskedForAndGivenBack() {
            _ = Namespace.run {
                _ = try TAPDriver(name: "tap0", options: persistent)
                let quiet = try KernelFilter(of: "tap0")
                let driver = try AFPacketDriver(name: "tap0")
                #expect(try driver.setFilter(.allMulticast(true)))
                #expect(try KernelFilter(of: "tap0").allMulticastCount == quiet.allMulticastCount.map { $0 + 1 })
                #expect(try driver.setFilter(.promiscuous(true)))
                #expect(try KernelFilter(of: "tap0").promiscuousCount == quiet.promiscuousCount.map { $0 + 1 })
                #expect(try driver.setFilter(.allMulticast(false)) && driver.setFilter(.promiscuous(false)))
                #expect(try KernelFilter(of: "tap0") == quiet)
            }
        }

        @Test func whatAStackAskedForEndsWithItsDriverAndNothingElseDoes() {
            _ = Namespace.run {
                _ = try TAPDriver(name: "tap0", options: persistent)
                let quiet = try KernelFilter(of: "tap0")
                let first = try AFPacketDriver(name: "tap0")
                _ = try first.setFilter(.admit(group))
                do {
                    // An address of its own makes the interface promiscuous, whatever the stack asks for and drops.
                    var options = AFPacketOptions()
                    options.mac = MACAddress(bits: 0x0200_0000_0099)
                    let second = try AFPacketDriver(name: "tap0", options: options)
                    for change in [.admit(group), .promiscuous(true), .promiscuous(false)] as [LinkFilterChange] {
                        _ = try second.setFilter(change)
                    }
                    let both = try KernelFilter(of: "tap0")
                    #expect(both.groups["01005e010203"] == 2)
                    #expect(both.promiscuousCount == quiet.promiscuousCount.map { $0 + 1 })
                    withExtendedLifetime(second) {}
                }
                let left = try KernelFilter(of: "tap0")
                #expect(left.groups["01005e010203"] == 1 && left.promiscuousCount == quiet.promiscuousCount)
                withExtendedLifetime(first) {}
            }
        }

        @Test func deviceThatIsGoneSaysSoWhenToldOfAGroup() {
            _ = Namespace.run {
                _ = try TAPDriver(name: "tap0", options: persistent)
                let driver = try AFPacketDriver(name: "tap0")
                try KernelInterface(name: "tap0").delete()
                #expect(throws: LinkDriverError.deviceGone(errno: ENODEV)) { try driver.setFilter(.admit(group)) }
            }
        }

        @Test func boundOfTheKernelsGroupsIsTheCallers() {
            _ = Namespace.run {
                _ = try TAPDriver(name: "tap0", options: persistent)
                #expect(try AFPacketDriver(name: "tap0").groupAddressesMax == 256)
                var options = AFPacketOptions()
                options.groupAddressesMax = 3
                #expect(try AFPacketDriver(name: "tap0", options: options).groupAddressesMax == 3)
            }
        }

        /// A macvlan lets in what it was told of, by a hash of the group, and nothing else, as a network card does.
        @Test func frameToAGroupComesInOnceTheKernelWasToldOfIt() {
            _ = Namespace.run {
                let commands = [
                    "link add v0 type veth peer name v1", "link add m0 link v1 type macvlan mode bridge",
                    "link set v0 up", "link set v1 up", "link set m0 up",
                ]
                guard commands.allSatisfy({ ip($0) == 0 }) else {
                    return print("SKIPPED: a kernel device that filters, because `ip` made no macvlan")
                }
                let pool = PacketPool()
                let (sender, receiver) = (try AFPacketDriver(name: "v0"), try AFPacketDriver(name: "m0"))
                // The kernel takes a moment to carry frames over devices that it was just told to switch on.
                var tries = 20
                while tries > 0, try arriving([], from: sender, at: receiver, pool: pool) == nil { tries -= 1 }
                let groups = (1...16 as ClosedRange<UInt8>).map { MACAddress(group: IPv4Address(239, 9, 9, $0)) }
                // With the hash, some that nobody asked for may come too.
                #expect(try arriving(groups, from: sender, at: receiver, pool: pool)?.count ?? 16 < groups.count)
                for group in groups { #expect(try receiver.setFilter(.admit(group))) }
                #expect(try arriving(groups, from: sender, at: receiver, pool: pool) == groups)
                for group in groups { #expect(try receiver.setFilter(.refuse(group))) }
                #expect(try arriving(groups, from: sender, at: receiver, pool: pool)?.count ?? 16 < groups.count)
                #expect(try receiver.setFilter(.allMulticast(true)))
                #expect(try arriving(groups, from: sender, at: receiver, pool: pool) == groups)
            }
        }

        /// The groups to which frames came in, of one sent to each and one to all hosts, which comes last; `nil` when it never
        /// came.
        private func arriving(
            _ groups: [MACAddress], from sender: AFPacketDriver, at receiver: AFPacketDriver, pool: PacketPool
        ) throws -> [MACAddress]? {
            var queue = PacketQueue()
            for address in groups + [.broadcast] {
                var bytes = [UInt8](repeating: 0, count: 60)
                for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: address.bits >> UInt64(40 - 8 * index)) }
                bytes.replaceSubrange(6..<14, with: [2, 0, 0, 0, 0, 8, 0x88, 0xB5])
                guard var packet = pool.allocate(), packet.append(bytes.span.octets) else { return [] }
                queue.append(packet)
            }
            try sender.transmit(&queue)
            var seen: [MACAddress] = []
            for _ in 0..<4_000 where seen.last != .broadcast {
                var arrived = PacketQueue()
                if try receiver.receive(into: &arrived, packetsMax: 32, pool: pool, at: .zero) == 0 { usleep(500) }
                while !arrived.isEmpty {
                    let bytes = takeFirst(&arrived).bytes
                    guard bytes.count >= 14, bytes[12...13] == [0x88, 0xB5] else { continue }
                    seen.append(MACAddress(bits: bytes[..<6].reduce(0) { $0 << 8 | UInt64($1) }))
                }
            }
            return seen.last == .broadcast ? seen.dropLast() : nil
        }

        /// Runs `ip` in the namespace of the calling thread, which its children are born into.
        private func ip(_ arguments: String) -> Int32 {
            let words = ["ip"] + arguments.split(separator: " ").map(String.init)
            // The copies live until the child has ended.
            var pointers: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
            defer { for index in 0...words.count { unsafe free(pointers[index]) } }
            var child = pid_t()
            guard unsafe posix_spawnp(&child, "ip", nil, nil, &pointers, environ) == 0 else { return -1 }
            var status: Int32 = 0
            _ = unsafe waitpid(child, &status, 0)
            return status
        }

        private var persistent: TunnelOptions {
            var options = TunnelOptions()
            options.persists = true
            return options
        }
    }
#endif
