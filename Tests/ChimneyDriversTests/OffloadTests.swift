#if os(Linux)
    import ChimneyDrivers
    import ChimneyLink
    import ChimneyPrimitives
    import Glibc
    import Testing

    /// Numbers as the wire has them.
    private func be(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    /// The two ends of a tunnel: ours is the stack's.
    private struct Ends {
        let isIPv6: Bool
        var ours: [UInt8] { isIPv6 ? be(0xFD08, 2) + be(2, 14) : [10, 8, 0, 2] }
        var theirs: [UInt8] { isIPv6 ? be(0xFD08, 2) + be(1, 14) : [10, 8, 0, 1] }
        /// Where the transport header begins.
        var start: Int { isIPv6 ? 40 : 20 }

        func open(_ offload: LinkOffload) throws -> TUNDriver {
            var options = TunnelOptions()
            options.offload = offload
            let tun = try TUNDriver(name: "tun0", options: options)
            let interface = try KernelInterface(name: "tun0")
            try interface.setUp(true)
            if isIPv6 {
                try interface.addAddress(IPv6Address(high: 0xFD08 << 48, low: 1), prefixLength: 64)
                // The kernel takes an address into use a moment later.
                for _ in 0..<400 where !KernelSocket(isIPv6: true, stream: false).bind(theirs, 10) { usleep(5_000) }
            } else {
                try interface.setAddress(IPv4Address(10, 8, 0, 1), prefixLength: 24)
            }
            return tun
        }

        /// The sum of the pseudo-header, as a field holds it that the device completes.
        func open(_ number: UInt8, length: Int) -> [UInt8] {
            let covered = ours + theirs + be(length, 4) + [0, 0, 0, number]
            return be(Int(InternetChecksum.unfinished(InternetChecksum.sum(covered.span.octets))), 2)
        }

        /// A packet from us to the kernel.
        func packet(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
            if isIPv6 { return [0x60, 0, 0, 0] + be(payload.count, 2) + [number, 64] + ours + theirs + payload }
            var header: [UInt8] = [0x45, 0] + be(20 + payload.count, 2) + [0, 7, 0x40, 0, 64, number, 0, 0]
            header += ours + theirs
            let sum = InternetChecksum.finish(InternetChecksum.sum(header.span.octets))
            header.replaceSubrange(10..<12, with: be(Int(sum), 2))
            return header + payload
        }

        /// A TCP packet from us to the kernel, its checksum open.
        func segment(
            from port: Int = 80, to other: Int, sequence: Int, acknowledgment: Int, flags: UInt8,
            options: [UInt8] = [], _ data: [UInt8] = []
        ) -> [UInt8] {
            var segment = be(port, 2) + be(other, 2) + be(sequence, 4) + be(acknowledgment, 4)
            segment += [UInt8(5 + options.count / 4) << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0] + options + data
            segment.replaceSubrange(16..<18, with: open(6, length: segment.count))
            return packet(6, segment)
        }

        /// Whether the transport checksum of a whole packet is right.
        func isSumRight(_ bytes: [UInt8], _ number: UInt8) -> Bool {
            let addresses = isIPv6 ? bytes[8..<40] : bytes[12..<20]
            let rest = Array(bytes[start...])
            let covered = Array(addresses) + be(rest.count, 4) + [0, 0, 0, number] + rest
            return InternetChecksum.finish(InternetChecksum.sum(covered.span.octets)) == 0
        }
    }

    private func transmit(
        _ bytes: [UInt8], through driver: some LinkDriver, checksumAt: (start: Int, offset: Int)?,
        _ kind: SegmentKind = .none, size: Int = 0, cutAt: Int? = nil, pool: PacketPool
    ) throws {
        let head = Array(bytes[..<(cutAt ?? bytes.count)])
        let tail = Array(bytes[head.count...])
        guard var packet = pool.allocate(headroom: 128, count: bytes.count), packet.append(head.span.octets),
            var rest = pool.allocate(), rest.append(tail.span.octets)
        else { return }
        if cutAt != nil { packet.attach(rest) }
        if let checksumAt {
            packet.metadata.checksum = .partial
            packet.metadata.checksumStart = UInt16(checksumAt.start)
            packet.metadata.checksumOffset = UInt16(checksumAt.offset)
        }
        packet.metadata.segmentKind = kind
        packet.metadata.segmentSize = UInt16(size)
        var queue = PacketQueue()
        queue.append(packet)
        try driver.transmit(&queue)
    }

    /// Puts a frame into a queue, its head in one part and its payload in so many of equal size.
    private func append(
        _ bytes: [UInt8], parts: Int, of size: Int, _ ends: Ends, to queue: inout PacketQueue, pool: PacketPool
    ) {
        let head = bytes.count - parts * size
        guard var packet = pool.allocate(), packet.append(Array(bytes[..<head]).span.octets) else { return }
        for part in 0..<parts {
            let start = head + part * size
            guard var next = pool.allocate(), next.append(Array(bytes[start..<start + size]).span.octets) else {
                return
            }
            packet.attach(next)
        }
        packet.metadata.checksum = .partial
        packet.metadata.checksumStart = UInt16(ends.start)
        packet.metadata.checksumOffset = 16
        if bytes.count > 1_514 {
            packet.metadata.segmentKind = ends.isIPv6 ? .tcp6 : .tcp4
            packet.metadata.segmentSize = 1_448
        }
        queue.append(packet)
    }

    /// Sends frames of these shapes together; they must arrive in order and as they were.
    private func carry(
        _ shapes: [(parts: Int, size: Int)], from sender: some LinkDriver, to receiver: some LinkDriver, _ ends: Ends,
        _ pool: PacketPool
    ) throws {
        let link: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8] + (ends.isIPv6 ? [0x86, 0xDD] : [8, 0])
        var queue = PacketQueue()
        var sent: [[UInt8]] = []
        for shape in shapes {
            let data = (0..<shape.parts * shape.size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
            let bytes = link + ends.segment(to: 4_000, sequence: 1, acknowledgment: 2, flags: 0x90, data)
            append(bytes, parts: shape.parts, of: shape.size, ends, to: &queue, pool: pool)
            sent.append(bytes)
        }
        #expect(queue.count == shapes.count)
        try sender.transmit(&queue)
        let got = try receive(shapes.count, from: receiver, pool: pool)
        #expect(got.map(\.bytes.count) == sent.map(\.count))
        // A checksum may have been completed on the way.
        let checksum = 14 + ends.start + 16
        let isSame = zip(got, sent).allSatisfy {
            $0.bytes[..<checksum] == $1[..<checksum] && $0.bytes[(checksum + 2)...] == $1[(checksum + 2)...]
        }
        #expect(isSame)
    }

    /// Receives until a packet of this protocol has come.
    private func take(
        _ number: UInt8, from driver: some LinkDriver, _ ends: Ends, pool: PacketPool
    ) throws -> (bytes: [UInt8], metadata: PacketMetadata)? {
        for _ in 0..<1_000 {
            var queue = PacketQueue()
            if try driver.receive(into: &queue, packetsMax: 1, pool: pool, at: .zero) == 0 { usleep(500) }
            while !queue.isEmpty {
                let next = takeFirst(&queue)
                let isOurs = next.bytes[0] >> 4 == (ends.isIPv6 ? 6 : 4)
                if isOurs, next.bytes[ends.isIPv6 ? 6 : 9] == number { return next }
            }
        }
        return nil
    }

    @Suite(.enabled(if: Namespace.isAvailable, "needs root and /dev/net/tun")) struct OffloadTests {
        @Test(arguments: [false, true])
        func datagramsPassBothWaysWithTheirChecksumsOpen(isIPv6: Bool) {
            for offload in [.segmentation, .checksum, []] as [LinkOffload] {
                _ = Namespace.run {
                    let pool = PacketPool()
                    let ends = Ends(isIPv6: isIPv6)
                    let tun = try ends.open(offload)
                    let socket = KernelSocket(isIPv6: isIPv6, stream: false)
                    #expect(socket.bind(ends.theirs, 9))
                    socket.connect(ends.ours, 7)
                    #expect(socket.send([1, 2, 3]) == 3)
                    let got = try #require(try take(17, from: tun, ends, pool: pool))
                    #expect(got.bytes.suffix(3) == [1, 2, 3])
                    #expect(got.metadata.checksum == (offload.isEmpty ? .unknown : .partial))
                    #expect(ends.isSumRight(got.bytes, 17) == offload.isEmpty)
                    // Back, completed by the kernel, or by the driver of a device that does not.
                    let payload: [UInt8] = [0, 7, 0, 9, 0, 11] + ends.open(17, length: 11) + [4, 5, 6]
                    let packet = ends.packet(17, payload)
                    for cut in [nil, packet.count - 2] {
                        try transmit(packet, through: tun, checksumAt: (ends.start, 6), cutAt: cut, pool: pool)
                        var answer: [UInt8]?
                        for _ in 0..<200 where answer == nil {
                            answer = socket.receive()
                            if answer == nil { usleep(500) }
                        }
                        #expect(answer == [4, 5, 6])
                    }
                }
            }
        }

        @Test(arguments: [false, true])
        func kernelCutsALargePacketIntoRightSegments(isIPv6: Bool) {
            _ = Namespace.run {
                let pool = PacketPool()
                let ends = Ends(isIPv6: isIPv6)
                var options = TunnelOptions()
                // A reader that takes no large packets, so that the kernel has to cut what is sent to it.
                options.offload = .checksum
                let tap = try TAPDriver(name: "tap0", options: options)
                try KernelInterface(name: "tap0").setUp(true)
                var sending = AFPacketOptions()
                sending.offload = .segmentation
                let packet = try AFPacketDriver(name: "tap0", options: sending)
                let data = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                // CWR, ACK, PSH and FIN, with 12 bytes of options.
                let large = ends.segment(
                    to: 4_000, sequence: 1_000, acknowledgment: 2, flags: 0x99,
                    options: [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8], data)
                let link: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8] + (isIPv6 ? [0x86, 0xDD] : [8, 0])
                try transmit(
                    link + large, through: packet, checksumAt: (ends.start, 16), isIPv6 ? .tcp6 : .tcp4, size: 1_200,
                    pool: pool)
                let got = try receive(5, from: tap, pool: pool).map { Array($0.bytes.dropFirst(14)) }
                let header = ends.start + 32
                #expect(got.map { $0.count - header } == [1_200, 1_200, 1_200, 1_200, 200])
                #expect(got.flatMap { $0.dropFirst(header) } == data)
                #expect(got.map { $0[ends.start + 13] } == [0x90, 0x10, 0x10, 0x10, 0x19])
                for (index, bytes) in got.enumerated() {
                    #expect(Array(bytes[ends.start + 4..<ends.start + 8]) == be(1_000 + 1_200 * index, 4))
                    #expect(bytes[ends.start + 20..<header] == large[ends.start + 20..<header])
                }
            }
        }

        @Test(arguments: [false, true])
        func largePacketReachesTheKernelWholeThroughATap(isIPv6: Bool) {
            _ = Namespace.run {
                let pool = PacketPool()
                let ends = Ends(isIPv6: isIPv6)
                var options = TunnelOptions()
                options.offload = .segmentation
                let tap = try TAPDriver(name: "tap0", options: options)
                try KernelInterface(name: "tap0").setUp(true)
                var capturing = AFPacketOptions()
                capturing.offload = .segmentation
                let capture = try AFPacketDriver(name: "tap0", options: capturing)
                for count in [60_000, 65_000] {
                    let data = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
                    let bytes = ends.segment(to: 4_000, sequence: 1, acknowledgment: 2, flags: 0x90, data)
                    let link: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8] + (isIPv6 ? [0x86, 0xDD] : [8, 0])
                    let kind: SegmentKind = isIPv6 ? .tcp6 : .tcp4
                    try transmit(
                        link + bytes, through: tap, checksumAt: (ends.start, 16), kind, size: 1_448, pool: pool)
                    let got = try #require(try receive(1, from: capture, pool: pool).first)
                    let isSame = got.bytes == link + bytes
                    #expect(isSame && got.metadata.segmentKind == kind && got.metadata.segmentSize == 1_448)
                    #expect(got.metadata.checksum == .partial && Int(got.metadata.checksumStart) == ends.start)
                }
                #expect(tap.counters.transmitted == 2 && tap.counters.transmitRefused == 0)
                // Without an open checksum nobody could cut it, however small.
                let closed = ends.segment(
                    to: 4_000, sequence: 1, acknowledgment: 2, flags: 0x10, [UInt8](repeating: 0, count: 1_000))
                let link: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0]
                try transmit(link + closed, through: tap, checksumAt: nil, .tcp4, size: 500, pool: pool)
                try transmit(link + closed, through: capture, checksumAt: nil, .tcp4, size: 500, pool: pool)
                #expect(tap.counters.transmitRefused == 1 && capture.counters.transmitRefused == 1)
            }
        }

        /// Payload that was written in small packets, and is sent where it lies, makes a frame of many parts.
        @Test(arguments: [false, true])
        func framesOfManyPartsAreSentWhole(isIPv6: Bool) {
            _ = Namespace.run {
                let pool = PacketPool()
                let ends = Ends(isIPv6: isIPv6)
                var options = TunnelOptions()
                options.offload = .segmentation
                let tap = try TAPDriver(name: "tap0", options: options)
                try KernelInterface(name: "tap0").setUp(true)
                var offloaded = AFPacketOptions()
                offloaded.offload = .segmentation
                var plain = AFPacketOptions()
                plain.offload = []
                let large = try AFPacketDriver(name: "tap0", options: offloaded)
                let small = try AFPacketDriver(name: "tap0", options: plain)
                let pieces = [(1, 100), (46, 1_000), (47, 1_000), (73, 200), (3, 10), (999, 60), (1_100, 58), (2, 30)]
                try carry(pieces, from: large, to: tap, ends, pool)
                try carry(pieces, from: tap, to: large, ends, pool)
                let frames = [(1, 100), (47, 20), (48, 20), (70, 20), (1_300, 1), (2, 30)]
                try carry(frames, from: small, to: tap, ends, pool)
                #expect(large.counters.transmitted == UInt64(pieces.count) && large.counters.transmitRefused == 0)
                #expect(tap.counters.transmitted == UInt64(pieces.count) && tap.counters.transmitRefused == 0)
                #expect(small.counters.transmitted == UInt64(frames.count) && small.counters.transmitRefused == 0)
            }
        }

        /// A handshake by hand, after which the kernel's own TCP sends and receives large packets.
        @Test(arguments: [false, true])
        func kernelsTCPSendsAndTakesLargePackets(isIPv6: Bool) {
            _ = Namespace.run {
                let pool = PacketPool()
                let ends = Ends(isIPv6: isIPv6)
                let tun = try ends.open(.segmentation)
                let socket = KernelSocket(isIPv6: isIPv6, stream: true)
                socket.connect(ends.ours, 80)
                let syn = try #require(try take(6, from: tun, ends, pool: pool)).bytes
                let start = ends.start
                let port = Int(syn[start]) << 8 | Int(syn[start + 1])
                var theirs = syn[start + 4..<start + 8].reduce(0) { $0 << 8 | Int($1) }
                theirs = (theirs + 1) & 0xFFFF_FFFF
                func send(_ sequence: Int, _ flags: UInt8, _ options: [UInt8] = [], _ data: [UInt8] = [], size: Int = 0)
                    throws
                {
                    let bytes = ends.segment(
                        to: port, sequence: sequence, acknowledgment: theirs, flags: flags, options: options, data)
                    try transmit(
                        bytes, through: tun, checksumAt: (start, 16), size == 0 ? .none : isIPv6 ? .tcp6 : .tcp4,
                        size: size, pool: pool)
                }
                // SYN and ACK with a segment size of 1,400 bytes and a window scale of 7.
                try send(5_000, 0x12, [2, 4] + be(1_400, 2) + [1, 3, 3, 7])
                #expect(try take(6, from: tun, ends, pool: pool) != nil)
                let data = (0..<12_000).map { UInt8(truncatingIfNeeded: $0 &* 3) }
                #expect(socket.send(data) == data.count)
                var sent: [UInt8] = []
                var largest = 0
                while sent.count < data.count, let next = try take(6, from: tun, ends, pool: pool) {
                    let header = start + Int(next.bytes[start + 12] >> 4) * 4
                    sent += next.bytes[header...]
                    largest = max(largest, next.bytes.count - header)
                    #expect(next.metadata.checksum == .partial && Int(next.metadata.checksumStart) == start)
                    if next.bytes.count - header > 1_400 {
                        #expect(next.metadata.segmentSize == 1_400)
                        #expect(next.metadata.segmentKind == (isIPv6 ? .tcp6 : .tcp4))
                    }
                }
                #expect(sent == data && largest > 1_400)
                theirs += sent.count
                let back = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 11) }
                try send(5_001, 0x18, [], back, size: 1_400)
                var read: [UInt8] = []
                for _ in 0..<400 where read.count < back.count {
                    if let more = socket.receive() { read += more } else { usleep(500) }
                }
                let isSame = read == back
                #expect(isSame, "\(read.count) bytes")
            }
        }

        @Test(arguments: [false, true])
        func kernelsDatagramsOfOneCallArriveTogether(isIPv6: Bool) {
            _ = Namespace.run {
                let pool = PacketPool()
                let ends = Ends(isIPv6: isIPv6)
                let tun = try ends.open(.segmentation)
                guard tun.capabilities.contains(.segmentationUDP) else { return }
                let socket = KernelSocket(isIPv6: isIPv6, stream: false)
                socket.connect(ends.ours, 7)
                // UDP_SEGMENT.
                #expect(socket.set(Int32(IPPROTO_UDP), 103, 1_000))
                let data = (0..<4_500).map { UInt8(truncatingIfNeeded: $0 &* 3) }
                #expect(socket.send(data) == data.count)
                let got = try #require(try take(17, from: tun, ends, pool: pool))
                #expect(got.metadata.segmentKind == .udp && got.metadata.segmentSize == 1_000)
                #expect(Array(got.bytes.dropFirst(ends.start + 8)) == data)
            }
        }
    }

    @Suite struct VirtioHeaderTests {
        private func applied(
            _ frameByteCount: Int = 100, _ change: (inout VirtioHeader) -> Void
        ) -> (isRight: Bool, metadata: PacketMetadata) {
            var header = VirtioHeader()
            change(&header)
            var metadata = PacketMetadata()
            let isRight = header.apply(to: &metadata, linkByteCount: 14, frameByteCount: frameByteCount)
            return (isRight, metadata)
        }

        @Test func whatTheDeviceFoundOutIsTold() {
            #expect(applied { _ in }.metadata.checksum == .unknown)
            #expect(applied { $0.flags = 2 }.metadata.checksum == .verified)
            for (wire, kind) in [(1, .tcp4), (0x81, .tcp4), (4, .tcp6), (0x84, .tcp6), (5, .udp)]
                as [(UInt8, SegmentKind)]
            {
                let got = applied {
                    $0 = VirtioHeader()
                    $0.flags = 1
                    ($0.checksumStart, $0.checksumOffset) = (34, 16)
                    ($0.segmentKind, $0.segmentSize) = (wire, 1_400)
                }
                #expect(got.isRight && got.metadata.segmentKind == kind && got.metadata.segmentSize == 1_400)
                #expect(got.metadata.checksum == .partial && got.metadata.checksumStart == 20)
            }
        }

        @Test func headerOfALargeFrameCountsItsHeadersAndTellsOfItsMark() {
            var frame = [UInt8](repeating: 0, count: 100)
            // The data offset of a TCP header with 12 bytes of options, then CWR and ACK.
            (frame[34 + 12], frame[34 + 13]) = (0x80, 0x90)
            var metadata = PacketMetadata()
            (metadata.checksumStart, metadata.checksumOffset) = (20, 16)
            (metadata.segmentKind, metadata.segmentSize) = (.tcp4, 1_400)
            #expect(VirtioHeader(metadata, of: frame.span.octets, linkByteCount: 14).flags == 0)
            metadata.checksum = .partial
            var header = VirtioHeader(metadata, of: frame.span.octets, linkByteCount: 14)
            #expect(header.flags == 1 && header.checksumStart == 34 && header.checksumOffset == 16)
            #expect(header.segmentKind == 0x81 && header.segmentSize == 1_400 && header.headerByteCount == 34 + 32)
            frame[34 + 13] = 0x10
            header = VirtioHeader(metadata, of: frame.span.octets, linkByteCount: 14)
            #expect(header.segmentKind == 1)
            metadata.segmentKind = .udp
            header = VirtioHeader(metadata, of: frame.span.octets, linkByteCount: 14)
            #expect(header.segmentKind == 5 && header.headerByteCount == 34 + 8)
            // A frame cut before its flags is described as far as it goes.
            metadata.segmentKind = .tcp6
            header = VirtioHeader(metadata, of: frame.span.octets.extracting(0..<40), linkByteCount: 14)
            #expect(header.segmentKind == 4)
        }

        @Test func headersThatContradictTheirFrameAreWrong() {
            #expect(applied { ($0.flags, $0.checksumStart, $0.checksumOffset) = (1, 34, 64) }.isRight)
            #expect(!applied { ($0.flags, $0.checksumStart, $0.checksumOffset) = (1, 34, 65) }.isRight)
            #expect(!applied { ($0.flags, $0.checksumStart, $0.checksumOffset) = (1, 0xFFFF, 0xFFFF) }.isRight)
            #expect(!applied { ($0.flags, $0.checksumStart) = (1, 13) }.isRight)
            #expect(!applied { ($0.flags, $0.segmentKind) = (2, 1) }.isRight)
            #expect(!applied { ($0.flags, $0.segmentKind, $0.segmentSize) = (2, 3, 100) }.isRight)
            #expect(!applied { $0.segmentKind = 0x80 }.isRight)
        }
    }
#endif
