import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire

extension PacketPool {
    /// A packet with these bytes, as a driver and the layers below leave it.
    func packet(_ bytes: [UInt8]) -> Packet {
        guard var packet = allocate(headroom: 128, count: bytes.count), packet.extend(by: bytes.count) else {
            preconditionFailure("a test's pool has room")
        }
        var span = packet.mutableBytes
        for (index, byte) in bytes.enumerated() { span.storeBytes(of: byte, toByteOffset: index, as: UInt8.self) }
        return packet
    }
}

extension Packet {
    /// The bytes of all parts.
    var array: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: totalCount)
        var elements = bytes.mutableSpan
        // Every byte written is a valid UInt8.
        var span = unsafe elements.mutableBytes
        _ = copyBytes(into: &span)
        return bytes
    }
}

/// A segment under way, with its bytes.
struct Flying {
    var segment: OutgoingSegment
    var payload: [UInt8]

    /// As it arrives.
    func arrived(hasCongestionMark: Bool = false) -> ArrivedSegment {
        ArrivedSegment(
            sequence: segment.sequence, ack: segment.ack, flags: segment.flags, window: segment.window,
            urgentPointer: segment.urgentPointer, payloadCount: payload.count, hasCongestionMark: hasCongestionMark,
            options: segment.options)
    }
}

/// One end of a connection with all that a stack has around it.
struct End: ~Copyable {
    let pool: PacketPool
    var connection: TCPConnection
    var shared = TCPShared(secret: KeyedHash(key: (1, 2)))
    var output = TCPOutput()
    var events: TCPEvents = []
    var drops: [TCPDrop] = []
    let settings: SharedTCPSettings
    let path: TCPConnection.Path
    /// The handshake that waits for its last segment, of an end that listens.
    var half: HalfOpen?
    var isListening = false
    var iss: SequenceNumber
    /// Whether pieces are cut to segments, as a stack or a device does.
    var cuts = true

    init(
        _ settings: TCPSettings = TCPSettings(), segmentSize: Int = 1_460, pieceMax: Int = 0, iss: UInt32 = 1_000,
        pool: PacketPool = PacketPool(), at now: Instant = .zero
    ) {
        self.pool = pool
        self.settings = SharedTCPSettings(settings)
        self.iss = SequenceNumber(iss)
        path = TCPConnection.Path(segmentSize: segmentSize, pieceMax: pieceMax)
        connection = TCPConnection(
            settings: self.settings, path: path, iss: self.iss, clockOffset: 7_000, at: now)
    }

    mutating func connect(at now: Instant) {
        connection.connect(at: now)
        connection.flush(at: now, output: &output)
    }

    /// A segment arrives and is answered at once, as one batch.
    @discardableResult
    mutating func arrive(_ segment: ArrivedSegment, _ payload: [UInt8] = [], at now: Instant) -> TCPDrop? {
        if isListening { return opened(by: segment, payload, at: now) }
        let drop = connection.segmentArrived(
            segment, pool.packet(payload), at: now, shared: &shared, output: &output)
        connection.flush(at: now, output: &output)
        if let drop { drops.append(drop) }
        if drop == .closed, let answer = OutgoingSegment.reset(answering: segment) { output.segments.append(answer) }
        return drop
    }

    /// What a listener does, without a table.
    private mutating func opened(by segment: ArrivedSegment, _ payload: [UInt8], at now: Instant) -> TCPDrop? {
        if segment.flags.contains(.syn) {
            let half =
                half
                ?? HalfOpen(
                    answering: segment, iss: iss, settings: settings.value, defaultSize: 536, clockOffset: 9_000,
                    at: now)
            self.half = half
            output.segments.append(half.answer(settings: settings.value, segmentSize: path.segmentSize, at: now))
            return nil
        }
        guard let half, segment.flags.contains(.ack) else { return .noAck }
        isListening = false
        connection = TCPConnection(accepting: half, settings: settings, path: path, at: now)
        return arrive(segment, payload, at: now)
    }

    mutating func timerFired(at now: Instant) {
        connection.timerFired(at: now, shared: &shared, output: &output)
    }

    /// Takes what is to be sent, cut to segments.
    mutating func takeSegments() -> [Flying] {
        events.formUnion(output.takeEvents())
        var result: [Flying] = []
        while let segment = output.segments.next() {
            var bytes: [UInt8] = []
            if segment.payloadCount > 0 {
                let packet = connection.packet(for: segment, headroom: 64, pool: pool)
                bytes = packet?.array ?? []
            }
            guard cuts && segment.segmentSize > 0 else {
                result.append(Flying(segment: segment, payload: bytes))
                continue
            }
            var offset = 0
            while offset < bytes.count {
                let count = min(Int(segment.segmentSize), bytes.count - offset)
                var piece = segment
                piece.sequence += offset
                piece.payloadCount = count
                if offset + count < bytes.count { piece.flags.subtract([.fin, .psh]) }
                result.append(Flying(segment: piece, payload: Array(bytes[offset..<offset + count])))
                offset += count
            }
        }
        return result
    }

    mutating func write(_ bytes: [UInt8], at now: Instant) -> Int {
        // Every element is initialized for as long as the array is borrowed.
        let taken = (try? connection.write(unsafe bytes.span.bytes, pool: pool)) ?? 0
        connection.flush(at: now, output: &output)
        return taken
    }

    mutating func read(_ count: Int = .max, at now: Instant) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(count, connection.readableCount))
        var elements = bytes.mutableSpan
        // Every byte written is a valid UInt8.
        var span = unsafe elements.mutableBytes
        let done = (try? connection.read(into: &span)) ?? 0
        connection.flush(at: now, output: &output)
        return Array(bytes[..<done])
    }

    mutating func shutdown(at now: Instant) {
        connection.shutdown()
        connection.flush(at: now, output: &output)
    }

    mutating func close(linger: TimeSpan? = nil, at now: Instant) {
        connection.close(linger: linger, at: now, shared: &shared, output: &output)
        connection.flush(at: now, output: &output)
    }
}
