public import ChimneyPrimitives

/// Frames that wait for a device, bounded in packets and bytes.
///
/// At the bound a new frame is refused and counted; those that wait keep their place.
public struct TransmitQueue: ~Copyable {
    @usableFromInline var waiting = PacketQueue()
    /// The most frames that wait.
    public let packetsMax: Int
    /// The most bytes that wait; one frame always may, however large.
    public let bytesMax: Int
    /// How many frames were refused at a bound.
    public internal(set) var refused: UInt64 = 0

    /// An empty queue with these bounds.
    public init(packetsMax: Int = 1_024, bytesMax: Int = 4 << 20) {
        self.packetsMax = max(1, packetsMax)
        self.bytesMax = max(0, bytesMax)
    }

    /// Whether nothing waits.
    @inlinable
    public var isEmpty: Bool { waiting.isEmpty }
    /// How many frames wait.
    @inlinable
    public var count: Int { waiting.count }
    /// How many bytes wait.
    @inlinable
    public var byteCount: Int { waiting.byteCount }

    /// Whether a frame of `byteCount` bytes would be taken.
    @inlinable
    public func admits(_ byteCount: Int) -> Bool {
        waiting.count < packetsMax && (waiting.byteCount + byteCount <= bytesMax || waiting.isEmpty)
    }

    /// Puts a frame last.
    ///
    /// - Returns: `false` when the queue is at a bound; the frame is gone and was counted.
    public mutating func append(_ packet: consuming Packet) -> Bool {
        guard admits(packet.totalCount) else {
            refused &+= 1
            return false
        }
        waiting.append(packet)
        return true
    }

    /// Moves the frames of a batch in, in order, until one is refused.
    ///
    /// - Returns: whether all fit; those that did not stay in `batch` and were not counted.
    ///   O(1) for a batch that fits whole.
    public mutating func append(contentsOf batch: inout PacketQueue) -> Bool {
        if waiting.count + batch.count <= packetsMax && waiting.byteCount + batch.byteCount <= bytesMax {
            waiting.append(contentsOf: &batch)
            return true
        }
        while !batch.isEmpty {
            let next = batch.removeFirst()
            guard admits(next.totalCount) else {
                batch.prepend(next)
                return false
            }
            waiting.append(next)
        }
        return true
    }

    /// Moves all frames that wait, or the first `packetsMax` of them, behind those of `batch`.
    ///
    /// - Complexity: O(1) when all are moved.
    @inlinable
    public mutating func takeAll(into batch: inout PacketQueue, packetsMax: Int = .max) {
        batch.append(first: packetsMax, of: &waiting)
    }

    /// Puts back, in front, what a device did not take.
    public mutating func giveBack(_ batch: inout PacketQueue) {
        batch.append(contentsOf: &waiting)
        waiting.append(contentsOf: &batch)
    }

    /// Drops all frames that wait, as when the device is gone.
    ///
    /// - Returns: how many.
    public mutating func removeAll() -> Int {
        defer { waiting.removeAll() }
        return waiting.count
    }
}
