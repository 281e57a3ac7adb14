import ChimneyPrimitives
import ChimneyStack
import ChimneyWire

extension LabReport {
    /// What a receiver of a group got of one flow.
    public struct Receiver: Hashable, Sendable, Codable {
        /// The receiver's name.
        public var name: String
        /// The node.
        public var node: String
        /// The group.
        public var group: String
        /// What it wants at the end.
        public var filter: String
        /// The flow.
        public var flow: String
        /// The node that sends it.
        public var from: String
        /// Datagrams sent.
        public var sent: UInt64
        /// Datagrams received, each counted once.
        public var received: UInt64
        /// Datagrams that it had not asked for.
        public var wrong: UInt64
        /// Which part of the stack decides over a datagram of this flow at the end, and how.
        public var decision: String
    }

    /// What a querier believes of a group at the end, and what the hosts of its link want.
    public struct Believed: Hashable, Sendable, Codable {
        /// The querier.
        public var querier: String
        /// The version in which it asks.
        public var version: String
        /// The group.
        public var group: String
        /// What it believes.
        public var believed: String
        /// What hosts want.
        public var wanted: String
        /// The oldest version of the hosts that it heard lately.
        public var oldestHost: String
        /// Whether nothing was lost or changed for so long that both have to be the same.
        public var isSettled: Bool
    }
}

extension Lab {
    /// Who received what: a row for each receiver and each flow to its group and port.
    var receiverRows: [LabReport.Receiver] {
        var rows: [LabReport.Receiver] = []
        for reception in receptions {
            let settings = reception.settings
            for flow in flows where flow.destination == settings.group && flow.settings.port == settings.port {
                let arrivals = reception.arrivals(of: flow)
                rows.append(
                    LabReport.Receiver(
                        name: reception.name, node: settings.node, group: "\(settings.group)",
                        filter: reception.filter.text, flow: flow.name, from: flow.settings.from, sent: flow.sent,
                        received: arrivals.received, wrong: arrivals.wrong, decision: decision(over: flow, reception)))
            }
        }
        return rows
    }

    /// What the stack of a receiver would do with a datagram of a flow now.
    private func decision(over flow: FlowRecord, _ reception: GroupReception) -> String {
        guard let node = try? node(reception.settings.node), let sender = try? self.node(flow.settings.from),
            let source = sender.address(flow.destination.isIPv4 ? .ipv4 : .ipv6)
        else { return "-" }
        var query = FlowQuery(to: flow.destination)
        query.source = source
        query.destinationPort = flow.settings.port
        query.arrivesOn = reception.interface
        query.timeToLive = flow.settings.timeToLive
        switch node.stack.explain(query).verdict {
        case .delivered: return reception.filter.admits(source) ? "delivered" : "delivered to others"
        case .sent, .waiting: return "-"
        case .dropped(let reason): return "\(reason)"
        }
    }

    /// What queriers believe: a row for each group that they or the hosts of their links know.
    var believedRows: [LabReport.Believed] {
        var rows: [LabReport.Believed] = []
        for running in stations {
            guard let querier = running.station as? LabQuerier else { continue }
            let isSettled = isSettled(querier)
            for found in comparisons(of: querier, on: running.port.link) {
                let asked = (found.group.isIPv4 ? querier.igmpSettings : querier.mldSettings)?.version ?? .v3
                rows.append(
                    LabReport.Believed(
                        querier: querier.name, version: asked.name(isIPv4: found.group.isIPv4),
                        group: "\(found.group)", believed: found.believed.text, wanted: found.wanted.text,
                        oldestHost: found.oldestHost.name(isIPv4: found.group.isIPv4), isSettled: isSettled))
            }
        }
        return rows
    }
}

extension MembershipVersion {
    /// As in `IGMPv2` and `MLDv1`.
    func name(isIPv4: Bool) -> String { isIPv4 ? "IGMPv\(rawValue)" : "MLDv\(rawValue - 1)" }
}
