#if YAML
    import ChimneyConfiguration
    import ChimneyPrimitives
    import Testing

    @Suite struct MulticastConfigurationTests {
        private func interface(_ words: String) throws -> InterfaceConfiguration {
            let text = "stacks: [{name: a, interfaces: [{name: e, driver: tap, device: d, \(words)}]}]"
            let stacks = try DaemonConfiguration.reading(text: text, file: "x.yaml").stacks
            return try #require(stacks.first?.interfaces.first)
        }

        private func message(_ words: String) -> String {
            do {
                let interface = try interface(words)
                return "read: \(interface)"
            } catch {
                return "\(error)"
            }
        }

        @Test func reportingIsReadOfBothFamilies() throws {
            let e = try interface(
                "ipv6: manual, igmp: {version: 2, robustness: 3, queries: kernel, link_local_groups: off},"
                    + " mld: {version: auto, lightweight: on}")
            #expect(e.igmp.version == 2 && e.igmp.robustness == 3 && e.igmp.queries == .kernel)
            #expect(!e.igmp.reportsLinkLocalGroups && !e.igmp.isLightweight)
            #expect(e.mld.version == nil && e.mld.isLightweight && e.mld.queries == .standard)
            #expect(e.mld.reportsLinkLocalGroups)
        }

        @Test func whatIsNotSaidIsWhatTheStandardsSay() throws {
            let e = try interface("mtu: 1500")
            #expect(e.igmp == ReportingConfiguration() && e.mld == ReportingConfiguration() && e.groups == [])
            #expect(e.igmp.version == nil && e.igmp.robustness == nil && e.igmp.reportsLinkLocalGroups)
        }

        @Test func groupsAreReadWithTheirSources() throws {
            let e = try interface(
                "ipv6: manual, groups: [239.1.1.1, {group: 232.1.1.1, sources: [10.0.0.2, 10.0.0.1]},"
                    + " {group: \"ff15::1\", except: [\"2001:db8::1\"]}]")
            #expect(e.groups.map { "\($0.group)" } == ["239.1.1.1", "232.1.1.1", "ff15::1"])
            #expect(e.groups[0].sources == nil && e.groups[0].exceptions == [])
            #expect(e.groups[1].sources?.map { "\($0)" } == ["10.0.0.2", "10.0.0.1"])
            #expect(e.groups[2].sources == nil && e.groups[2].exceptions.map { "\($0)" } == ["2001:db8::1"])
        }

        @Test func theMulticastHostExampleIsReadWhole() throws {
            let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
                .joined(separator: "/")
            let file = try DaemonConfiguration.reading(contentsOf: path + "/Examples/multicast-host.yaml")
            let stack = try #require(file.stacks.first)
            let e = try #require(stack.interfaces.first)
            #expect(stack.membershipBounds.membershipsPerSocketMax == 100_000)
            #expect(stack.membershipBounds.sourcesPerFilterMax == 10_000)
            #expect(e.igmp.queries == .kernel && e.igmp.version == nil && e.mld == ReportingConfiguration())
            #expect(e.groups.map { "\($0.group)" } == ["239.1.2.3", "232.1.1.1", "ff15::1"])
            #expect(e.groups[1].sources?.count == 1 && e.groups[2].exceptions.count == 1)
        }

        @Test func boundsOfMembershipsAreRead() throws {
            let text =
                "stacks: [{name: a, multicast: {memberships_per_socket: 20, memberships: 1_000,"
                + " sources_per_filter: 10, sources: 0}}, {name: b}]"
            let stacks = try DaemonConfiguration.reading(text: text, file: "x.yaml").stacks
            let bounds = stacks[0].membershipBounds
            #expect(bounds.membershipsPerSocketMax == 20 && bounds.membershipsMax == 1_000)
            #expect(bounds.sourcesPerFilterMax == 10 && bounds.sourcesMax == 0)
            #expect(stacks[1].membershipBounds == MembershipBounds())
        }

        @Test func everyWrongKeyIsOneErrorWithItsPlace() {
            let place = "stacks[0].interfaces[0]."
            let table: [(words: String, end: String)] = [
                ("igmp: {version: 4}", "igmp.version: expected a number from 1 to 3, or auto, found \"4\""),
                ("igmp: {version: new}", "igmp.version: expected a number from 1 to 3, or auto, found \"new\""),
                (
                    "ipv6: manual, mld: {version: 3}",
                    "mld.version: expected a number from 1 to 2, or auto, found \"3\""
                ),
                ("igmp: {robustness: 8}", "igmp.robustness: expected a number from 1 to 7, or auto, found \"8\""),
                ("igmp: {robustness: 0}", "igmp.robustness: expected a number from 1 to 7, or auto, found \"0\""),
                ("igmp: {queries: linux}", "igmp.queries: expected one of standard, kernel, found \"linux\""),
                (
                    "igmp: {version: 2, lightweight: on}",
                    "igmp.lightweight: version 2 has no lists of sources that could be left out"
                ),
                (
                    "ipv6: manual, mld: {link_local_groups: on}",
                    "mld: unknown key \"link_local_groups\"; known keys are version, robustness, lightweight, queries"
                ), ("mld: {}", "mld: an interface that does not speak IPv6 has no \"mld\""),
                (
                    "groups: [10.0.0.1]",
                    "groups[0]: expected a group such as 239.1.2.3 or ff15::1, found \"10.0.0.1\""
                ),
                ("groups: [239.1.1.1, 239.1.1.1]", "groups[1]: the group \"239.1.1.1\" was already named in line 1"),
                ("groups: [\"ff15::1\"]", "groups[0]: an interface that does not speak IPv6 cannot be in ff15::1"),
                (
                    "groups: [{group: 232.1.1.1, sources: []}]",
                    "groups[0].sources: expected at least one source, found a list"
                ),
                (
                    "groups: [{group: 232.1.1.1, sources: [239.0.0.1]}]",
                    "groups[0].sources[0]: expected an address that sends, found \"239.0.0.1\""
                ),
                (
                    "groups: [{group: 232.1.1.1, sources: [\"2001:db8::1\"]}]",
                    "groups[0].sources[0]: 2001:db8::1 and 232.1.1.1 are of different families"
                ),
                (
                    "groups: [{group: 232.1.1.1, sources: [10.0.0.1, 10.0.0.1]}]",
                    "groups[0].sources[1]: the source \"10.0.0.1\" was already named in line 1"
                ),
                (
                    "groups: [{group: 239.1.1.1, sources: [10.0.0.1], except: [10.0.0.2]}]",
                    "groups[0].except: a group has \"sources\" or \"except\", but not both"
                ),
            ]
            for row in table {
                let message = message(row.words)
                #expect(message.hasSuffix(": " + place + row.end), "\(message)")
            }
        }

        @Test func loopbackHasNobodyToTell() {
            let text = "stacks: [{name: a, interfaces: [{name: lo, driver: loopback, igmp: {}}]}]"
            #expect(throws: ConfigurationError.self) { try DaemonConfiguration.reading(text: text, file: "x.yaml") }
            let groups = "stacks: [{name: a, interfaces: [{name: lo, driver: loopback, groups: [239.1.1.1]}]}]"
            #expect(throws: Never.self) { try DaemonConfiguration.reading(text: groups, file: "x.yaml") }
        }

        @Test func moreGroupsThanAnInterfaceMayNameAreRefused() {
            func groups(_ count: Int) -> String {
                let names = (0..<count).map { "239.1.\($0 / 256).\($0 % 256)" }
                return "groups: [\(names.joined(separator: ", "))]"
            }
            #expect(message(groups(GroupConfiguration.groupsMax)).hasPrefix("read: "))
            #expect(message(groups(GroupConfiguration.groupsMax + 1)).hasSuffix("has more than 4096 elements"))
            let sources = (0...GroupConfiguration.sourcesMax).map { "10.0.\($0 / 256).\($0 % 256)" }
            let list = "[\(sources.joined(separator: ", "))]"
            #expect(message("groups: [{group: 232.1.1.1, sources: \(list)}]").hasSuffix("more than 1024 elements"))
        }
    }
#endif
