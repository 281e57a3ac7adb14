#if YAML
    import ChimneyConfiguration
    import ChimneyLab
    import ChimneyMulticast
    import ChimneyPrimitives
    import ChimneyStack
    import ChimneyWire
    import Testing

    /// What topology files say about groups.
    @Suite struct GroupTopologyTests {
        private func example(_ name: String) throws -> LabTopology {
            let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
                .joined(separator: "/")
            return try LabTopology.reading(contentsOf: "\(root)/Examples/\(name)")
        }

        @Test func theIPTVExampleShowsWhoReceivedWhatAndWhyNot() throws {
            var topology = try example("lab-iptv.yaml")
            for position in topology.flows.indices { topology.flows[position].packetsPerSecond = 5 }
            let lab = try topology.build()
            lab.run(topology.duration)
            #expect(lab.check() == [])
            var rows: [String: (UInt64, String)] = [:]
            for row in lab.report().receivers { rows["\(row.name) \(row.flow)"] = (row.received, row.decision) }
            let expected: [String: (ClosedRange<UInt64>, String)] = [
                "box-film film": (299...301, "delivered"),
                "box-film film-spam": (0...0, "multicastSourceFiltered"),
                "box-sport sport-spam": (0...0, "multicastSourceFiltered"),
                "zapper-film film": (0...0, "linkGroupNotJoined"),
                "zapper-film film-spam": (99...101, "linkGroupNotJoined"),
                "zapper-sport6 sport6": (199...201, "delivered"),
                "zapper-sport6 sport6-spam": (99...101, "delivered"),
                "old2-sport6 sport6-spam": (0...0, "multicastSourceFiltered"),
                "old1-sport sport": (149...151, "linkGroupNotJoined"),
            ]
            for (name, (count, decision)) in expected.sorted(by: { $0.key < $1.key }) {
                let row = try #require(rows[name])
                #expect(count.contains(row.0) && row.1 == decision, "\(name): \(row)")
            }
            let believed = Dictionary(uniqueKeysWithValues: lab.report().believed.map { ($0.group, $0) })
            #expect(believed["232.1.1.1"]?.believed == "only 10.0.0.1")
            #expect(believed["239.1.1.1"]?.oldestHost == "IGMPv2", "the host of version 1 left half a minute ago")
            #expect(believed["ff1e::1"]?.oldestHost == "MLDv1")
            let text = lab.report().text(rowsMax: 200)
            for line in ["multicastSourceFiltered", "only 10.0.0.1", "integrity, streams, groups: all kept"] {
                #expect(text.contains(line))
            }
        }

        /// Hosts of all versions, a querier that changes its own and a fifth of all frames lost; then the faults end.
        @Test func theGroupsExampleConvergesAfterItsFaultsAndEqualSeedsGiveEqualRuns() throws {
            let topology = try example("lab-groups.yaml")
            func run(_ seed: UInt64) throws -> Lab {
                let lab = try topology.build(seed: seed)
                lab.run(topology.duration)
                #expect(lab.check() == [])
                let querier = try lab.querier("router")
                #expect(lab.isSettled(querier))
                let lost = try lab.link("lan").counters.dropped(.lost)
                #expect(lost > 5_000 && lab.journal.allSatisfy { $0.failure == nil })
                #expect(querier.igmpSettings?.version == .v3 && querier.mldSettings?.version == .v3)
                for counters in [querier.igmpCounters, querier.mldCounters] {
                    #expect(counters.olderReports > 50 && counters.reports > 50 && counters.specificQueries > 0)
                }
                return lab
            }
            let lab = try run(7)
            #expect(lab.receptions.count == 46 && lab.receptions.allSatisfy { $0.refusals == [] })
            #expect(try run(7).traceHash == lab.traceHash)
            let rows = lab.report().believed
            #expect(rows.allSatisfy { $0.isSettled && $0.believed == $0.wanted } && rows.count > 20)
        }

        @Test func theFilesGroupsAndQueriersReachTheLab() throws {
            let topology = try LabTopology.reading(
                text: """
                    lab: t
                    links: [{name: l}]
                    hosts:
                      - name: a
                        interfaces: [{link: l, address: [10.0.0.1/24, "2001:db8::1/64"], igmp: 1, mld: {version: 1, robustness: 3, lightweight: on}}]
                        groups:
                          - {group: 239.1.1.1, port: 7, interface: eth0, except: [b, 10.0.0.9], join: 1s, leave: 9s, changes: [{at: 2s, sources: [b]}, {at: 3s}]}
                          - {name: n, group: "ff1e::1", sources: [b]}
                      - {name: b, interfaces: [{link: l, address: [10.0.0.2/24, "2001:db8::2/64"]}]}
                    queriers:
                      - {name: q, link: l, address: 10.0.0.3}
                      - {name: r, link: l, address: [10.0.0.4, "fe80::4"], igmp: 2, mld: 1, robustness: 4, interval: 7s, response: 300ms, last_member: 200ms}
                    flows: [{from: a, to: 239.1.1.1, ttl: 9, interface: eth0}]
                    events: [{at: 1s, querier: r, igmp: 1, mld: 2}, {at: 2s, link: l, toward: q, loss: 1}]
                    """, file: "t.yaml")
            let lab = try topology.build()
            let node = try lab.node("a")
            let found = node.stack.interface(named: "eth0")
            let eth0 = try #require(found)
            let (foundIGMP, foundMLD) = (node.stack.igmpSettings(of: eth0), node.stack.mldSettings(of: eth0))
            let (igmp, mld) = (try #require(foundIGMP), try #require(foundMLD))
            #expect(igmp.pinnedVersion == .v1 && igmp.pinnedRobustness == nil && !igmp.isLightweight)
            #expect(mld.pinnedVersion == .v2 && mld.pinnedRobustness == 3 && mld.isLightweight)
            let (b, other) = (LabFamily.ipv4.address(0, 2), LabFamily.ipv4.address(0, 9))
            let first = try #require(lab.receptions.first).settings
            #expect(first.name == "a-239.1.1.1-7" && first.node == "a" && first.port == 7)
            #expect(
                first.wishes == [
                    .init(at: .seconds(1), GroupFilter(.exclude, [b, other])),
                    .init(at: .seconds(2), GroupFilter(.include, [b])), .init(at: .seconds(3), .all),
                    .init(at: .seconds(9), .none),
                ])
            let second = try #require(lab.receptions.last).settings
            let b6 = try #require(IPAddress("2001:db8::2"))
            #expect(second.name == "n" && second.wishes == [.init(at: .zero, GroupFilter(.include, [b6]))])
            #expect(try lab.querier("q").mldSettings == nil)
            #expect(try lab.querier("q").igmpSettings == QuerierSettings())
            var settings = QuerierSettings()
            settings.version = .v2
            settings.robustness = 4
            settings.queryInterval = .seconds(7)
            settings.responseInterval = .milliseconds(300)
            settings.lastMemberInterval = .milliseconds(200)
            let r = try lab.querier("r")
            #expect(r.igmpSettings == settings && r.mldSettings == settings)
            let flow = try #require(topology.flows.first)
            #expect(flow.timeToLive == 9 && flow.interface == "eth0")
            var seen: [UInt8] = []
            try lab.link("l").tap = { _, frame in
                guard let view = try? EthernetView(frame), let packet = try? IPv4View(view.payload) else { return }
                if packet.protocol == .udp { seen.append(packet.timeToLive) }
            }
            lab.run(.seconds(2))
            #expect(Set(seen) == [9])
            #expect(r.igmpSettings?.version == .v1 && r.mldSettings?.version == .v3)
            #expect(lab.journal.map(\.action.description).prefix(2) == ["querier r: IGMPv1", "querier r: MLDv2"])
        }

        @Test func mistakesAboutGroupsAreNamedWithTheirPlaces() {
            let head = "lab: t\nlinks: [{name: l}]\n"
            let hosts = head + "hosts: [{name: a, interfaces: [{link: l, address: 10.0.0.1/24}]}]\n"
            func groups(_ text: String) -> String {
                head + "hosts: [{name: a, interfaces: [{link: l, address: 10.0.0.1/24}], groups: [\n\(text)]}]\n"
            }
            let table: [(text: String, message: String)] = [
                (
                    groups("{group: 10.0.0.1}"),
                    "t.yaml:4:9: hosts[0].groups[0].group: expected a group, such as 239.1.1.1 or ff15::1, found"
                        + " \"10.0.0.1\""
                ),
                (
                    groups("{group: 239.1.1.1, sources: [\"2001:db8::1\"]}"),
                    "t.yaml:4:30: hosts[0].groups[0].sources[0]: expected an address of a host, of the group's family,"
                        + " found \"2001:db8::1\""
                ),
                (
                    groups("{group: 239.1.1.1, sources: [b]}"),
                    "t.yaml:4:30: hosts[0].groups[0].sources[0]: there is no node \"b\"; did you mean \"a\"?"
                ),
                (
                    groups("{group: 239.1.1.1, sources: [a], except: [a]}"),
                    "t.yaml:4:42: hosts[0].groups[0].except: either \"sources\" are wanted or all \"except\" some"
                ),
                (
                    groups("{group: 239.1.1.1, join: 5s, leave: 4s}"),
                    "t.yaml:4:1: hosts[0].groups[0]: a group is joined first, changed in the order of time and left last"
                ),
                (
                    groups("{group: 239.1.1.1, interface: eth1}"),
                    "t.yaml:4:31: hosts[0].groups[0].interface: there is no interface \"eth1\"; did you mean \"eth0\"?"
                ),
                (
                    groups("{group: 239.1.1.1}, {group: 239.1.1.1}"),
                    "t.yaml:4:21: hosts[0].groups[1]: the receiver \"a-239.1.1.1-5000\" was already named in line 4"
                ),
                (
                    hosts + "queriers: [{name: q, link: l, address: \"2001:db8::1\"}]",
                    "t.yaml:4:40: queriers[0].address: expected an IPv4 address, or a link-local IPv6 address, one of"
                        + " each, found \"2001:db8::1\""
                ),
                (
                    hosts + "queriers: [{name: q, link: l, address: 10.0.0.2, interval: 5s}]",
                    "t.yaml:4:12: queriers[0]: hosts are to answer before they are asked again (RFC 9776 §8.3)"
                ),
                (
                    hosts + "queriers: [{name: a, link: l, address: 10.0.0.2}]",
                    "t.yaml:4:19: queriers[0].name: \"a\" is already the name of a link or node"
                ),
                (
                    hosts + "queriers: [{name: q, link: l, address: 10.0.0.2, mld: 3}]",
                    "t.yaml:4:55: queriers[0].mld: expected an integer from 1 to 2, found \"3\""
                ),
                (
                    hosts + "flows: [{from: a, to: 10.0.0.2, ttl: 3}]",
                    "t.yaml:4:38: flows[0].ttl: only a flow to a group has \"ttl\""
                ),
                (
                    hosts + "flows: [{from: a, to: 239.1.1.1, mode: echo}]",
                    "t.yaml:4:40: flows[0].mode: a flow to a group is one-way"
                ),
                (
                    hosts + "events: [{at: 1s, querier: q, igmp: 2}]",
                    "t.yaml:4:28: events[0].querier: there is no querier \"q\""
                ),
                (
                    hosts + "queriers: [{name: q, link: l, address: 10.0.0.2}]\nevents: [{at: 1s, querier: q}]",
                    "t.yaml:5:28: events[0].querier: an event of a querier names a version of igmp or mld"
                ),
                (
                    hosts + "events: [{at: 1s, link: l, loss: 1, mld: 2}]",
                    "t.yaml:4:42: events[0].mld: only an event of a querier has \"mld\""
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
