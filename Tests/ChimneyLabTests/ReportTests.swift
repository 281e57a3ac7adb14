import ChimneyCapture
import ChimneyLab
import ChimneyPrimitives
import Foundation
import Testing

@Suite struct ReportTests {
    private func sample() throws -> Lab {
        let lab = try Sample.pair(.ipv4, .ipv6, seed: 4)
        try lab.link("lan").faults = LinkFaults(loss: 0.2, corruption: 0.1)
        try lab.flow(FlowSettings(name: "a<b>&\"c\"", from: "a", to: "b", byteCount: 24...3_000))
        try lab.flow(FlowSettings(from: "b", to: "a", family: .ipv6, byteCount: 24...3_000))
        try lab.ping(PingSettings(from: "b", to: "a", family: .ipv6))
        try lab.at(.seconds(1), .setLink("lan", isUp: false))
        try lab.at(.seconds(2), .endFaults, .setLink("lan", isUp: true))
        return lab
    }

    @Test func theReportTellsWhatTheRecordsTellInEveryForm() throws {
        let lab = try sample()
        lab.run(.seconds(6))
        let report = lab.report(name: "sample")
        let flow = try #require(report.flows.first)
        #expect(flow.sent == lab.flows[0].sent && flow.received + flow.lost == flow.sent && flow.received > 100)
        #expect(report.flows.map(\.address) == ["10.0.0.2", "2001:db8::1"] && report.pings[0].address == "2001:db8::1")
        #expect(report.links[0].drops.contains { $0.name == "down" } && report.violations.isEmpty)
        #expect(report.journal.map(\.at) == [1, 2, 2] && report.traceHash.count == 16)
        #expect(UInt64(report.traceHash, radix: 16) == lab.traceHash)
        let delays = try #require(flow.delays)
        #expect(delays.min <= delays.median && delays.median <= delays.p99 && delays.p99 <= delays.max)
        let decoded = try JSONDecoder().decode(LabReport.self, from: Data(report.json().utf8))
        #expect(decoded == report)
        let text = report.text()
        #expect(text.contains("trace hash \(report.traceHash)") && text.contains("udpChecksumBad"))
        #expect(text.contains("a (6)") && !text.contains("b (6)"))
        let page = report.html()
        #expect(page.contains("<polyline") && page.contains("a&lt;b&gt;&amp;") && !page.contains("a<b>"))
        #expect(page.contains("link: lost") && page.contains("<rect"))
    }

    @Test func equalRunsGiveEqualReportsByteByByte() throws {
        func page() throws -> String {
            let lab = try sample()
            lab.run(.seconds(3))
            return lab.report().html() + lab.report().json()
        }
        let first = try page()
        #expect(try page() == first)
    }

    @Test func theCaptureHoldsEveryFrameOfEveryLink() throws {
        let lab = try Sample.chain(.ipv4, .ipv6, seed: 2, routers: 2)
        // Addresses are announced while the lab is built.
        let earlier = lab.links.map(\.counters.sent)
        final class Box { var bytes: [UInt8] = [] }
        let all = Box()
        let one = Box()
        let captures = [
            lab.capture { all.bytes += $0 }, lab.capture([try lab.link("l2")]) { one.bytes += $0 },
        ]
        try lab.flow(FlowSettings(from: "a", to: "b", byteCount: 24...4_000))
        try lab.flow(FlowSettings(from: "a", to: "b", family: .ipv6, port: 5_001, byteCount: 24...4_000))
        lab.run(.seconds(2))
        for capture in captures { capture.flush() }
        func frames(_ bytes: [UInt8]) throws -> (links: [String?], count: UInt64) {
            var reader = try CaptureReader(bytes)
            var count: UInt64 = 0
            while try reader.next() != nil { count += 1 }
            return (reader.interfaces.map(\.name), count)
        }
        let whole = try frames(all.bytes)
        #expect(
            whole.links == ["l1", "l2", "l3"]
                && whole.count == lab.links.reduce(0) { $0 + $1.counters.sent } - earlier.reduce(0, +))
        let single = try frames(one.bytes)
        #expect(try single.links == ["l2"] && single.count == lab.link("l2").counters.sent - earlier[1])
        #expect(captures[0].byteCount == all.bytes.count)
    }

    @Test func quantilesOfDelaysAreRightToThreePerCent() {
        var histogram = DelayHistogram()
        #expect(histogram.quantile(0.5) == .zero)
        for value in 1...100_000 { histogram.add(.microseconds(Int64(value))) }
        for part in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let exact = part * 1e8
            let found = Double(histogram.quantile(part).nanoseconds)
            #expect(abs(found - exact) <= exact * 0.03, "\(part)")
        }
        #expect(histogram.shortest == .microseconds(1) && histogram.longest == .milliseconds(100))
    }
}
