import ChimneyPrimitives
import ChimneyWire
import FuzzSupport

/// A message whose type comes first, and again as it was read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe fuzzing(start, count) { bytes in
        guard let view = try? MLDView(bytes) else { return }
        consume(view.isChecksumValid(from: .any, to: .allNodes))
        do {
            switch try view.content() {
            case .query(let query):
                var copy = MembershipQuery<IPv6Address>(
                    query.version, group: query.group, maxResponseTime: query.maxResponseTime)
                copy.suppressesRouters = query.suppressesRouters
                copy.robustness = UInt8(query.robustness ?? 0)
                copy.queryInterval = query.queryInterval ?? .zero
                copy.sources = (0..<query.sources.count).map { query.sources[$0] }
                demand(query.robustness.map { (1...7).contains($0) } ?? true, "robustness has three bits")
                demand(copy.byteCount <= bytes.byteCount, "a query is no longer than its bytes")
                demand(again(.query(copy)) == .query(copy), "a query reads as itself")
            case .reportV1(let group):
                demand(again(.reportV1(group)) == .reportV1(group), "a report of version 1 reads as itself")
            case .reportV2(let group):
                demand(again(.reportV2(group)) == .reportV2(group), "a report of version 2 reads as itself")
            case .leave(let group): demand(again(.leave(group)) == .leave(group), "a leave reads as itself")
            case .reportV3(let views):
                let message = MLDMessage.reportV3(records(views))
                demand(message.byteCount <= bytes.byteCount, "a report is no longer than its bytes")
                demand(again(message) == message, "a report reads as itself")
            }
        } catch { consume(error) }
    }
}

/// The records of a report that are of a known kind.
func records(_ views: GroupRecordsView<IPv6Address>) -> [GroupRecord<IPv6Address>] {
    var views = views
    var records: [GroupRecord<IPv6Address>] = []
    while let view = views.next() {
        guard let kind = view.kind else { continue }
        records.append(GroupRecord(kind, view.group, (0..<view.sources.count).map { view.sources[$0] }))
    }
    return records
}

/// A message as it is read once it was written, `nil` when it cannot be.
func again(_ message: MLDMessage) -> MLDMessage? {
    let bytes = written(message.byteCount) { span in
        message.write(into: &span, source: .any, destination: .allNodes)
    }
    guard let view = try? MLDView(unsafe bytes.span.bytes), view.isChecksumValid(from: .any, to: .allNodes),
        let content = try? view.content()
    else { return nil }
    switch content {
    case .query(let query):
        var copy = MembershipQuery<IPv6Address>(
            query.version, group: query.group, maxResponseTime: query.maxResponseTime)
        copy.suppressesRouters = query.suppressesRouters
        copy.robustness = UInt8(query.robustness ?? 0)
        copy.queryInterval = query.queryInterval ?? .zero
        copy.sources = (0..<query.sources.count).map { query.sources[$0] }
        return .query(copy)
    case .reportV1(let group): return .reportV1(group)
    case .reportV2(let group): return .reportV2(group)
    case .leave(let group): return .leave(group)
    case .reportV3(let views): return .reportV3(records(views))
    }
}
