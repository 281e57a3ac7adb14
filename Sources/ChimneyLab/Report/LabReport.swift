import ChimneyPrimitives
import ChimneyStack

/// What happened in a lab, as plain values: for a table, a page or another program.
///
/// It holds virtual time only, so that equal runs give equal reports, byte by byte.
public struct LabReport: Hashable, Sendable, Codable {
    /// The lab's name.
    public var name: String
    /// The number everything followed from.
    public var seed: UInt64
    /// How much virtual time has passed.
    public var virtualSeconds: Double
    /// ``Lab/traceHash`` in sixteen hexadecimal digits.
    public var traceHash: String
    /// How many events have happened.
    public var events: UInt64
    /// The nodes, in the order they were added.
    public var nodes: [Node]
    /// The links, in the order they were added.
    public var links: [Link]
    /// The flows, in the order they were added.
    public var flows: [Flow]
    /// The TCP streams, in the order they were added.
    public var streams: [Stream]
    /// The pings, in the order they were added.
    public var pings: [Ping]
    /// What receivers of groups got, receiver by receiver and flow by flow.
    public var receivers: [Receiver]
    /// What queriers believe of groups, querier by querier.
    public var believed: [Believed]
    /// The scheduled actions that were carried out.
    public var journal: [Action]
    /// What the checks found; empty when all is well.
    public var violations: [String]

    /// How often something happened, by its name.
    public struct Count: Hashable, Sendable, Codable {
        /// The name.
        public var name: String
        /// How often.
        public var count: UInt64
    }

    /// A node's ledger.
    public struct Node: Hashable, Sendable, Codable {
        /// The node's name.
        public var name: String
        /// Packets that links handed in.
        public var received: UInt64
        /// Packets made here.
        public var created: UInt64
        /// Packets handed to links.
        public var transmitted: UInt64
        /// Received packets that were routed on.
        public var forwarded: UInt64
        /// Packets put into sockets.
        public var delivered: UInt64
        /// Packets taken in by ARP, ICMP or reassembly.
        public var consumed: UInt64
        /// Packets that died, by reason.
        public var drops: [Count]
    }

    /// A link's counters.
    public struct Link: Hashable, Sendable, Codable {
        /// The link's name.
        public var name: String
        /// Cable or switch.
        public var kind: LabLink.Kind
        /// Frames sent into it.
        public var sent: UInt64
        /// Their bytes.
        public var sentBytes: UInt64
        /// Further copies that a switch made.
        public var replicated: UInt64
        /// Second copies that the duplication fault made.
        public var duplicated: UInt64
        /// Frames handed to nodes.
        public var delivered: UInt64
        /// Frames changed by the corruption fault.
        public var corrupted: UInt64
        /// Frames held back by the reordering fault.
        public var reordered: UInt64
        /// Frames that a long queue put a congestion mark on.
        public var marked: UInt64
        /// Frames under way.
        public var inFlight: UInt64
        /// Frames dropped, by reason.
        public var drops: [Count]
    }

    /// How long things took, in milliseconds.
    public struct Delays: Hashable, Sendable, Codable {
        /// The shortest.
        public var min: Double
        /// Half took no longer.
        public var median: Double
        /// All but one in a hundred took no longer.
        public var p99: Double
        /// The longest.
        public var max: Double
    }

    /// What became of a flow.
    public struct Flow: Hashable, Sendable, Codable {
        /// The flow's name.
        public var name: String
        /// The node that sent.
        public var from: String
        /// The node or address it was sent to.
        public var to: String
        /// The address that this was.
        public var address: String
        /// `one-way` or `echo`.
        public var mode: String
        /// Datagrams sent.
        public var sent: UInt64
        /// Datagrams that the sender's stack refused.
        public var refused: UInt64
        /// Datagrams that arrived.
        public var received: UInt64
        /// Their payload bytes.
        public var receivedBytes: UInt64
        /// Datagrams that did not arrive.
        public var lost: UInt64
        /// Datagrams that arrived again.
        public var duplicated: UInt64
        /// Datagrams that arrived after a later one.
        public var reordered: UInt64
        /// Datagrams that arrived with other bytes than were sent.
        public var damaged: UInt64
        /// How long they were under way; nil when none arrived.
        public var delays: Delays?
        /// How long each bucket of the series is, in seconds.
        public var bucketSeconds: Double
        /// Payload bits a second that arrived, bucket by bucket.
        public var throughput: [Double]
        /// The mean delay in milliseconds, bucket by bucket; zero where nothing arrived.
        public var delay: [Double]
    }

    /// What became of echo requests.
    public struct Ping: Hashable, Sendable, Codable {
        /// The ping's name.
        public var name: String
        /// The node that asked.
        public var from: String
        /// The node or address that was asked.
        public var to: String
        /// The address that this was.
        public var address: String
        /// Requests sent.
        public var sent: UInt64
        /// Answers.
        public var received: UInt64
        /// Further answers to one request.
        public var duplicated: UInt64
        /// ICMP errors in place of answers.
        public var errors: UInt64
        /// Times from request to answer; nil when none came.
        public var delays: Delays?
    }

    /// A scheduled action.
    public struct Action: Hashable, Sendable, Codable {
        /// When, in seconds.
        public var at: Double
        /// What.
        public var action: String
        /// Why it could not be done; nil when it was.
        public var failure: String?
    }
}

extension Lab {
    /// What has happened so far, and what the checks find now.
    public func report(name: String = "lab", checking checks: LabChecks = .all) -> LabReport {
        let digits = String(traceHash, radix: 16)
        return LabReport(
            name: name, seed: seed, virtualSeconds: Double(now.nanoseconds) / 1e9,
            traceHash: String(repeating: "0", count: 16 - digits.count) + digits, events: eventsHandled,
            nodes: nodes.map(LabReport.Node.init), links: links.map(LabReport.Link.init),
            flows: flows.map(LabReport.Flow.init), streams: streams.map(LabReport.Stream.init),
            pings: pings.map(LabReport.Ping.init),
            receivers: receiverRows, believed: believedRows, journal: journal.map(LabReport.Action.init),
            violations: check(checks).map(\.description))
    }
}

extension LabReport.Node {
    init(_ node: LabNode) {
        let ledger = node.stack.ledger
        self.init(
            name: node.name, received: ledger.received, created: ledger.created, transmitted: ledger.transmitted,
            forwarded: ledger.forwarded, delivered: ledger.delivered, consumed: ledger.consumed,
            drops: ledger.dropsByReason.map { .init(name: "\($0.reason)", count: $0.count) })
    }
}

extension LabReport.Link {
    init(_ link: LabLink) {
        let counters = link.counters
        let drops: [LabReport.Count] = LinkDropReason.allCases.compactMap { reason in
            let count = counters.dropped(reason)
            return count > 0 ? .init(name: reason.rawValue, count: count) : nil
        }
        self.init(
            name: link.name, kind: link.kind, sent: counters.sent, sentBytes: counters.sentBytes,
            replicated: counters.replicated, duplicated: counters.duplicated, delivered: counters.delivered,
            corrupted: counters.corrupted, reordered: counters.reordered, marked: counters.marked,
            inFlight: counters.inFlight, drops: drops)
    }
}

extension LabReport.Delays {
    init?(_ histogram: DelayHistogram) {
        guard histogram.count > 0 else { return nil }
        func milliseconds(_ span: TimeSpan) -> Double { Double(span.nanoseconds) / 1e6 }
        self.init(
            min: milliseconds(histogram.shortest), median: milliseconds(histogram.quantile(0.5)),
            p99: milliseconds(histogram.quantile(0.99)), max: milliseconds(histogram.longest))
    }
}

extension LabReport.Flow {
    init(_ flow: FlowRecord) {
        let series = flow.series
        let seconds = series.width.seconds
        self.init(
            name: flow.name, from: flow.settings.from, to: flow.settings.to,
            address: "\(flow.destination)", mode: flow.settings.mode.rawValue,
            sent: flow.sent, refused: flow.refused, received: flow.received, receivedBytes: flow.receivedBytes,
            lost: flow.lost, duplicated: flow.duplicated, reordered: flow.reordered, damaged: flow.damaged,
            delays: .init(flow.delays), bucketSeconds: seconds,
            throughput: series.buckets.map { Double($0.receivedBytes * 8) / seconds },
            delay: series.buckets.map {
                $0.received == 0 ? 0 : Double($0.delayNanoseconds) / Double($0.received) / 1e6
            })
    }
}

extension LabReport.Ping {
    init(_ ping: PingRecord) {
        self.init(
            name: ping.name, from: ping.settings.from, to: ping.settings.to, address: "\(ping.destination)",
            sent: ping.sent, received: ping.received,
            duplicated: ping.duplicated, errors: ping.errors, delays: .init(ping.delays))
    }
}

extension LabReport.Action {
    init(_ entry: JournalEntry) {
        self.init(
            at: Double(entry.at.nanoseconds) / 1e9, action: entry.action.description,
            failure: entry.failure.map { "\($0)" })
    }
}
