import ChimneyControl
import Testing

@testable import ChimneyCommand

@Suite struct ReportTextTests {
    @Test func columnsAreAsWideAsTheirWidestCell() {
        var table = TextTable("A", "Head")
        table.add("long cell", "x")
        table.add("y", "")
        #expect(table.text == "A          Head\nlong cell  x\ny\n")
    }

    @Test func interfaceIsShownWithEverythingThatIsKnown() {
        var report = InterfaceReport(name: "eth0", index: 2, kind: "ethernet", state: "gone", mtu: 1_500)
        report.device = "chim0 is gone: No such device"
        report.mac = "02:00:00:00:00:02"
        report.addresses = [
            AddressReport(address: "10.7.0.2", prefixLength: 24, broadcast: "10.7.0.255", state: "usable"),
            AddressReport(address: "10.7.0.9", prefixLength: 32, broadcast: nil, state: "tentative"),
            AddressReport(address: "2001:db8::2", prefixLength: 64, state: "usable", origin: "manual"),
            AddressReport(
                address: "2001:db8:1::2", prefixLength: 64, state: "deprecated", origin: "automatic",
                preferredSeconds: 0, validSeconds: 3_599.6),
        ]
        report.ipv6 = "automatic"
        report.dhcp = "bound"
        report.nameServers = ["2001:db8:1::53", "10.7.0.1"]
        report.receivedPackets = 1
        report.transmitDrops = 3
        #expect(
            ReportText.interfaces([report]) == """
                eth0: gone, ethernet, index 2, mtu 1500
                    device chim0 is gone: No such device
                    mac 02:00:00:00:00:02
                    inet 10.7.0.2/24 broadcast 10.7.0.255
                    inet 10.7.0.9/32 (tentative)
                    inet6 2001:db8::2/64
                    inet6 2001:db8:1::2/64 (deprecated, automatic) preferred 0 s valid 3600 s
                    dhcp bound
                    ipv6 automatic
                    dns 2001:db8:1::53 10.7.0.1
                    in  1 packet, 0 bytes
                    out 0 packets, 0 bytes, 3 dropped

                """)
    }

    @Test func routesAndNeighboursAndSocketsAreTables() {
        let route = RouteReport(
            destination: "0.0.0.0/0", gateway: "10.7.0.1", interface: "eth0", metric: 0, kind: "unicast", fib: 0,
            isUsable: false)
        #expect(
            ReportText.routes([route]) == """
                Destination  Gateway   Interface  Metric  Kind            Origin      FIB
                0.0.0.0/0    10.7.0.1  eth0       0       unicast (down)  configured  0

                """)
        let neighbour = NeighbourReport(address: "10.7.0.1", mac: nil, interface: "eth0", state: "incomplete")
        #expect(
            ReportText.neighbours([neighbour]) == """
                Address   MAC  Interface  State
                10.7.0.1  -    eth0       incomplete

                """)
        #expect(
            ReportText.sockets([SocketReport(transport: "udp", local: "0.0.0.0:7", remote: nil)]).contains(
                "0.0.0.0:7  *"))
    }

    @Test func dropSaysWhenWhyAndWhat() {
        let drop = DropReport(
            secondsAgo: 1.25, reason: "portClosed", explanation: "no socket is bound to the destination port",
            interface: "eth0", source: "10.7.0.1", destination: "10.7.0.2", ipProtocol: 17, sourcePort: 4_000,
            destinationPort: 99)
        #expect(
            ReportText.drops([drop])
                == "1.250 s ago  portClosed on eth0  10.7.0.1:4000 > 10.7.0.2:99 udp: no socket is bound to the destination port\n"
        )
        #expect(ReportText.drops([]) == "no packet that matches has died lately\n")
    }

    @Test func endpointsOfIPv6AreBracketed() {
        let drop = DropReport(
            secondsAgo: 0, reason: "portClosed", explanation: "closed", interface: nil, source: "2001:db8::1",
            destination: "fe80::2", ipProtocol: 17, sourcePort: 4_000, destinationPort: 99)
        #expect(ReportText.drops([drop]) == "0.000 s ago  portClosed  [2001:db8::1]:4000 > [fe80::2]:99 udp: closed\n")
        #expect(ReportText.protocolName(58) == "icmp6")
    }

    @Test func explanationIsNumberedAndEndsInItsVerdict() {
        let report = ExplanationReport(
            steps: [.init(place: "route", finding: "no route")], verdict: "dropped", reason: "noRoute",
            summary: "dropped: no route leads to the destination", recentDrops: [])
        #expect(
            ReportText.explanation(report)
                == "1. route: no route\n=> dropped: no route leads to the destination (noRoute)\n")
    }

    @Test func pingSummaryCountsWhatCameBack() {
        var summary = PingSummary()
        #expect(summary.lossPercent == 0)
        for (sequence, microseconds) in [100.0, 300.0].enumerated() {
            summary.count(
                EchoReport(
                    sequence: sequence, source: "10.7.0.1", byteCount: 56, timeToLive: 64, microseconds: microseconds,
                    error: nil))
        }
        summary.count(
            EchoReport(sequence: 3, source: nil, byteCount: 0, timeToLive: nil, microseconds: nil, error: "no answer"))
        #expect(
            ReportText.summary(of: summary)
                == "3 sent, 2 received, 33% lost\nround trip min/avg/max = 0.100/0.200/0.300 ms\n")
    }

    @Test func numbersAreRoundedToTheirDigits() {
        #expect(ReportText.fixed(0.0004, 3) == "0.000")
        #expect(ReportText.fixed(0.0005, 3) == "0.001")
        #expect(ReportText.fixed(-1.5, 1) == "-1.5")
        #expect(ReportText.fixed(12.0, 2) == "12.00")
        #expect(ReportText.fixed(12.6, 0) == "13")
        #expect(ReportText.fixed(.infinity, 2) == "inf")
    }

    @Test func equalReportsAreEqualJSON() throws {
        let report = NeighbourReport(address: "10.7.0.1", mac: "02:00:00:00:00:01", interface: "eth0", state: "stale")
        #expect(
            try JSONText.line(report)
                == "{\"address\":\"10.7.0.1\",\"interface\":\"eth0\",\"mac\":\"02:00:00:00:00:01\",\"state\":\"stale\"}\n"
        )
    }
}
