public import ChimneyPrimitives

/// What is remembered of a packet that died, for `explain`.
public struct DropRecord: Sendable, Hashable {
    /// When it died.
    public var at: Instant
    /// Why.
    public var reason: DropReason
    /// The index of the interface it came in by or was to leave by; 0 for none.
    public var interface: UInt32
    /// Its source, or 0.0.0.0 where it had none that could be read.
    public var source: IPAddress
    /// Its destination, or 0.0.0.0.
    public var destination: IPAddress
    /// Its IP protocol number, or 0.
    public var ipProtocol: UInt8
    /// Its source port, or 0.
    public var sourcePort: UInt16
    /// Its destination port, or 0.
    public var destinationPort: UInt16
}

/// The last few drops, oldest overwritten first.
struct DropHistory: Sendable {
    private var records: [DropRecord] = []
    private var next = 0
    /// At this many records the oldest is overwritten.
    private let recordsMax: Int

    init(recordsMax: Int) { self.recordsMax = max(0, recordsMax) }

    mutating func append(_ record: DropRecord) {
        if records.count < recordsMax {
            records.append(record)
        } else if recordsMax > 0 {
            records[next] = record
            next = next + 1 == recordsMax ? 0 : next + 1
        }
    }

    /// The records, oldest first.
    var ordered: [DropRecord] { Array(records[next...] + records[..<next]) }
}
