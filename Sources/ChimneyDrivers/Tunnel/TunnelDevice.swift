#if os(Linux)
    import CChimneyLinux
    import ChimneyLink
    import ChimneyPrimitives
    import Glibc

    /// The descriptor of a TAP or TUN device: frames with a virtio-net header in and out of the kernel.
    ///
    /// A read gives one frame. Frames that may be large are read into an ordinary buffer followed by
    /// the rest of a large one, so that only a frame that is large takes a large buffer.
    final class TunnelDevice {
        let descriptor: Int32
        let name: String
        let capabilities: LinkCapabilities
        let mtu: Int
        let linkByteCount: Int
        var counters = DriverCounters()
        /// 10 with a virtio-net header, 0 without.
        private let headerByteCount: Int
        private let mayBeLarge: Bool
        /// At most one large buffer, kept for the next frame.
        private var spare = PacketQueue()
        private var gathering = GatherBuffer()

        private static var headroom: Int { 128 }

        /// Creates the device, or attaches to an existing one that nobody holds.
        init(name: String, kind: LinkKind, options: TunnelOptions) throws(DriverOpenError) {
            let opened = try Self.open(name, kind, options)
            self.name = name
            descriptor = opened.descriptor
            mtu = opened.mtu
            capabilities = opened.capabilities
            headerByteCount = opened.headerByteCount
            linkByteCount = kind == .ethernet ? 14 : 0
            mayBeLarge =
                capabilities.contains(.largeReceive)
                || Self.headroom + mtu + linkByteCount + 4 > PacketPool.smallByteCount
        }

        private struct Opened {
            var descriptor: Int32
            var mtu = 0
            var capabilities = LinkCapabilities()
            var headerByteCount = 0
        }

        private static func open(
            _ name: String, _ kind: LinkKind, _ options: TunnelOptions
        ) throws(DriverOpenError) -> Opened {
            let interface = try KernelInterface(name: name)
            var opened = Opened(descriptor: try interface.check(chimney_tun_open(), "open"))
            do throws(DriverOpenError) {
                let features = try interface.check(chimney_tun_features(opened.descriptor), "TUNGETFEATURES")
                let wantsHeader = features & IFF_VNET_HDR != 0 && !options.offload.isEmpty
                var bytes = Array(name.utf8CString) + [CChar](repeating: 0, count: 16)
                let flags = (kind == .ethernet ? IFF_TAP : IFF_TUN) | IFF_NO_PI | (wantsHeader ? IFF_VNET_HDR : 0)
                // Invariant: the array has at least the IFNAMSIZ bytes that the kernel reads and writes.
                let attached = unsafe bytes.withUnsafeMutableBufferPointer { buffer -> Int32 in
                    guard let base = buffer.baseAddress else { return -EINVAL }
                    return unsafe chimney_tun_attach(opened.descriptor, base, flags)
                }
                // A device of the other kind, or one created with other flags, is refused as invalid.
                try interface.check(attached == -EINVAL ? -EBUSY : attached, "TUNSETIFF")
                if wantsHeader {
                    opened.headerByteCount = VirtioHeader.byteCount
                    try interface.check(
                        chimney_tun_set_header(opened.descriptor, Int32(VirtioHeader.byteCount)), "TUNSETVNETHDRSZ")
                    opened.capabilities = negotiate(opened.descriptor, options.offload)
                } else {
                    // What an earlier holder was granted would arrive without the header that tells of it.
                    _ = chimney_tun_set_offload(opened.descriptor, 0)
                }
                if options.persists {
                    try interface.check(chimney_tun_set_persist(opened.descriptor, 1), "TUNSETPERSIST")
                }
                if let wanted = options.mtu { try interface.setMTU(wanted) }
                opened.mtu = try interface.mtu
            } catch {
                close(opened.descriptor)
                throw error
            }
            return opened
        }

        deinit {
            // A device that stays is not left to hand partial checksums to a successor who cannot know of them.
            if headerByteCount > 0 { _ = chimney_tun_set_offload(descriptor, 0) }
            close(descriptor)
        }

        /// Asks for the most first: what the kernel hands us and takes from us is what it grants here.
        private static func negotiate(_ descriptor: Int32, _ wanted: LinkOffload) -> LinkCapabilities {
            let checksum: LinkCapabilities = [
                .transmitChecksum4, .transmitChecksum6, .receiveChecksum4, .receiveChecksum6,
            ]
            let tcp: LinkCapabilities = checksum.union([.segmentation4, .segmentation6, .largeReceive])
            let tcpBits = UInt32(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
            if wanted.contains(.segmentation) {
                if chimney_tun_set_offload(descriptor, tcpBits | UInt32(TUN_F_USO4 | TUN_F_USO6)) >= 0 {
                    return tcp.union(.segmentationUDP)
                }
                if chimney_tun_set_offload(descriptor, tcpBits) >= 0 { return tcp }
            }
            if chimney_tun_set_offload(descriptor, UInt32(TUN_F_CSUM)) >= 0 { return checksum }
            // The header alone lets us leave checksums to the kernel, which then completes its own.
            return [.transmitChecksum4, .transmitChecksum6]
        }

        func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int {
            var received = 0
            for _ in 0..<packetsMax {
                guard var packet = pool.allocate(headroom: Self.headroom - headerByteCount) else {
                    guard try discard() else { return received }
                    continue
                }
                _ = packet.extend(by: packet.tailroom)
                let count: Int
                if mayBeLarge {
                    count = try readLarge(&packet, pool: pool)
                } else {
                    // The span is the packet's own room; the kernel writes at most its count.
                    var span = packet.mutableBytes
                    let descriptor = descriptor
                    count = try result(
                        unsafe span.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) })
                    if count >= 0 { packet.removeLast(packet.count - count) }
                }
                if count < 0 { return received }
                guard packet.count > headerByteCount else {
                    counters.receiveTruncated += 1
                    continue
                }
                if headerByteCount > 0 {
                    let header = VirtioHeader(reading: packet.bytes)
                    packet.removeFirst(VirtioHeader.byteCount)
                    let link = linkByteCount == 0 ? 0 : packet.bytes.ethernetByteCount
                    guard header.apply(to: &packet.metadata, linkByteCount: link, frameByteCount: packet.count) else {
                        counters.receiveHeaderWrong += 1
                        continue
                    }
                }
                packet.metadata.receivedAt = now
                queue.append(packet)
                received += 1
                counters.received &+= 1
            }
            return received
        }

        /// Reads a frame that may exceed an ordinary buffer; one that does continues in the large buffer, at the place
        /// where it continues once the beginning has been copied before it.
        private func readLarge(_ packet: inout Packet, pool: PacketPool) throws(LinkDriverError) -> Int {
            if spare.isEmpty, var fresh = pool.allocateLarge(headroom: Self.headroom - headerByteCount) {
                _ = fresh.extend(by: fresh.tailroom)
                spare.append(fresh)
            }
            let first = packet.count
            guard !spare.isEmpty else {
                var span = packet.mutableBytes
                let descriptor = descriptor
                let count = try result(
                    unsafe span.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) })
                // Without a large buffer a frame that fills the ordinary one may have been cut: it does not go on.
                if count == first { counters.receiveNoBuffer += 1 }
                if count >= 0 { packet.removeLast(count == first ? first : first - count) }
                return count
            }
            var large = spare.removeFirst()
            let count: Int
            do throws(LinkDriverError) {
                var span = packet.mutableBytes
                var rest = large.mutableBytes
                let descriptor = descriptor
                // Both rooms are their packets' own, and the kernel writes at most their counts.
                count = try result(
                    unsafe span.withUnsafeMutableBytes { head in
                        unsafe rest.withUnsafeMutableBytes { tail in
                            let tail = unsafe UnsafeMutableRawBufferPointer(rebasing: tail[first...])
                            return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { parts in
                                unsafe parts[0] = unsafe iovec(iov_base: head.baseAddress, iov_len: head.count)
                                unsafe parts[1] = unsafe iovec(iov_base: tail.baseAddress, iov_len: tail.count)
                                return unsafe readv(descriptor, parts.baseAddress, 2)
                            }
                        }
                    })
            } catch {
                spare.append(large)
                throw error
            }
            if count > first {
                var target = large.mutableBytes
                _ = packet.copyBytes(into: &target)
                large.removeLast(large.count - count)
                packet = large
            } else {
                spare.append(large)
                if count >= 0 { packet.removeLast(first - count) }
            }
            return count
        }

        /// Takes a frame from the device without keeping it; `false` when there is none.
        private func discard() throws(LinkDriverError) -> Bool {
            let descriptor = descriptor
            // The kernel cuts the frame to the room it is given.
            let count = try result(
                unsafe withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) {
                    unsafe read(descriptor, $0.baseAddress, $0.count)
                })
            if count >= 0 { counters.receiveNoBuffer += 1 }
            return count >= 0
        }

        /// A read's or write's result; -1 when it would have to wait.
        @inline(__always)
        private func result(_ count: Int) throws(LinkDriverError) -> Int {
            if count >= 0 { return count }
            switch errno {
            case EAGAIN, EINTR: return -1
            case EIO: throw .deviceDown
            case EBADFD, ENODEV, ENXIO, EBADF: throw .deviceGone(errno: errno)
            case let code: throw .failed(errno: code)
            }
        }

        func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) {
            while !queue.isEmpty {
                var packet = queue.removeFirst()
                let link = linkByteCount == 0 ? 0 : packet.bytes.ethernetByteCount
                if headerByteCount == 0 {
                    // Without the header the kernel neither completes checksums nor cuts packets.
                    if packet.metadata.segmentSize != 0
                        || (packet.checksum == .partial && !packet.completeChecksum(linkByteCount: link))
                    {
                        counters.transmitRefused += 1
                        continue
                    }
                } else if packet.metadata.segmentSize != 0, packet.checksum != .partial {
                    // What is cut needs each checksum anew, which the kernel does for open ones.
                    counters.transmitRefused += 1
                    continue
                }
                let header = VirtioHeader(packet.metadata, of: packet.bytes, linkByteCount: link)
                let count: Int
                do throws(LinkDriverError) {
                    if headerByteCount == 0
                        || packet.isContiguous && packet.isWritable && packet.prepend(VirtioHeader.byteCount)
                    {
                        if headerByteCount > 0 {
                            var span = packet.mutableBytes
                            header.write(into: &span)
                        }
                        defer { packet.removeFirst(headerByteCount) }
                        count = try result(writeParts(packet))
                    } else {
                        count = try result(writeParts(packet, behind: header))
                    }
                } catch {
                    switch error {
                    case .failed(errno: EINVAL), .failed(errno: EMSGSIZE), .failed(errno: EFAULT):
                        // The kernel refuses this frame and would again: the next may still go.
                        counters.transmitRefused += 1
                        continue
                    case .failed, .deviceDown, .deviceGone, .wouldBlock:
                        queue.prepend(packet)
                        throw error
                    }
                }
                if count < 0 {
                    queue.prepend(packet)
                    throw .wouldBlock
                }
                counters.transmitted &+= 1
            }
        }

        /// Writes all parts of a packet as one frame.
        @inline(__always)
        private func writeParts(_ packet: borrowing Packet) -> Int {
            if packet.isContiguous {
                let descriptor = descriptor
                // The packet outlives the call.
                return unsafe packet.bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            }
            return writeGathered(packet, nil)
        }

        private func writeParts(_ packet: borrowing Packet, behind header: VirtioHeader) -> Int {
            writeGathered(packet, header)
        }

        private func writeGathered(_ packet: borrowing Packet, _ header: VirtioHeader?) -> Int {
            var sliceCount = packet.sliceCount
            var gathered: UnsafeMutableRawBufferPointer?
            if sliceCount > GatherBuffer.partsMax {
                unsafe gathered = unsafe gathering.gather(packet)
                guard unsafe gathered != nil else {
                    errno = EMSGSIZE
                    return -1
                }
                sliceCount = 1
            }
            let descriptor = descriptor
            return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: sliceCount + 1) { parts in
                unsafe withUnsafeTemporaryAllocation(byteCount: VirtioHeader.byteCount, alignment: 2) { room in
                    if let header {
                        var span = unsafe MutableRawSpan(_unsafeBytes: room)
                        header.write(into: &span)
                    }
                    unsafe parts[0] = unsafe iovec(
                        iov_base: room.baseAddress, iov_len: header == nil ? 0 : VirtioHeader.byteCount)
                    if let gathered = unsafe gathered {
                        unsafe parts[1] = unsafe iovec(iov_base: gathered.baseAddress, iov_len: gathered.count)
                        return unsafe writev(descriptor, parts.baseAddress, 2)
                    }
                    for index in 0..<sliceCount {
                        // The packet keeps every part where it is until the call is over; the kernel only reads.
                        unsafe packet.slice(index).withUnsafeBytes { bytes in
                            unsafe parts[index + 1] = unsafe iovec(
                                iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                        }
                    }
                    return unsafe writev(descriptor, parts.baseAddress, Int32(sliceCount + 1))
                }
            }
        }
    }
#endif
