#if os(Linux)
    import ChimneyDrivers
    import ChimneyLink
    import ChimneyPrimitives
    import Glibc
    import Testing

    /// An Ethernet frame of an unused type whose payload follows from its number.
    func frame(_ number: Int, byteCount: Int, pool: PacketPool) -> Packet? {
        guard var packet = pool.allocate(headroom: 128, count: byteCount) else { return nil }
        var bytes: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xB5]
        bytes += (bytes.count..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
        guard packet.append(bytes.span.octets) else { return nil }
        return packet
    }

    /// All bytes of the front packet of a queue, and its metadata.
    func takeFirst(_ queue: inout PacketQueue) -> (bytes: [UInt8], metadata: PacketMetadata) {
        let packet = queue.removeFirst()
        var bytes = [UInt8](repeating: 0, count: packet.totalCount)
        var span = bytes.mutableSpan
        var target = span.mutableOctets
        _ = packet.copyBytes(into: &target)
        return (bytes, packet.metadata)
    }

    /// Receives until `count` frames of the unused type have come; the kernel's own frames are left out.
    func receive(_ count: Int, from driver: some LinkDriver, pool: PacketPool) throws -> [(
        bytes: [UInt8], metadata: PacketMetadata
    )] {
        var result: [(bytes: [UInt8], metadata: PacketMetadata)] = []
        for _ in 0..<2_000 where result.count < count {
            var queue = PacketQueue()
            if try driver.receive(into: &queue, packetsMax: 16, pool: pool, at: Instant(nanoseconds: 5)) == 0 {
                usleep(500)
            }
            while !queue.isEmpty {
                let next = takeFirst(&queue)
                if next.bytes.count >= 14, next.bytes[0] == 2, next.bytes[5] == 9 { result.append(next) }
            }
        }
        return result
    }

    private func openPair(
        tap: LinkOffload = .checksum, packet: LinkOffload = .checksum, mtu: Int? = nil
    ) throws -> (tap: TAPDriver, packet: AFPacketDriver, interface: KernelInterface) {
        var options = TunnelOptions()
        options.offload = tap
        options.mtu = mtu
        let driver = try TAPDriver(name: "tap0", options: options)
        let interface = try KernelInterface(name: "tap0")
        try interface.setUp(true)
        var packetOptions = AFPacketOptions()
        packetOptions.offload = packet
        return (driver, try AFPacketDriver(name: "tap0", options: packetOptions), interface)
    }

    /// What a tunnel gives when the kernel sends a datagram of three bytes to 10.8.0.2 through it.
    private func sentByKernel(
        through tun: TUNDriver, pool: PacketPool
    ) throws -> (bytes: [UInt8], metadata: PacketMetadata)? {
        let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        var to = sockaddr_in()
        to.sin_family = UInt16(AF_INET)
        to.sin_port = UInt16(7).bigEndian
        to.sin_addr.s_addr = UInt32(0x0A08_0002).bigEndian
        let sent = unsafe withUnsafePointer(to: &to) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(
                    socket, [9, 9, 9] as [UInt8], 3, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(sent == 3)
        var udp: (bytes: [UInt8], metadata: PacketMetadata)?
        for _ in 0..<200 where udp == nil {
            var queue = PacketQueue()
            _ = try tun.receive(into: &queue, packetsMax: 8, pool: pool, at: .zero)
            while !queue.isEmpty {
                let next = takeFirst(&queue)
                if next.bytes[0] == 0x45, next.bytes[9] == 17 { udp = next }
            }
        }
        return udp
    }

    @Suite(.enabled(if: Namespace.isAvailable, "needs root and /dev/net/tun")) struct TunnelTests {
        @Test func framesPassBothWaysUnchangedWithAndWithoutTheHeader() {
            for offload in [[], .checksum, .segmentation] as [LinkOffload] {
                _ = Namespace.run {
                    let pool = PacketPool()
                    let (tap, packet, _) = try openPair(tap: offload, packet: offload)
                    #expect(tap.capabilities.contains(.transmitChecksum4) == !offload.isEmpty)
                    #expect(tap.capabilities.contains(.segmentation4) == (offload == .segmentation))
                    for size in [15, 60, 64, 1_514] {
                        var queue = PacketQueue()
                        for number in 0..<40 {
                            if let frame = frame(number, byteCount: size, pool: pool) { queue.append(frame) }
                        }
                        try packet.transmit(&queue)
                        let queueCount = queue.count
                        #expect(queueCount == 0)
                        let down = try receive(40, from: tap, pool: pool)
                        #expect(down.count == 40)
                        for (number, got) in down.enumerated() {
                            #expect(
                                got.bytes.last == UInt8(truncatingIfNeeded: (size - 1) &* 31 &+ number) || size < 15)
                            #expect(got.bytes.count == size && got.metadata.receivedAt == Instant(nanoseconds: 5))
                            if let back = frame(number, byteCount: size, pool: pool) { queue.append(back) }
                        }
                        try tap.transmit(&queue)
                        let leftCount = queue.count
                        #expect(leftCount == 0)
                        let up = try receive(40, from: packet, pool: pool)
                        #expect(up.map(\.bytes) == down.map(\.bytes), "size \(size), offload \(offload)")
                    }
                    #expect(tap.counters.transmitted == 160 && packet.counters.transmitted == 160)
                }
            }
        }

        @Test func frameOfSeveralPartsLeavesAsOne() {
            _ = Namespace.run {
                let pool = PacketPool()
                let (tap, packet, _) = try openPair()
                var queue = PacketQueue()
                for _ in 0..<2 {
                    guard var head = frame(1, byteCount: 100, pool: pool),
                        let tail = frame(2, byteCount: 200, pool: pool)
                    else { return }
                    head.attach(tail)
                    queue.append(head)
                }
                var other = PacketQueue()
                other.append(queue.removeFirst())
                try tap.transmit(&queue)
                try packet.transmit(&other)
                #expect(try receive(1, from: packet, pool: pool).first?.bytes.count == 300)
                #expect(try receive(1, from: tap, pool: pool).first?.bytes.count == 300)
            }
        }

        @Test func jumboFramesPassAndReturnTheirBuffers() {
            _ = Namespace.run {
                let pool = PacketPool()
                let (tap, packet, _) = try openPair(mtu: 9_000)
                #expect(tap.mtu == 9_000)
                var queue = PacketQueue()
                for size in [9_014, 1_900, 60, 9_014] {
                    if let frame = frame(7, byteCount: size, pool: pool) { queue.append(frame) }
                }
                try packet.transmit(&queue)
                let got = try receive(4, from: tap, pool: pool)
                #expect(got.map(\.bytes.count) == [9_014, 1_900, 60, 9_014])
                for (bytes, _) in got {
                    #expect(
                        bytes.indices.dropFirst(14).allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
                    )
                }
                #expect(pool.inUse <= 1 + 2 * 32)
            }
        }

        @Test func largeSegmentPassesWholeWithItsChecksumLeftToTheDevice() {
            _ = Namespace.run {
                let pool = PacketPool()
                let (tap, packet, _) = try openPair(tap: .segmentation, packet: .segmentation)
                // A TCP packet of 20,000 bytes over IPv4, to be cut into 1,400 each.
                var bytes: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0]
                bytes += [0x45, 0, 0x4E, 0x48, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
                bytes += [0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xFF, 0xFF, 0, 0, 0, 0]
                bytes += [UInt8](repeating: 0x5A, count: 20_000)
                guard var large = pool.allocateLarge(), large.append(bytes.span.octets) else { return }
                large.metadata.checksum = .partial
                large.metadata.checksumStart = 20
                large.metadata.checksumOffset = 16
                large.metadata.segmentKind = .tcp4
                large.metadata.segmentSize = 1_400
                var queue = PacketQueue()
                queue.append(large)
                try packet.transmit(&queue)
                let got = try receive(1, from: tap, pool: pool)
                #expect(got.first?.bytes.count == bytes.count)
                let metadata = try #require(got.first?.metadata)
                #expect(metadata.checksum == .partial && metadata.checksumStart == 20 && metadata.checksumOffset == 16)
                #expect(metadata.segmentKind == .tcp4 && metadata.segmentSize == 1_400)
            }
        }

        @Test func tagThatTheKernelTakesOutIsPutInAgain() {
            _ = Namespace.run {
                let pool = PacketPool()
                let (tap, packet, _) = try openPair()
                let bytes: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x81, 0, 0x20, 7, 0x88, 0xB5] + Array(0..<50)
                guard var tagged = pool.allocate(), tagged.append(bytes.span.octets) else { return }
                var queue = PacketQueue()
                queue.append(tagged)
                try tap.transmit(&queue)
                #expect(try receive(1, from: packet, pool: pool).first?.bytes == bytes)
            }
        }

        @Test func poolAtItsBoundLosesFramesAndSaysSo() {
            _ = Namespace.run {
                let pool = PacketPool()
                let small = PacketPool(packetsMax: 4, largeMax: 4)
                let (tap, packet, _) = try openPair(packet: [])
                var queue = PacketQueue()
                for number in 0..<20 {
                    if let frame = frame(number, byteCount: 60, pool: pool) { queue.append(frame) }
                }
                try packet.transmit(&queue)
                var received = PacketQueue()
                for _ in 0..<100 where tap.counters.receiveNoBuffer < 16 {
                    _ = try tap.receive(into: &received, packetsMax: 64, pool: small, at: .zero)
                }
                let receivedCount = received.count
                #expect(receivedCount == 4)
                #expect(tap.counters.receiveNoBuffer >= 16)
            }
        }

        @Test func deletedDeviceIsReportedByBothDrivers() {
            _ = Namespace.run {
                let pool = PacketPool()
                let (tap, packet, interface) = try openPair()
                try interface.delete()
                for driver in [tap, packet] as [any LinkDriver] {
                    var queue = PacketQueue()
                    var error: LinkDriverError?
                    do throws(LinkDriverError) {
                        _ = try driver.receive(into: &queue, packetsMax: 8, pool: pool, at: .zero)
                    } catch let caught {
                        error = caught
                    }
                    if case .deviceGone = error {} else { Issue.record("receiving gave \(String(describing: error))") }
                    if let frame = frame(1, byteCount: 60, pool: pool) { queue.append(frame) }
                    do throws(LinkDriverError) {
                        try driver.transmit(&queue)
                        Issue.record("a device that is gone took a frame")
                    } catch let caught {
                        if case .deviceGone = caught {} else { Issue.record("sending gave \(caught)") }
                    }
                    let queueCount = queue.count
                    #expect(queueCount == 1)
                }
            }
        }

        @Test func deviceSwitchedOffIsDownAndNotGone() {
            _ = Namespace.run {
                let pool = PacketPool()
                let (tap, packet, interface) = try openPair()
                try interface.setUp(false)
                for driver in [tap, packet] as [any LinkDriver] {
                    var queue = PacketQueue()
                    if let frame = frame(1, byteCount: 60, pool: pool) { queue.append(frame) }
                    // A packet socket reports the change once, and then that there is no network.
                    #expect(throws: LinkDriverError.deviceDown) { try driver.transmit(&queue) }
                }
                try interface.setUp(true)
                #expect(try interface.isUp)
            }
        }

        @Test func kernelSideIsConfiguredAndRefusalsAreNamed() {
            _ = Namespace.run {
                let tap = try TAPDriver(name: "chim0")
                let interface = try KernelInterface(name: "chim0")
                try interface.setMTU(1_400)
                try interface.setMAC(MACAddress(bits: 0x0200_0000_0077))
                try interface.setAddress(IPv4Address(10, 7, 0, 1), prefixLength: 24)
                try interface.setUp(true)
                #expect(try interface.mtu == 1_400)
                #expect(try interface.mac == MACAddress(bits: 0x0200_0000_0077))
                #expect(throws: DriverOpenError.busy("chim0")) { try TAPDriver(name: "chim0") }
                #expect(throws: DriverOpenError.busy("chim0")) { try TUNDriver(name: "chim0") }
                #expect(throws: DriverOpenError.nameInvalid("a name too long")) {
                    try TAPDriver(name: "a name too long")
                }
                #expect(throws: DriverOpenError.nameInvalid("")) { try KernelInterface(name: "") }
                #expect(throws: DriverOpenError.noSuchDevice("none0")) { try AFPacketDriver(name: "none0") }
                let tun = try TUNDriver(name: "tun0")
                #expect(throws: DriverOpenError.notEthernet("tun0", type: 65_534)) { try AFPacketDriver(name: "tun0") }
                #expect(tap.kind == .ethernet && tun.kind == .ip)
            }
        }

        @Test func kernelSideTakesIPv6AddressesUnlessItsIPv6IsOff() {
            _ = Namespace.run {
                let tap = try TAPDriver(name: "chim1")
                let interface = try KernelInterface(name: tap.name)
                let address = IPv6Address(high: 0xFD07 << 48, low: 1)
                for _ in 0..<2 { try interface.addAddress(address, prefixLength: 64) }
                // Address, index, prefix length in hexadecimal, and more.
                let listed = Self.content(of: "/proc/thread-self/net/if_inet6").split(separator: "\n").map {
                    $0.split(separator: " ")
                }
                let line = try #require(listed.first { $0.last == "chim1" })
                #expect(line[0] == "fd070000000000000000000000000001" && line[2] == "40")
                #expect(listed.count { $0.last == "chim1" } == 1)
                Self.write("1", to: "/proc/sys/net/ipv6/conf/chim1/disable_ipv6")
                #expect(throws: DriverOpenError.system(call: "SIOCSIFADDR", errno: EACCES)) {
                    try interface.addAddress(address, prefixLength: 64)
                }
                #expect(throws: DriverOpenError.noSuchDevice("none0")) {
                    try KernelInterface(name: "none0").addAddress(address, prefixLength: 64)
                }
            }
        }

        private static func content(of path: String) -> String {
            let file = unsafe open(path, O_RDONLY)
            defer { close(file) }
            var bytes = [UInt8](repeating: 0, count: 65_536)
            // Invariant: the kernel fills at most what the buffer holds.
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }

        private static func write(_ text: String, to path: String) {
            let file = unsafe open(path, O_WRONLY)
            defer { close(file) }
            var bytes = Array(text.utf8)
            _ = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
        }

        @Test func deviceTakenOverWithoutOffloadGetsCompleteChecksums() {
            _ = Namespace.run {
                let pool = PacketPool()
                var options = TunnelOptions()
                options.persists = true
                let interface = try KernelInterface(name: "tun0")
                for offload in [.checksum, []] as [LinkOffload] {
                    options.offload = offload
                    let tun = try TUNDriver(name: "tun0", options: options)
                    try interface.setAddress(IPv4Address(10, 8, 0, 1), prefixLength: 32, peer: IPv4Address(10, 8, 0, 2))
                    try interface.setUp(true)
                    let udp = try #require(try sentByKernel(through: tun, pool: pool))
                    #expect(udp.metadata.checksum == (offload.isEmpty ? .unknown : .partial))
                    // Addresses, protocol and length, then the datagram itself (RFC 768).
                    var covered = Array(udp.bytes[12..<20]) + [0, 17] + udp.bytes[24...25] + udp.bytes[20...]
                    covered += udp.bytes.count % 2 == 0 ? [] : [0]
                    let sum = InternetChecksum.sum(covered.span.octets)
                    #expect((InternetChecksum.finish(sum) == 0) == offload.isEmpty)
                }
                try interface.delete()
            }
        }

        @Test func partialChecksumIsCompletedForADeviceThatCannot() {
            _ = Namespace.run {
                let pool = PacketPool()
                let (tap, packet, _) = try openPair(tap: [], packet: [])
                for sender in [tap, packet] as [any LinkDriver] {
                    // UDP from 10.0.0.1 to 10.0.0.2, the field holding the pseudo header's sum.
                    var bytes: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0]
                    bytes += [0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0x26, 0xCC, 10, 0, 0, 1, 10, 0, 0, 2]
                    let header: [UInt8] = [10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, 11]
                    let pseudo = InternetChecksum.sum(header.span.octets)
                    let field = InternetChecksum.unfinished(pseudo)
                    bytes += [0, 5, 0, 6, 0, 11, UInt8(field >> 8), UInt8(field & 0xFF), 1, 2, 3]
                    guard var frame = pool.allocate(), frame.append(bytes.span.octets) else { return }
                    frame.metadata.checksum = .partial
                    frame.metadata.checksumStart = 20
                    frame.metadata.checksumOffset = 6
                    var queue = PacketQueue()
                    queue.append(frame)
                    try sender.transmit(&queue)
                    let got: [(bytes: [UInt8], metadata: PacketMetadata)]
                    if sender === tap {
                        got = try receive(1, from: packet, pool: pool)
                    } else {
                        got = try receive(1, from: tap, pool: pool)
                    }
                    let arrived = try #require(got.first?.bytes)
                    let covered = Array(arrived[26..<34]) + [0, 17, 0, 11] + arrived[34..<45]
                    let sum = InternetChecksum.sum(covered.span.octets)
                    #expect(arrived[40...41] != bytes[40...41] && InternetChecksum.finish(sum) == 0)
                }
            }
        }

        @Test func kernelTalksThroughATunnelWithoutLinkHeaders() {
            _ = Namespace.run {
                let pool = PacketPool()
                let tun = try TUNDriver(name: "tun0")
                let interface = try KernelInterface(name: "tun0")
                try interface.setAddress(IPv4Address(10, 8, 0, 1), prefixLength: 32, peer: IPv4Address(10, 8, 0, 2))
                try interface.setUp(true)
                let udp = try sentByKernel(through: tun, pool: pool)
                #expect(udp?.bytes.suffix(3) == [9, 9, 9])
                // The kernel leaves its checksum to us, counted from the IP header.
                #expect(udp?.metadata.checksum == .partial && udp?.metadata.checksumStart == 20)
                #expect(udp?.metadata.checksumOffset == 6)
            }
        }
    }
#endif
