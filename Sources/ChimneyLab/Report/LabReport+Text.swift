internal import Foundation

extension LabReport {
    /// The report as tables for a terminal; long lists are cut to `rowsMax` rows each.
    public func text(rowsMax: Int = 40) -> String {
        var out = "lab \(name), seed \(seed): \(virtualSeconds) s of virtual time, \(events) events\n\n"
        out += Self.table(
            ["flow", "from", "to", "mode", "sent", "received", "lost", "twice", "overtaken", "damaged"]
                + ["min ms", "median", "p99", "max"],
            flows.map { flow in
                [
                    flow.name, flow.from, Self.target(flow.to, flow.address), flow.mode, "\(flow.sent)",
                    "\(flow.received)", "\(flow.lost)",
                    "\(flow.duplicated)", "\(flow.reordered)", "\(flow.damaged)",
                ] + Self.cells(flow.delays)
            }, leftColumns: 4, rowsMax: rowsMax)
        out += Self.table(
            ["tcp", "from", "to", "mode", "congestion", "outcome", "sent", "received", "damaged", "Mbit/s", "seconds"]
                + ["again", "timeouts", "marks", "rtt ms", "p99", "max"],
            streams.map { stream in
                [
                    stream.name, stream.from, Self.target(stream.to, stream.address), stream.mode, stream.congestion,
                    stream.outcome, "\(stream.written)", "\(stream.received)", "\(stream.damaged)",
                    Self.decimal(stream.goodput / 1e6), stream.completionSeconds.map(Self.decimal) ?? "-",
                    "\(stream.retransmissions)", "\(stream.timeouts)", "\(stream.congestionMarks)",
                ] + Self.cells(stream.roundTrips).dropFirst()
            }, leftColumns: 6, rowsMax: rowsMax)
        out += Self.table(
            ["ping", "from", "to", "sent", "answered", "twice", "errors", "min ms", "median", "p99", "max"],
            pings.map { ping in
                [
                    ping.name, ping.from, Self.target(ping.to, ping.address), "\(ping.sent)", "\(ping.received)",
                    "\(ping.duplicated)",
                    "\(ping.errors)",
                ] + Self.cells(ping.delays)
            }, leftColumns: 3, rowsMax: rowsMax)
        out += Self.table(
            ["receiver", "group", "wants", "flow", "from", "now", "sent", "received", "not asked for"],
            receivers.map { receiver in
                [
                    receiver.name, receiver.group, receiver.filter, receiver.flow, receiver.from, receiver.decision,
                    "\(receiver.sent)", "\(receiver.received)", "\(receiver.wrong)",
                ]
            }, leftColumns: 6, rowsMax: rowsMax)
        out += Self.table(
            ["querier", "asks in", "group", "oldest host", "settled", "believes", "hosts want"],
            believed.map { group in
                [
                    group.querier, group.version, group.group, group.oldestHost, group.isSettled ? "yes" : "no",
                    group.believed, group.wanted,
                ]
            }, leftColumns: 7, rowsMax: rowsMax)
        out += Self.table(
            ["link", "sent", "delivered", "copied", "twice", "held back", "damaged", "marked", "in flight", "dropped"],
            links.map { link in
                [
                    link.name, "\(link.sent)", "\(link.delivered)", "\(link.replicated)", "\(link.duplicated)",
                    "\(link.reordered)", "\(link.corrupted)", "\(link.marked)", "\(link.inFlight)",
                    Self.cell(link.drops),
                ]
            }, leftColumns: 1, rowsMax: rowsMax)
        out += Self.table(
            ["node", "received", "created", "sent", "forwarded", "delivered", "consumed", "dropped"],
            nodes.map { node in
                [
                    node.name, "\(node.received)", "\(node.created)", "\(node.transmitted)", "\(node.forwarded)",
                    "\(node.delivered)", "\(node.consumed)", Self.cell(node.drops),
                ]
            }, leftColumns: 1, rowsMax: rowsMax)
        for entry in journal {
            out += "at \(entry.at) s: \(entry.action)\(entry.failure.map { " FAILED: \($0)" } ?? "")\n"
        }
        if !journal.isEmpty { out += "\n" }
        if violations.isEmpty {
            let groups = receivers.isEmpty && believed.isEmpty ? "" : ", groups"
            out += "checks: conservation, bounds, no duplicates, integrity, streams\(groups): all kept\n"
        } else {
            out += "checks: \(violations.count) VIOLATIONS\n" + violations.map { "  \($0)\n" }.joined()
        }
        return out + "trace hash \(traceHash)\n"
    }

    /// The report as JSON with sorted keys.
    public func json() -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// A node by its name, and where that stands for an address of IPv6 with the number of its version.
    private static func target(_ name: String, _ address: String) -> String {
        name == address || !address.contains(":") || name.contains(":") ? name : "\(name) (6)"
    }

    private static func cells(_ delays: Delays?) -> [String] {
        guard let delays else { return ["-", "-", "-", "-"] }
        return [decimal(delays.min), decimal(delays.median), decimal(delays.p99), decimal(delays.max)]
    }

    private static func cell(_ counts: [Count]) -> String {
        counts.isEmpty ? "-" : counts.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
    }

    /// A number with three decimals.
    static func decimal(_ value: Double) -> String {
        let thousandths = Int64((value * 1_000).rounded())
        let fraction = String(abs(thousandths % 1_000))
        return "\(thousandths / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
    }

    /// Columns as wide as their widest cell; the last one is left as it is.
    private static func table(_ head: [String], _ rows: [[String]], leftColumns: Int, rowsMax: Int) -> String {
        guard !rows.isEmpty else { return "" }
        let shown = [head] + rows.prefix(rowsMax)
        let widths = head.indices.map { column in shown.map { $0[column].count }.max() ?? 0 }
        var out = ""
        for row in shown {
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                if column < leftColumns { return column == row.count - 1 ? cell : cell + space }
                return column == row.count - 1 && head[column] == "dropped" ? cell : space + cell
            }
            out += cells.joined(separator: "  ") + "\n"
        }
        if rows.count > rowsMax { out += "… and \(rows.count - rowsMax) more\n" }
        return out + "\n"
    }
}
