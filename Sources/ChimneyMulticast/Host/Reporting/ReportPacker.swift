import ChimneyPrimitives
import ChimneyWire

/// Puts group records into as few reports as a link's MTU allows, in the order in which they come.
struct ReportPacker<Address: MembershipAddress> {
    /// The most bytes of a message.
    private let bytesMax: Int
    private var records: [GroupRecord<Address>] = []
    private var byteCount = Address.reportByteCount
    /// How many reports were finished.
    private(set) var count: UInt64 = 0

    /// An MTU that is too small even for one source of one group counts as large enough for it.
    init(mtu: Int) {
        let least = Address.reportByteCount + Address.recordByteCount + Address.byteCount
        bytesMax = max(least, min(mtu, 65_535) - Address.overheadByteCount)
    }

    /// Takes a record; reports that it fills go out (RFC 9776 §4.2.16).
    mutating func append(_ record: GroupRecord<Address>, to output: inout MembershipOutput<Address>) {
        let room = bytesMax - Address.reportByteCount
        if byteCount + record.byteCount <= bytesMax {
            put(record)
        } else if record.byteCount <= room {
            finish(to: &output)
            put(record)
        } else {
            finish(to: &output)
            let sourcesMax = (room - Address.recordByteCount) / Address.byteCount
            // What is not wanted cannot be told in parts: each would say that the others are. The first sources are
            // the same in every report, and those left out are received without being wanted.
            let last = record.kind.isExcluding ? min(sourcesMax, record.sources.count) : record.sources.count
            for start in stride(from: 0, to: last, by: sourcesMax) {
                finish(to: &output)
                let sources = Array(record.sources[start..<min(start + sourcesMax, last)])
                put(GroupRecord(record.kind, record.group, sources))
            }
        }
    }

    private mutating func put(_ record: GroupRecord<Address>) {
        records.append(record)
        byteCount += record.byteCount
    }

    /// Sends what is left.
    mutating func finish(to output: inout MembershipOutput<Address>) {
        guard !records.isEmpty else { return }
        output.transmissions.append(MembershipTransmission(.reportV3(records)))
        records = []
        byteCount = Address.reportByteCount
        count += 1
    }
}
