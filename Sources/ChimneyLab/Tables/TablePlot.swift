/// A table of numbers as an SVG of lines: one for each congestion control, over the rows it has in order.
struct TablePlot {
    let title: String
    /// What stands below each place.
    let places: [String]
    let lines: [(name: String, values: [Double])]

    /// The picture; equal numbers give equal text.
    var svg: String {
        let width = 640.0
        let height = 240.0
        let left = 48.0
        let highest = lines.flatMap(\.values).max() ?? 0
        let top = highest > 0 ? highest : 1
        var out =
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 320\" font-family=\"sans-serif\" font-size=\"11\">\n"
        out += "<rect width=\"800\" height=\"320\" fill=\"#fff\"/>\n"
        out += "<text x=\"\(Self.short(left))\" y=\"16\" font-size=\"13\">\(title)</text>\n"
        for step in 0...4 {
            let y = 28 + height * Double(4 - step) / 4
            out += "<line x1=\"\(Self.short(left))\" x2=\"\(Self.short(left + width))\" y1=\"\(Self.short(y))\" "
            out += "y2=\"\(Self.short(y))\" stroke=\"#ddd\"/>"
            out += "<text x=\"\(Self.short(left - 4))\" y=\"\(Self.short(y + 4))\" text-anchor=\"end\">"
            out += "\(Self.short(top * Double(step) / 4))</text>\n"
        }
        func x(_ place: Int) -> Double { left + width * (Double(place) + 0.5) / Double(max(1, places.count)) }
        for (place, name) in places.enumerated() {
            out += "<text x=\"\(Self.short(x(place)))\" y=\"286\" text-anchor=\"end\" "
            out += "transform=\"rotate(-30 \(Self.short(x(place))) 286)\">\(name)</text>\n"
        }
        for (number, line) in lines.enumerated() {
            let colour = Self.colours[number % Self.colours.count]
            let points = line.values.enumerated().map {
                "\(Self.short(x($0.offset))),\(Self.short(28 + height * (1 - $0.element / top)))"
            }
            out +=
                "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\" points=\"\(points.joined(separator: " "))\"/>\n"
            out += "<text x=\"700\" y=\"\(40 + number * 18)\" fill=\"\(colour)\">\(line.name)</text>\n"
        }
        return out + "</svg>\n"
    }

    private static var colours: [String] { ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"] }

    private static func short(_ value: Double) -> String { String(LabReport.decimal(value).dropLast(2)) }
}

extension TCPTable {
    /// The plot of rows of this table together with rows of other senders, as SVG: of the lab's those of the controls that the
    /// others have as well.
    public func svg(of rows: [[String]], beside others: [[String]]) -> String {
        let lab = rows.filter { row in others.contains { $0.first?.contains(row[0]) == true } }
        let complete = others.filter { $0.count == columns.count }
        return svg(of: lab.map { ["\($0[0]), lab"] + $0.dropFirst() } + complete)
    }

    /// The plot of rows of this table, as SVG.
    public func svg(of rows: [[String]]) -> String {
        let value: Int
        let place: ([String]) -> String
        let title: String
        switch self {
        case .throughput:
            (value, title) = (4, "Mbit/s, by round trip, queue and loss")
            place = { "\($0[1]) ms, \($0[2]) bdp, \($0[3]) %" }
        case .fairness:
            (value, title) = (2, "Jain's index, by flows")
            place = { $0[1] }
        case .queueDelay:
            (value, title) = (2, "mean wait in ms, by queue")
            place = { "\($0[1]) bdp" }
        case .recovery:
            (value, title) = (3, "ms until fast again, by lost frames")
            place = { $0[1] }
        }
        var names: [String] = []
        for row in rows where !names.contains(row[0]) { names.append(row[0]) }
        let lines = names.map { name in
            (name, rows.filter { $0[0] == name }.map { Double($0[value]) ?? 0 })
        }
        return TablePlot(title: title, places: rows.filter { $0[0] == names.first }.map(place), lines: lines).svg
    }
}
