#if os(Linux)
    import CChimneyLinux
    public import ChimneyCapture
    public import ChimneyLink
    public import ChimneyPrimitives
    import Glibc

    /// Why a capture file could not be used.
    public enum CaptureFileError: Error, Hashable, Sendable {
        /// A system call on the file failed.
        case system(path: String, call: String, errno: Int32)
        /// The file is larger than ``CaptureFile/bytesMax``.
        case tooLarge(path: String, max: Int)
        /// What the file holds is no capture.
        case malformed(path: String, CaptureError)
        /// The packets of the file begin with something that is neither an Ethernet nor an IP header.
        case linkTypeUnsupported(path: String, CaptureLinkType)
    }

    /// Whole capture files in and out of memory.
    public enum CaptureFile {
        /// The largest file that is read.
        public static var bytesMax: Int { 1 << 30 }

        /// Reads a whole file.
        public static func read(_ path: String) throws(CaptureFileError) -> [UInt8] {
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw .system(path: path, call: "open", errno: errno) }
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            while bytes.count <= bytesMax {
                let room = 1 << 20
                // Invariant: the buffer is the array's own new tail, and the kernel writes at most its length.
                let chunk = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                    count = unsafe max(0, Glibc.read(descriptor, buffer.baseAddress, room))
                }
                if chunk.isEmpty { return bytes }
                bytes += chunk
            }
            throw .tooLarge(path: path, max: bytesMax)
        }

        /// Creates or empties a file for writing.
        static func create(_ path: String) throws(CaptureFileError) -> Int32 {
            let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw .system(path: path, call: "open", errno: errno) }
            return descriptor
        }

        /// Writes all of `bytes`; the error number where that fails, 0 otherwise.
        static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
            var offset = 0
            while offset < bytes.count {
                // The range is inside the array.
                let count = unsafe bytes.withUnsafeBytes {
                    unsafe Glibc.write(descriptor, $0.baseAddress.map { unsafe $0 + offset }, $0.count - offset)
                }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return errno }
                offset += count
            }
            return 0
        }
    }

    /// A capture file as a device: its packets arrive, and what is transmitted goes to another file.
    public final class PcapFileDriver: LinkDriver {
        /// When the packets of a file arrive.
        public enum Pace: Hashable, Sendable {
            /// As fast as they are taken.
            case immediate
            /// As long after the first as they were captured.
            case recorded
        }

        private var reader: CaptureReader?
        private var pending: CapturedPacket?
        private let pace: Pace
        private let timer: Int32
        private let output: Int32?
        private var writer: PcapngWriter
        private var interfaceNumber = 0
        /// When the file's first packet arrived, on the stack's clock and on the file's.
        private var start: (at: Instant, nanoseconds: UInt64)?
        private var now = Instant.zero

        /// What its packets begin with.
        public let kind: LinkKind
        /// A file computes nothing.
        public var capabilities: LinkCapabilities { [] }
        /// A timer that expires when the next packet is due.
        public var descriptor: Int32? { timer }
        /// The largest packet that leaves.
        public let mtu: Int
        /// A file has no link address.
        public var mac: MACAddress? { nil }
        /// What it has done.
        public private(set) var counters = DriverCounters()
        /// What ended the file before its end, if anything did.
        public private(set) var readError: CaptureError?
        /// Whether the last packet has arrived.
        public var isAtEnd: Bool { pending == nil }

        /// Opens the files.
        ///
        /// - Parameters:
        ///   - input: the capture whose packets arrive; `nil` for none.
        ///   - output: the pcapng file that gets what is transmitted; `nil` for nowhere.
        ///   - kind: what frames begin with; the input's interfaces must agree.
        ///   - mtu: the largest packet that leaves.
        ///   - pace: when packets arrive.
        /// - Throws: ``CaptureFileError`` when a file cannot be opened or is no capture of that kind.
        public init(
            reading input: String?, writing output: String? = nil, kind: LinkKind = .ethernet, mtu: Int = 1_500,
            pace: Pace = .immediate
        ) throws(CaptureFileError) {
            self.kind = kind
            self.mtu = mtu
            self.pace = pace
            var header: [UInt8] = []
            var refused: CaptureLinkType?
            writer = PcapngWriter(into: &header)
            let linkType: CaptureLinkType = kind == .ethernet ? .ethernet : .rawIP
            interfaceNumber = writer.addInterface(CaptureInterface(name: output, linkType: linkType), into: &header)
            if let input {
                let bytes = try CaptureFile.read(input)
                do throws(CaptureError) {
                    var opened = try CaptureReader(bytes)
                    pending = try opened.next()
                    reader = opened
                    for interface in opened.interfaces where interface.linkType != linkType {
                        refused = interface.linkType
                    }
                } catch {
                    throw .malformed(path: input, error)
                }
                if let refused { throw .linkTypeUnsupported(path: input, refused) }
            }
            let opened = chimney_timerfd()
            guard opened >= 0 else {
                throw .system(path: input ?? output ?? "", call: "timerfd_create", errno: -opened)
            }
            timer = opened
            do throws(CaptureFileError) {
                self.output = try output.map { path throws(CaptureFileError) in try CaptureFile.create(path) }
            } catch {
                close(opened)
                throw error
            }
            if let file = self.output, CaptureFile.write(header, to: file) != 0 { counters.transmitRefused += 1 }
            if pending != nil { _ = chimney_timerfd_set(timer, 1) }
        }

        deinit {
            close(timer)
            if let output { close(output) }
        }

        /// Gives the packets that are due.
        public func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int {
            self.now = now
            var received = 0
            while received < packetsMax, let next = pending {
                if pace == .recorded {
                    let begun = start ?? (now, next.nanoseconds)
                    start = begun
                    let wait = (begun.at + .nanoseconds(Int64(clamping: next.nanoseconds &- begun.nanoseconds))) - now
                    if next.nanoseconds > begun.nanoseconds, wait > .zero {
                        _ = chimney_timerfd_set(timer, UInt64(wait.nanoseconds))
                        return received
                    }
                }
                advance()
                received += 1
                guard let packet = packet(next, pool: pool, at: now) else { continue }
                queue.append(packet)
                counters.received += 1
            }
            if pending == nil { _ = chimney_timerfd_set(timer, 0) }
            return received
        }

        private func advance() {
            do throws(CaptureError) {
                pending = try reader?.next()
            } catch {
                pending = nil
                readError = error
            }
        }

        private func packet(_ captured: CapturedPacket, pool: PacketPool, at now: Instant) -> Packet? {
            guard captured.range.count == captured.originalByteCount, captured.range.count <= 65_600 else {
                counters.receiveTruncated += 1
                return nil
            }
            guard var packet = pool.allocate(headroom: 128, count: captured.range.count) else {
                counters.receiveNoBuffer += 1
                return nil
            }
            guard let reader, packet.append(reader.bytes.span.octets.extracting(captured.range)) else { return nil }
            packet.metadata.receivedAt = now
            return packet
        }

        /// Writes frames to the output file.
        public func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) {
            var bytes: [UInt8] = []
            while !queue.isEmpty {
                var packet = queue.removeFirst()
                let link = kind == .ethernet ? packet.bytes.ethernetByteCount : 0
                if packet.checksum == .partial { _ = packet.completeChecksum(linkByteCount: link) }
                writer.packet(packet, interface: interfaceNumber, at: now, direction: .outbound, into: &bytes)
                counters.transmitted += 1
            }
            guard let output, !bytes.isEmpty else { return }
            let code = CaptureFile.write(bytes, to: output)
            if code != 0 { throw .failed(errno: code) }
        }
    }
#endif
