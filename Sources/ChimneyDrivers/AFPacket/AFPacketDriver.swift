#if os(Linux)
    import CChimneyLinux
    public import ChimneyLink
    public import ChimneyPrimitives
    import Glibc

    /// How an interface of the kernel is opened for frames.
    public struct AFPacketOptions: Hashable, Sendable {
        /// What the kernel is asked to do for the stack; with any of it, large packets are received whole.
        public var offload: LinkOffload = .checksum
        /// The link address of the stack; `nil` uses the interface's own.
        ///
        /// Another one makes the interface promiscuous.
        public var mac: MACAddress?
        /// The frames one system call may carry; 1 to 256.
        public var batchMax = 32
        /// The bytes the kernel may queue for us, and we for it.
        public var socketBytesMax = 8 << 20
        /// The most groups the kernel is told by name; with more, the interface lets all groups in.
        ///
        /// The kernel walks them all for each that comes or goes, and a card names fewer.
        public var groupAddressesMax = 256

        /// The defaults.
        public init() {}
    }

    /// A packet socket: Ethernet frames through a named interface of the kernel, such as a veth or a network card.
    ///
    /// The kernel's own stack sees the same frames. What this driver sent is not given back to it. Tags that
    /// the kernel took out of received frames are put in again. An interface that is deleted, or replaced by
    /// another of the same name, is reported as ``LinkDriverError/deviceGone(errno:)``.
    @safe
    public final class AFPacketDriver: LinkDriver {
        private let socket: Int32
        private let interface: KernelInterface
        private let index: Int32
        private let headerByteCount: Int
        /// What it has done.
        public private(set) var counters = DriverCounters()
        /// Frames begin with an Ethernet header.
        public var kind: LinkKind { .ethernet }
        /// What the kernel granted.
        public let capabilities: LinkCapabilities
        /// What to wait on for frames.
        public var descriptor: Int32? { socket }
        /// The MTU the interface had when it was opened.
        public let mtu: Int
        /// The stack's link address on it.
        public let mac: MACAddress?
        /// The most groups the kernel is told by name.
        public let groupAddressesMax: Int?

        /// Buffers the next frames are received into, in the order of the messages, each followed by a large one
        /// in `rest` for what it cannot hold.
        private var offered = PacketQueue()
        private var rest = PacketQueue()
        private let incoming: MessageBatch
        private let outgoing: MessageBatch
        // Invariant: allocated and freed with the driver: one header for each message of `outgoing`.
        private let headers: UnsafeMutableRawPointer

        /// Holds the frame of many parts that a batch may have.
        private var gathering = GatherBuffer()

        private static var headroom: Int { 128 }

        /// Opens the interface of this name.
        public init(name: String, options: AFPacketOptions = AFPacketOptions()) throws(DriverOpenError) {
            interface = try KernelInterface(name: name)
            let hardware = try interface.hardware
            // Ethernet and the loopback device, whose frames look the same.
            guard hardware.type == 1 || hardware.type == 772 else { throw .notEthernet(name, type: hardware.type) }
            index = try interface.index
            mtu = min(try interface.mtu, 65_535)
            mac = options.mac ?? hardware.mac
            groupAddressesMax = max(0, options.groupAddressesMax)
            let opened = try interface.check(chimney_packet_open(), "socket")
            var header = 0
            do throws(DriverOpenError) {
                let room = Int32(clamping: options.socketBytesMax)
                _ = chimney_socket_buffers(opened, room, room)
                try interface.check(chimney_packet_option(opened, PACKET_IGNORE_OUTGOING, 1), "PACKET_IGNORE_OUTGOING")
                try interface.check(chimney_packet_option(opened, PACKET_AUXDATA, 1), "PACKET_AUXDATA")
                if !options.offload.isEmpty, chimney_packet_option(opened, PACKET_VNET_HDR, 1) >= 0 {
                    header = VirtioHeader.byteCount
                }
                if mac != hardware.mac {
                    let result = chimney_packet_membership(opened, PACKET_ADD_MEMBERSHIP, index, PACKET_MR_PROMISC, 0)
                    try interface.check(result, "PACKET_ADD_MEMBERSHIP")
                }
                try interface.check(chimney_packet_bind(opened, index), "bind")
            } catch {
                close(opened)
                throw error
            }
            socket = opened
            headerByteCount = header
            let checksum: LinkCapabilities = [
                .transmitChecksum4, .transmitChecksum6, .receiveChecksum4, .receiveChecksum6,
            ]
            var granted = header > 0 ? checksum.union(.largeReceive) : []
            if header > 0, options.offload.contains(.segmentation) {
                granted.formUnion([.segmentation4, .segmentation6, .segmentationUDP])
            }
            capabilities = granted
            let batchMax = min(max(1, options.batchMax), 256)
            incoming = MessageBatch(count: batchMax, partsMax: 2)
            outgoing = MessageBatch(count: batchMax, partsMax: GatherBuffer.partsMax + 1)
            unsafe headers = .allocate(byteCount: batchMax * VirtioHeader.byteCount, alignment: 16)
        }

        deinit {
            close(socket)
            unsafe headers.deallocate()
        }

        /// Receives frames, a batch a call, until there is none.
        public func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int {
            var received = 0
            while received < packetsMax {
                offer(pool: pool)
                let asked = min(offered.count, packetsMax - received)
                guard asked > 0 else {
                    guard try discard() else { return received }
                    received += 1
                    continue
                }
                incoming.openControl(from: 0, count: asked)
                // The first `asked` messages point at buffers of `offered` and `rest`, which stay where they are.
                let count = try result(unsafe chimney_receive_many(socket, incoming.messages, UInt32(asked)))
                if count <= 0 { return received }
                take(count, into: &queue, at: now)
                received += count
                if count < asked { return received }
            }
            return received
        }

        /// Offers a buffer for each message that has none.
        private func offer(pool: PacketPool) {
            while offered.count < incoming.count {
                guard var packet = pool.allocate(headroom: Self.headroom - headerByteCount) else { return }
                let message = offered.count
                _ = packet.extend(by: packet.tailroom)
                let first = packet.count
                var span = packet.mutableBytes
                // The buffers stay in the queues, in place, until the kernel has filled them.
                unsafe span.withUnsafeMutableBytes {
                    unsafe incoming.parts[message * 2] = unsafe iovec(iov_base: $0.baseAddress, iov_len: $0.count)
                }
                unsafe incoming.parts[message * 2 + 1] = unsafe iovec(iov_base: nil, iov_len: 0)
                unsafe incoming.messages[message].header.msg_iovlen = 1
                if headerByteCount > 0 || mtu + 18 > first {
                    guard var large = pool.allocateLarge(headroom: Self.headroom - headerByteCount) else { return }
                    _ = large.extend(by: large.tailroom)
                    var span = large.mutableBytes
                    unsafe span.withUnsafeMutableBytes {
                        let tail = unsafe UnsafeMutableRawBufferPointer(rebasing: $0[first...])
                        unsafe incoming.parts[message * 2 + 1] = unsafe iovec(
                            iov_base: tail.baseAddress, iov_len: tail.count)
                    }
                    unsafe incoming.messages[message].header.msg_iovlen = 2
                    rest.append(large)
                }
                offered.append(packet)
            }
        }

        /// Takes the frames of the first `count` messages and moves the others' buffers to the front.
        private func take(_ count: Int, into queue: inout PacketQueue, at now: Instant) {
            let takesTwo = !rest.isEmpty
            for message in 0..<count {
                var packet = offered.removeFirst()
                let length = unsafe Int(incoming.messages[message].count)
                let isCut = unsafe incoming.messages[message].header.msg_flags & Int32(MSG_TRUNC) != 0
                let tag = unsafe chimney_stripped_tag(&incoming.messages[message].header)
                let first = packet.count
                if takesTwo {
                    var large = rest.removeFirst()
                    if length > first {
                        var target = large.mutableBytes
                        _ = packet.copyBytes(into: &target)
                        large.removeLast(large.count - min(length, large.count))
                        packet = large
                    } else {
                        packet.removeLast(first - length)
                    }
                } else {
                    packet.removeLast(first - min(length, first))
                }
                guard !isCut, packet.count > headerByteCount + 14 else {
                    counters.receiveTruncated += 1
                    continue
                }
                if headerByteCount > 0 {
                    let header = VirtioHeader(reading: packet.bytes)
                    packet.removeFirst(VirtioHeader.byteCount)
                    guard header.apply(to: &packet.metadata, linkByteCount: 14, frameByteCount: packet.count) else {
                        counters.receiveHeaderWrong += 1
                        continue
                    }
                }
                if tag >= 0 { packet.insertTag(UInt32(truncatingIfNeeded: tag)) }
                packet.metadata.receivedAt = now
                queue.append(packet)
                counters.received &+= 1
            }
            // Large buffers nobody needed went back to the pool, which hands them out again for the next offer.
            let left = offered.count
            for message in 0..<left {
                for part in 0..<2 {
                    unsafe incoming.parts[message * 2 + part] = incoming.parts[(message + count) * 2 + part]
                }
                unsafe incoming.messages[message].header.msg_iovlen =
                    incoming.messages[message + count].header.msg_iovlen
            }
        }

        /// Takes a frame from the kernel without keeping it; `false` when there is none.
        private func discard() throws(LinkDriverError) -> Bool {
            let socket = socket
            // The kernel cuts the frame to the room it is given.
            let count = unsafe withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) {
                unsafe recv(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
            }
            guard try result(count < 0 ? -errno : 1) > 0 else { return false }
            counters.receiveNoBuffer += 1
            return true
        }

        /// A call's result; -1 when it would have to wait.
        private func result(_ result: Int32) throws(LinkDriverError) -> Int {
            if result >= 0 { return Int(result) }
            switch -result {
            case EAGAIN, EINTR: return -1
            case ENOBUFS: return -1
            case ENETDOWN, ENXIO, ENODEV:
                // The kernel says the same of an interface that is down and of one that is gone.
                if let now = try? interface.index, now == index { throw .deviceDown }
                throw .deviceGone(errno: -result)
            case let code: throw .failed(errno: code)
            }
        }

        /// Sends frames, a batch a call, until the queue is empty or the kernel's is full.
        public func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) {
            while !queue.isEmpty {
                var batch = PacketQueue()
                var count = 0
                var hasGathered = false
                while count < outgoing.count, !queue.isEmpty {
                    var packet = queue.removeFirst()
                    if packet.sliceCount > GatherBuffer.partsMax {
                        if hasGathered {
                            // The buffer is free again when this batch has left.
                            queue.prepend(packet)
                            break
                        }
                        hasGathered = true
                    }
                    guard prepare(&packet, as: count) else {
                        counters.transmitRefused += 1
                        continue
                    }
                    batch.append(packet)
                    count += 1
                }
                if count == 0 { return }
                // The messages point at the parts of the packets in `batch`, which stay where they are.
                let outcome = unsafe chimney_send_many(socket, outgoing.messages, UInt32(count))
                let sent: Int
                do throws(LinkDriverError) {
                    sent = try result(outcome)
                } catch {
                    switch error {
                    case .failed(errno: EMSGSIZE), .failed(errno: EINVAL):
                        // The kernel refuses the first frame and would again: the others may still go.
                        _ = batch.removeFirst()
                        counters.transmitRefused += 1
                        batch.append(contentsOf: &queue)
                        swap(&batch, &queue)
                        continue
                    case .failed, .deviceDown, .deviceGone, .wouldBlock:
                        batch.append(contentsOf: &queue)
                        swap(&batch, &queue)
                        throw error
                    }
                }
                for _ in 0..<max(0, sent) { _ = batch.removeFirst() }
                counters.transmitted &+= UInt64(max(0, sent))
                if batch.isEmpty { continue }
                batch.append(contentsOf: &queue)
                swap(&batch, &queue)
                if sent < 0 { throw .wouldBlock }
            }
        }

        /// Adds to what the interface lets in for this socket, or drops from it (`PACKET_ADD_MEMBERSHIP`,
        /// `PACKET_DROP_MEMBERSHIP`); the kernel counts what several sockets want.
        public func setFilter(_ change: LinkFilterChange) throws(LinkDriverError) -> Bool {
            let outcome: Int32
            switch change {
            case .admit(let group): outcome = tell(true, PACKET_MR_MULTICAST, group)
            case .refuse(let group): outcome = tell(false, PACKET_MR_MULTICAST, group)
            case .allMulticast(let wanted): outcome = tell(wanted, PACKET_MR_ALLMULTI)
            case .promiscuous(let wanted): outcome = tell(wanted, PACKET_MR_PROMISC)
            }
            if case .admit = change, [ENOBUFS, ENOMEM, ENOSPC].contains(-outcome) { return false }
            guard try result(outcome) >= 0 else { throw .failed(errno: -outcome) }
            return true
        }

        private func tell(_ wanted: Bool, _ type: Int32, _ group: MACAddress = .zero) -> Int32 {
            let option = wanted ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP
            return chimney_packet_membership(socket, option, index, type, group.bits)
        }

        /// Lays out one frame as a message; `false` for one that no interface takes.
        private func prepare(_ packet: inout Packet, as message: Int) -> Bool {
            let sliceCount = packet.sliceCount
            guard packet.count >= 14 else { return false }
            let link = packet.bytes.ethernetByteCount
            if headerByteCount == 0 {
                guard packet.metadata.segmentSize == 0 else { return false }
                if packet.checksum == .partial, !packet.completeChecksum(linkByteCount: link) { return false }
            } else if packet.metadata.segmentSize != 0, packet.checksum != .partial {
                // What is cut needs each checksum anew, which the kernel does for open ones.
                return false
            }
            let first = message * outgoing.partsMax
            var part = first
            if headerByteCount > 0 {
                let room = unsafe headers + message * VirtioHeader.byteCount
                var span = unsafe MutableRawSpan(_unsafeStart: room, byteCount: VirtioHeader.byteCount)
                VirtioHeader(packet.metadata, of: packet.bytes, linkByteCount: link).write(into: &span)
                unsafe outgoing.parts[part] = unsafe iovec(iov_base: room, iov_len: VirtioHeader.byteCount)
                part += 1
            }
            if sliceCount > GatherBuffer.partsMax {
                guard let bytes = unsafe gathering.gather(packet) else { return false }
                unsafe outgoing.parts[part] = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                unsafe outgoing.messages[message].header.msg_iovlen = part + 1 - first
                return true
            }
            for index in 0..<sliceCount {
                // The packet is held until the call is over, and the kernel only reads.
                unsafe packet.slice(index).withUnsafeBytes { bytes in
                    unsafe outgoing.parts[part] = unsafe iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                }
                part += 1
            }
            unsafe outgoing.messages[message].header.msg_iovlen = part - first
            return true
        }
    }

    extension Packet {
        /// Puts an 802.1Q tag, EtherType first, between the addresses and the type of an Ethernet frame.
        mutating func insertTag(_ tag: UInt32) {
            guard prepend(4) else { return }
            var span = mutableBytes
            for offset in 0..<3 {
                // The frame has its 14 bytes of header behind the four that were just prepended.
                let word = unsafe span.bytes.unsafeLoadUnaligned(fromByteOffset: offset * 4 + 4, as: UInt32.self)
                span.storeBytes(of: word, toByteOffset: offset * 4, as: UInt32.self)
            }
            span.storeBytes(of: tag.bigEndian, toByteOffset: 12, as: UInt32.self)
        }
    }
#endif
