#if YAML
    import ChimneyConfiguration
    import ChimneyLab
    import ChimneyNeighbors
    import ChimneyPrimitives
    import ChimneyRouting
    import ChimneyStack
    import ChimneyTCP
    import Testing

    @Suite struct TopologyTests {
        private func example(_ name: String) throws -> LabTopology {
            let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
                .joined(separator: "/")
            return try LabTopology.reading(contentsOf: "\(root)/Examples/\(name)")
        }

        @Test func theLanExampleRunsAndItsTrafficArrives() throws {
            let topology = try example("lab-lan.yaml")
            #expect(topology.nodes.count == 9 && topology.links.count == 6 && topology.flows.count == 5)
            let lab = try topology.build()
            lab.run(topology.duration)
            #expect(lab.check() == [])
            let flows = Dictionary(uniqueKeysWithValues: lab.flows.map { ($0.name, $0) })
            for flow in lab.flows { #expect(flow.received * 10 > flow.sent * 7, "\(flow.name)") }
            let local = try #require(flows["local"])
            #expect(local.lost == 0 && local.received > 1_500)
            #expect(lab.pings.filter { $0.received > 15 }.count == 2)
            let nobody = try #require(lab.pings.first { $0.name == "nobody" })
            #expect(nobody.received == 0 && nobody.errors > 0)
            let worn = try lab.link("worn").counters
            #expect(worn.dropped(.lost) > 0 && worn.dropped(.down) > 0 && worn.corrupted > 0 && worn.duplicated > 0)
            #expect(lab.journal.count == 5 && lab.journal.allSatisfy { $0.failure == nil })
            let again = try topology.build()
            again.run(topology.duration)
            #expect(again.traceHash == lab.traceHash)
            let other = try topology.build(seed: 8)
            other.run(topology.duration)
            #expect(other.traceHash != lab.traceHash)
        }

        @Test func theCampusExampleHasAHundredHostsThatReachEachOther() throws {
            let topology = try example("lab-campus.yaml")
            #expect(topology.nodes.count == 110 && topology.flows.count == 200 && topology.pings.count == 10)
            let lab = try topology.build()
            lab.run(.milliseconds(1_500))
            #expect(lab.check() == [])
            #expect(lab.flows.allSatisfy { $0.received > 0 })
            #expect(lab.pings.allSatisfy { $0.received >= 1 })
        }

        @Test func theTCPExampleBringsEveryByteOverANarrowPath() throws {
            let topology = try example("lab-tcp.yaml")
            let controls = topology.streams.map(\.tcp.recovery.congestion.name)
            #expect(controls == ["cubic", "reno", "dctcp", "vegas", "cubic"])
            #expect(topology.streams[2].tcp.ecn == .requests && topology.streams[4].tcp.receiveBufferMax == 16_384)
            #expect(topology.streams[3].tcp.recovery.features.contains(.pacing))
            #expect(topology.links[1].settings.markPackets == 20)
            let lab = try topology.build()
            lab.run(topology.duration)
            #expect(lab.check() == [])
            #expect(lab.streams.map(\.outcome) == [String](repeating: "complete", count: 5))
            #expect(lab.streams[0].received == 16 << 20 && lab.streams[4].returned == 262_144)
            #expect(lab.streams[2].recovery.congestionMarks > 0 && lab.streams[0].recovery.retransmissions > 0)
            let text = lab.report(name: "tcp").text()
            #expect(text.contains("complete") && text.contains("dctcp"))
        }

        @Test func theDualExampleRunsOverBothFamilies() throws {
            let topology = try example("lab-dual.yaml")
            let lab = try topology.build()
            lab.run(topology.duration)
            #expect(lab.check() == [])
            for flow in lab.flows { #expect(flow.received * 10 > flow.sent * 7, "\(flow.name)") }
            for family in LabFamily.allCases {
                #expect(lab.flows.contains { LabFamily($0.destination) == family })
                #expect(lab.pings.contains { LabFamily($0.destination) == family && $0.received > 10 })
            }
            let again = try topology.build()
            again.run(topology.duration)
            #expect(again.traceHash == lab.traceHash)
            let other = try topology.build(seed: 8)
            other.run(topology.duration)
            #expect(other.traceHash != lab.traceHash)
        }

        @Test func theFilesAddressesOfBothFamiliesReachTheLab() throws {
            let topology = try LabTopology.reading(
                text: """
                    lab: dual
                    routes: none
                    links: [{name: l}, {name: m}]
                    hosts:
                      - name: a
                        dad: on
                        interfaces:
                          - {link: l, address: [10.0.0.1/24, "2001:db8::1/64", 2001:db8:5::1/64, fe80::1/64]}
                          - {link: m, address: "fe80::1/64"}
                        routes: [{to: default, via: "2001:db8::2"}, {to: 2001:db8:9::/48, via: 2001:db8:5::2, metric: 7}]
                      - {name: b, interfaces: [{link: l, address: "2001:db8::2/64"}]}
                    flows:
                      - {from: a, to: b, family: 6}
                      - {from: a, to: "fe80::2%eth1"}
                    pings: [{from: b, to: a, family: 6}, {name: second, from: b, to: "2001:db8:5::1"}]
                    """, file: "t.yaml")
            let node = try #require(topology.nodes.first)
            #expect(node.interfaces[0].addresses.count == 4 && node.duplicateDetection == .on)
            #expect(topology.nodes[1].duplicateDetection == .off)
            #expect(topology.flows.map(\.family) == [.ipv6, nil] && topology.flows[1].to == "fe80::2%eth1")
            let lab = try topology.build()
            let stack = try lab.node("a").stack.interfaces[1]
            #expect(stack.addresses.map(\.address) == [IPv4Address(10, 0, 0, 1)])
            let addresses = stack.ipv6Addresses.map(\.address.description)
            #expect(addresses.suffix(3) == ["2001:db8::1", "2001:db8:5::1", "fe80::1"])
            let far = try #require(IPv6Address("2001:db8:9::9"))
            let hop = try lab.node("a").stack.ipv6RoutingTables.lookup(destination: far)
            #expect(hop?.gateway == IPv6Address("2001:db8:5::2"))
            #expect(lab.pings.map(\.destination.description) == ["2001:db8::1", "2001:db8:5::1"])
        }

        @Test func theFilesSettingsReachTheLab() throws {
            let topology = try LabTopology.reading(
                text: """
                    lab: small
                    seed: 99
                    duration: 1.5s
                    routes: none
                    links:
                      - {name: l, kind: cable, rate: 2Mbit, delay: 3ms, jitter: 4us, mtu: 900, loss: 0.5, duplicate: 1%,
                         reorder: 2%, reorder_delay: 7ms, corrupt: 3%, corrupt_bits: 2, queue: {packets: 5, bytes: 6KiB}}
                    hosts:
                      - {name: a, interfaces: [{link: l, name: x0, address: 10.0.0.1/24, mac: 02:00:00:00:00:05, mtu: 800}],
                         routes: [{to: default, via: 10.0.0.2, metric: 3}], services: {echo: 77}}
                      - {name: b, interfaces: [{link: l, address: 10.0.0.2/24, acd: on}]}
                    flows: [{from: a, to: b, size: 100..200, rate: 5, count: 7, start: 1s, stop: 2s, pattern: burst, burst: 3}]
                    events:
                      - {at: 1s, link: l, loss: 0, toward: b}
                      - {at: 1s, link: l, state: down, rate: 1Mbit}
                    """, file: "t.yaml")
            #expect(topology.seed == 99 && topology.duration == .milliseconds(1_500) && !topology.routesEverywhere)
            let link = try #require(topology.links.first)
            #expect(
                link.settings
                    == LinkSettings(
                        bitsPerSecond: 2_000_000, delay: .milliseconds(3), jitter: .microseconds(4),
                        queuePacketsMax: 5, queueBytesMax: 6_144, mtu: 900))
            let faults = LinkFaults(
                loss: 0.5, duplication: 0.01, reordering: 0.02, reorderingDelay: .milliseconds(7), corruption: 0.03,
                corruptedBitsMax: 2)
            #expect(link.faults == faults)
            var without = faults
            without.loss = 0
            var slower = link.settings
            slower.bitsPerSecond = 1_000_000
            #expect(
                topology.events.map(\.action) == [
                    .setFaults(link: "l", without, toward: "b"), .setLink("l", isUp: false),
                    .setSettings(link: "l", slower),
                ])
            let flow = try #require(topology.flows.first)
            #expect(flow.byteCount == 100...200 && flow.count == 7 && flow.pattern == .burst(3))
            let lab = try topology.build()
            let interface = try #require(lab.node("a").stack.interfaces.first { $0.name == "x0" })
            #expect(interface.mtu == 800 && interface.mac == MACAddress(bits: 0x0200_0000_0005))
        }

        @Test func everyErrorNamesItsPlace() {
            let links = "lab: x\nlinks: [{name: l}, {name: c, kind: cable}]\n"
            let hosts = links + "hosts: [{name: a, interfaces: [{link: l, address: 10.0.0.1/24}]}]\n"
            let table: [(text: String, message: String)] = [
                ("lab: x", "t.yaml:1:1: the key \"links\" is missing"),
                ("lab: x\nlinks: []\nhots: []", "t.yaml:3:1: unknown key \"hots\"; did you mean \"hosts\"?"),
                (
                    "lab: x\nlinks: [{name: l, kind: hub}]",
                    "t.yaml:2:25: links[0].kind: expected one of cable, switch, found \"hub\""
                ),
                (
                    "lab: x\nlinks: [{name: l, loss: 2}]",
                    "t.yaml:2:25: links[0].loss: expected a probability from 0 to 1 or 0% to 100%, found \"2\""
                ),
                (
                    "lab: x\nlinks: [{name: l, rate: fast}]",
                    "t.yaml:2:25: links[0].rate: expected a rate such as 64kbit, 100Mbit or 1Gbit, at most 1000Gbit,"
                        + " found \"fast\""
                ),
                (
                    "lab: x\nlinks: [{name: l, delay: 10}]",
                    "t.yaml:2:26: links[0].delay: expected a time such as 250us, 10ms or 1.5s, at most 3600s, found \"10\""
                ),
                (
                    "lab: x\nlinks: [{name: l, queue: {bytes: 0}}]",
                    "t.yaml:2:34: links[0].queue.bytes: expected a size such as 1500 or 64KiB, from 1 to"
                        + " 1099511627776 bytes, found \"0\""
                ),
                (
                    links + "hosts: [{name: a, interfaces: [{link: ll}]}]",
                    "t.yaml:3:39: hosts[0].interfaces[0].link: there is no link \"ll\"; did you mean \"l\"?"
                ),
                (
                    links + "hosts: [{name: l, interfaces: []}]",
                    "t.yaml:3:16: hosts[0].name: \"l\" is already the name of a link"
                ),
                (
                    links + "hosts: [{repeat: {n: 1..3}, name: \"h{n}\", interfaces: [{link: c}]}]",
                    "t.yaml:3:63: hosts[2](n=3).interfaces[0].link: the link \"c\" has no port left; it has 2"
                ),
                (
                    links + "hosts: [{name: a, interfaces: [{link: l, address: 10.0.0.255/24}]}]",
                    "t.yaml:3:51: hosts[0].interfaces[0].address: expected an address that a host may have,"
                        + " found \"10.0.0.255/24\""
                ),
                (
                    hosts + "routers: [{name: b, interfaces: [{link: l, address: 10.0.0.1/24}]}]",
                    "t.yaml:4:53: routers[0].interfaces[0].address: the address \"10.0.0.1\" was already named in line 3"
                ),
                (
                    links + "hosts: [{name: a, interfaces: [{link: l}], routes: [{to: default, via: 10.0.0.1}]}]",
                    "t.yaml:3:72: hosts[0].routes[0].via: no interface of this node is on a subnet with 10.0.0.1"
                ),
                (
                    links + "hosts: [{name: a, interfaces: [{link: l, address: \"2001:db8::/64\"}]}]",
                    "t.yaml:3:51: hosts[0].interfaces[0].address: expected an address that a host may have,"
                        + " found \"2001:db8::/64\""
                ),
                (
                    links + "hosts: [{name: a, interfaces: [{link: l, mtu: 1000, address: \"2001:db8::1/64\"}]}]",
                    "t.yaml:3:62: hosts[0].interfaces[0].address: IPv6 needs an MTU of at least 1280 bytes, and here"
                        + " it is 1000"
                ),
                (
                    hosts + "flows: [{from: a, to: 10.0.0.2, family: 6}]",
                    "t.yaml:4:41: flows[0].family: the address 10.0.0.2 is of the other family"
                ),
                (
                    hosts + "flows: [{from: a, to: a, family: 5}]",
                    "t.yaml:4:34: flows[0].family: expected 4 or 6, found \"5\""
                ),
                (
                    hosts + "pings: [{from: a, to: \"fe80::1%eth9\"}]",
                    "t.yaml:4:23: pings[0].to: there is no interface \"eth9\"; did you mean \"eth0\"?"
                ),
                (
                    hosts + "flows: [{from: a, to: b}]",
                    "t.yaml:4:23: flows[0].to: there is no node \"b\"; did you mean \"a\"?"
                ),
                (
                    hosts + "flows: [{from: a, to: 10.0.0.2, size: 5}]",
                    "t.yaml:4:39: flows[0].size: expected an integer or a range a..b from 24 to 65507, found \"5\""
                ),
                (
                    hosts + "flows: [{from: a, to: 10.0.0.2}, {from: a, to: 10.0.0.2}]",
                    "t.yaml:4:34: flows[1]: the flow or ping \"a-10.0.0.2-5000\" was already named in line 4"
                ),
                (
                    hosts + "flows: [{from: a, to: 10.0.0.2, burst: 5}]",
                    "t.yaml:4:40: flows[0].burst: only the pattern burst has a \"burst\""
                ),
                (
                    hosts + "events: [{at: 1s}]",
                    "t.yaml:4:10: events[0]: an event names one of \"link\", \"node\", \"querier\" and \"end_faults\""
                ),
                (
                    hosts + "events: [{at: 1s, link: l}]",
                    "t.yaml:4:25: events[0].link: an event of a link names its state, settings or faults"
                ),
                (
                    hosts + "events: [{at: 1s, node: a, interface: eth1, state: up}]",
                    "t.yaml:4:39: events[0].interface: there is no interface \"eth1\"; did you mean \"eth0\"?"
                ),
                (
                    hosts + "events: [{at: 1s, node: a, interface: eth0, state: up, loss: 1}]",
                    "t.yaml:4:62: events[0].loss: an event of a node has no \"loss\""
                ),
            ]
            for row in table {
                do {
                    _ = try LabTopology.reading(text: row.text, file: "t.yaml")
                    Issue.record("read without an error: \(row.text)")
                } catch {
                    #expect(error.description == row.message)
                }
            }
        }
    }
#endif
