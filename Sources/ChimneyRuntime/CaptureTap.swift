#if os(Linux)
    import ChimneyCapture
    import ChimneyPrimitives

    /// A capture of one interface: frames in, the bytes of a pcapng file out once a round.
    final class CaptureTap {
        let number: UInt64
        private var writer: PcapngWriter
        private let interface: Int
        private let snapBytes: Int
        private let filter: (@Sendable (RawSpan) -> Bool)?
        private let sink: @Sendable ([UInt8]) -> Void
        private var bytes: [UInt8] = []

        init(
            number: UInt64, interface: CaptureInterface, epochNanoseconds: UInt64, snapBytes: Int,
            filter: (@Sendable (RawSpan) -> Bool)?, sink: @escaping @Sendable ([UInt8]) -> Void
        ) {
            self.number = number
            self.snapBytes = snapBytes
            self.filter = filter
            self.sink = sink
            writer = PcapngWriter(epochNanoseconds: epochNanoseconds, into: &bytes)
            self.interface = writer.addInterface(interface, into: &bytes)
        }

        func framesPassed(_ queue: borrowing PacketQueue, _ direction: CaptureDirection, at now: Instant) {
            queue.forEach { packet in
                if filter?(packet.bytes) ?? true {
                    writer.packet(
                        packet, interface: interface, at: now, snapBytes: snapBytes, direction: direction, into: &bytes)
                }
                return true
            }
        }

        func flush() {
            guard !bytes.isEmpty else { return }
            sink(bytes)
            bytes.removeAll(keepingCapacity: true)
        }
    }
#endif
