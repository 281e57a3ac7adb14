extension LabReport {
    /// The report as one page without scripts or further files: tables, and plots of throughput, delay and drops.
    ///
    /// At most `plotsMax` flows are drawn, those with the most bytes.
    public func html(plotsMax: Int = 12) -> String {
        let drawn = flows.enumerated().sorted {
            ($1.element.receivedBytes, $0.offset) < ($0.element.receivedBytes, $1.offset)
        }.prefix(plotsMax).map(\.element)
        var body = "<h1>\(Self.escaped(name))</h1>\n"
        body += "<p>seed \(seed), \(virtualSeconds) s of virtual time, trace hash <code>\(traceHash)</code></p>\n"
        if violations.isEmpty {
            body += "<p class=\"good\">All checks are kept.</p>\n"
        } else {
            let items = violations.map { "<li>\(Self.escaped($0))</li>" }.joined()
            body += "<p class=\"bad\">Violations</p><ul>\(items)</ul>\n"
        }
        if !drawn.isEmpty {
            body += "<h2>Throughput, Mbit/s</h2>\n" + plot(drawn) { $0.throughput.map { $0 / 1e6 } }
            body += "<h2>Delay, ms</h2>\n" + plot(drawn) { $0.delay }
        }
        body += "<h2>Drops by reason</h2>\n" + dropBars()
        body += "<h2>All numbers</h2>\n<pre>\(Self.escaped(text(rowsMax: 500)))</pre>\n"
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>\(Self.escaped(name))</title><style>
            body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
            pre { overflow-x: auto; font-size: 12px; line-height: 1.35 } svg { width: 100%; height: auto }
            .good { color: #1b7837 } .bad { color: #b2182b; font-weight: bold } svg text { font: 11px system-ui, sans-serif; fill: #444 }
            </style></head><body>
            \(body)</body></html>

            """
    }

    private static var colours: [String] {
        [
            "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
            "#17becf", "#393b79", "#637939",
        ]
    }

    /// One line for each flow over the whole time, the largest value at the top.
    private func plot(_ drawn: [Flow], _ values: (Flow) -> [Double]) -> String {
        let left = 50.0
        let width = 700.0
        let height = 220.0
        let top = drawn.flatMap(values).max() ?? 0
        let scale = top > 0 ? top : 1
        let end = max(virtualSeconds, 0.001)
        var out = "<svg viewBox=\"0 0 960 260\" role=\"img\">"
        for step in 0...4 {
            let y = 10 + height * Double(4 - step) / 4
            out += "<line x1=\"\(left)\" x2=\"\(left + width)\" y1=\"\(y)\" y2=\"\(y)\" stroke=\"#ddd\"/>"
            out += "<text x=\"\(left - 4)\" y=\"\(y + 4)\" text-anchor=\"end\">"
            out += "\(Self.decimal(scale * Double(step) / 4))</text>"
            let x = left + width * Double(step) / 4
            out += "<text x=\"\(x)\" y=\"248\" text-anchor=\"middle\">\(Self.decimal(end * Double(step) / 4)) s</text>"
        }
        for (position, flow) in drawn.enumerated() {
            let colour = Self.colours[position % Self.colours.count]
            let points = values(flow).enumerated().map { bucket, value in
                let seconds = min(end, (Double(bucket) + 0.5) * flow.bucketSeconds)
                let x = left + width * seconds / end
                return "\(Self.decimal(x)),\(Self.decimal(10 + height * (1 - value / scale)))"
            }
            out += "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.5\" "
            out += "points=\"\(points.joined(separator: " "))\"/>"
            let y = 20 + position * 18
            out += "<rect x=\"770\" y=\"\(y - 9)\" width=\"10\" height=\"10\" fill=\"\(colour)\"/>"
            out += "<text x=\"786\" y=\"\(y)\">\(Self.escaped(flow.name))</text>"
        }
        for entry in journal {
            let x = Self.decimal(left + width * min(entry.at, end) / end)
            out += "<line x1=\"\(x)\" x2=\"\(x)\" y1=\"10\" y2=\"230\" stroke=\"#999\" stroke-dasharray=\"3 3\">"
            out += "<title>\(Self.escaped(entry.action))</title></line>"
        }
        return out + "</svg>\n"
    }

    /// A bar for each reason, links' and stacks' reasons together, the largest first.
    private func dropBars() -> String {
        var sums: [Count] = []
        func add(_ counts: [Count], _ prefix: String) {
            for count in counts {
                let name = "\(prefix) \(count.name)"
                if let position = sums.firstIndex(where: { $0.name == name }) {
                    sums[position].count += count.count
                } else {
                    sums.append(Count(name: name, count: count.count))
                }
            }
        }
        for link in links { add(link.drops, "link:") }
        for node in nodes { add(node.drops, "stack:") }
        guard !sums.isEmpty else { return "<p>None.</p>\n" }
        sums.sort { ($1.count, $0.name) < ($0.count, $1.name) }
        let largest = Double(sums[0].count)
        var out = "<svg viewBox=\"0 0 960 \(sums.count * 20 + 10)\" role=\"img\">"
        for (position, sum) in sums.enumerated() {
            let y = position * 20 + 5
            let width = Self.decimal(max(1, 600 * Double(sum.count) / largest))
            out += "<text x=\"240\" y=\"\(y + 12)\" text-anchor=\"end\">\(Self.escaped(sum.name))</text>"
            out += "<rect x=\"250\" y=\"\(y)\" width=\"\(width)\" height=\"15\" fill=\"#d62728\"/>"
            out += "<text x=\"860\" y=\"\(y + 12)\">\(sum.count)</text>"
        }
        return out + "</svg>\n"
    }

    private static func escaped(_ text: String) -> String {
        var out = ""
        for character in text {
            switch character {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            default: out.append(character)
            }
        }
        return out
    }
}
