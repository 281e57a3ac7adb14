#if YAML
    import ChimneyConfiguration
    import ChimneyPrimitives
    import Testing

    @Suite struct DaemonConfigurationTests {
        private func example(_ name: String) throws -> DaemonConfiguration {
            let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
                .joined(separator: "/")
            return try DaemonConfiguration.reading(contentsOf: path + "/Examples/\(name).yaml")
        }

        @Test func faultsOfALineAreRead() throws {
            let text = """
                stacks:
                  - name: a
                    interfaces:
                      - {name: e, driver: tap, device: t0, faults: {loss: 1%, reorder: 0.02, duplicate: 0, seed: 9}}
                      - {name: f, driver: tap, device: t1}
                """
            let interfaces = try DaemonConfiguration.reading(text: text, file: "f").stacks[0].interfaces
            var faults = FaultsConfiguration()
            faults.loss = 0.01
            faults.reordering = 0.02
            faults.seed = 9
            #expect(interfaces[0].faults == faults)
            #expect(interfaces[1].faults == nil)
        }

        @Test func theLANRouterExampleIsReadWhole() throws {
            let router = try #require(try example("lan-router").stacks.first)
            #expect(router.forwarding && router.interfaces.map(\.ipv6) == [.automatic, .manual])
            #expect(router.interfaces.map(\.dhcp) == [true, false])
            let lan = try #require(router.interfaces[1].advertisement)
            #expect(lan.prefixes.map(\.isOnLink) == [true, false] && lan.lifetime == .seconds(1_800))
        }

        @Test func theTapHostExampleIsReadWhole() throws {
            let file = try example("tap-host")
            #expect(file.controlSocket == "/run/chimney/red.sock")
            let red = try #require(file.stacks.first)
            #expect(file.stacks.count == 1 && red.name == "red" && !red.forwarding && red.fibCount == 1)
            let interface = try #require(red.interfaces.first)
            guard case .tap("chim0", let kernel) = interface.driver else {
                Issue.record("\(interface.driver)")
                return
            }
            #expect(kernel.map(\.description) == ["10.7.0.1/24", "fd07::1/64"])
            #expect(interface.addresses.map(\.description) == ["10.7.0.2/24", "fd07::2/64"])
            #expect(interface.ipv6 == .manual)
            #expect(red.routes.map(\.destination) == [.v4(.all), .v6(.all)])
            #expect(red.services.map(\.port) == [7, 9, 19])
        }

        @Test func pipesRoutesAndServicesAreReadAsWritten() throws {
            let file = try DaemonConfiguration.reading(
                text: """
                    stacks:
                      - name: a
                        forwarding: on
                        fibs: 2
                        settings: {ttl: 32, send_redirects: off, socket_receive_bytes: 64KiB}
                        interfaces:
                          - {name: p0, driver: pipe, peer: b/p0, mac: 02:00:00:00:00:0a, mtu: 9_000, acd: off}
                          - {name: lo, driver: loopback, addresses: [127.0.0.1/8], fib: 1}
                        routes:
                          - {to: 10.0.0.0/8, via: 10.1.0.1, metric: 7, fib: 1}
                          - {to: 192.0.2.0/24, kind: blackhole}
                        proxy_arp: [{interface: p0, addresses: 10.9.0.0/16}]
                        services: [chargen, echo]
                      - name: b
                        interfaces: [{name: p0, driver: pipe, peer: a/p0}]
                        services: {echo: on, discard: off, chargen: 1900}
                    """, file: "x.yaml")
            let a = file.stacks[0]
            #expect(a.forwarding && a.fibCount == 2 && a.timeToLive == 32 && !a.sendsRedirects)
            #expect(a.socketReceiveBytesMax == 65_536)
            #expect(a.interfaces[0].mac == MACAddress(bits: 0x0200_0000_000A) && a.interfaces[0].mtu == 9_000)
            #expect(a.interfaces[0].driver == .pipe(stack: "b", interface: "p0"))
            #expect(!a.interfaces[0].detectsConflicts && a.interfaces[1].fib == 1)
            #expect(a.routes[0].metric == 7 && a.routes[0].fib == 1 && a.routes[1].kind == .blackhole)
            #expect(a.proxyARP.first?.prefix.length == 16)
            #expect(a.services.map(\.kind) == [.chargen, .echo])
            #expect(file.stacks[1].services.map(\.port) == [7, 1_900])
        }

        @Test func offloadsAreAutomaticUnlessToldOtherwise() throws {
            func read(_ text: String) throws(ConfigurationError) -> InterfaceConfiguration.OffloadChoice? {
                try DaemonConfiguration.reading(
                    text: "stacks: [{name: a, interfaces: [{name: e0, driver: tap, device: t0\(text)}]}]",
                    file: "x.yaml"
                ).stacks.first?.interfaces.first?.offloads
            }
            #expect(try read("") == .auto)
            for (text, choice) in [
                ("auto", .auto), ("on", .on), ("true", .on), ("checksum", .checksum), ("off", .off), ("no", .off),
            ] as [(String, InterfaceConfiguration.OffloadChoice)] {
                #expect(try read(", offloads: \(text)") == choice)
            }
            #expect(throws: ConfigurationError.self) { try read(", offloads: some") }
        }

        @Test func repetitionWritesOutElementsWithComputedNumbers() throws {
            let file = try DaemonConfiguration.reading(
                text: """
                    stacks:
                      - repeat: {r: 1..2, h: 1..3}
                        name: host-{r}-{h}
                        fibs: "{r*10+h}"
                        interfaces:
                          - repeat: {n: "0..{r}"}
                            name: eth{n}
                            driver: loopback
                            addresses: ["10.{r}.{n}.{h%2+100}/24"]
                    """, file: "x.yaml")
            #expect(
                file.stacks.map(\.name) == ["host-1-1", "host-1-2", "host-1-3", "host-2-1", "host-2-2", "host-2-3"])
            #expect(file.stacks.map(\.fibCount) == [11, 12, 13, 21, 22, 23])
            #expect(file.stacks[0].interfaces.count == 2 && file.stacks[5].interfaces.count == 3)
            #expect(file.stacks[5].interfaces[2].addresses[0].address == .v4(IPv4Address(10, 2, 2, 101)))
        }

        @Test func interfaceSpeaksIPv6WhenItIsToldToOrHasAnAddressOfIt() throws {
            for (words, ipv6) in [
                ("addresses: [10.7.0.2/24]", InterfaceConfiguration.IPv6Choice.off),
                ("addresses: [10.7.0.2/24, 2001:db8::2/64]", .manual), ("addresses: [fe80::5/64]", .manual),
                ("ipv6: manual", .manual), ("ipv6: automatic", .automatic), ("ipv6: off", .off),
                ("ipv6: automatic, addresses: [2001:db8::2/64]", .automatic),
            ] {
                let text = "stacks: [{name: a, interfaces: [{name: e, driver: afpacket, device: d, \(words)}]}]"
                let file = try DaemonConfiguration.reading(text: text, file: "x.yaml")
                #expect(file.stacks[0].interfaces[0].ipv6 == ipv6, "\(words)")
            }
        }

        @Test func whatARouterAdvertisesIsReadWithTheDefaultsOfRFC4861() throws {
            let file = try DaemonConfiguration.reading(
                text: """
                    stacks:
                      - name: a
                        forwarding: on
                        settings: {temporary_addresses: on}
                        interfaces:
                          - name: lan
                            driver: tap
                            device: t
                            advertise:
                              prefixes:
                                - 2001:db8:1::/64
                                - {prefix: 2001:db8:2::/64, valid: 120m, preferred: 30m, autonomous: off}
                              interval: 10s
                              lifetime: 60s
                              preference: high
                              mtu: 1400
                              routes: [2001:db8:9::/48]
                              dns: [2001:db8:1::53]
                          - {name: wan, driver: afpacket, device: e, dhcp: on, ipv6: automatic}
                          - {name: dmz, driver: tap, device: d, advertise: {}}
                    """, file: "x.yaml")
            let stack = file.stacks[0]
            let lan = try #require(stack.interfaces[0].advertisement)
            #expect(stack.makesTemporaryAddresses && stack.interfaces[0].ipv6 == .manual && !stack.interfaces[0].dhcp)
            #expect(lan.prefixes.map { "\($0.prefix)" } == ["2001:db8:1::/64", "2001:db8:2::/64"])
            #expect(lan.prefixes[0].valid == .seconds(2_592_000) && lan.prefixes[0].preferred == .seconds(604_800))
            #expect(lan.prefixes[1].valid == .seconds(7_200) && lan.prefixes[1].preferred == .seconds(1_800))
            #expect(lan.prefixes[0].isAutonomous && !lan.prefixes[1].isAutonomous && lan.prefixes[1].isOnLink)
            #expect(lan.interval == .seconds(10) && lan.lifetime == .seconds(60))
            #expect(lan.preference == .high && lan.mtu == 1_400)
            #expect(lan.routes.map { "\($0)" } == ["2001:db8:9::/48"])
            #expect(lan.nameServers.map { "\($0)" } == ["2001:db8:1::53"])
            #expect(stack.interfaces[1].dhcp && stack.interfaces[1].advertisement == nil)
            #expect(stack.interfaces[2].advertisement == AdvertisementConfiguration())
        }

        @Test func routesOfBothFamiliesAreRead() throws {
            let file = try DaemonConfiguration.reading(
                text: """
                    stacks:
                      - name: a
                        interfaces: [{name: e, driver: afpacket, device: d, ipv6: manual}]
                        routes:
                          - {to: default, via: 10.0.0.1}
                          - {to: default, via: 2001:db8::1}
                          - {to: "::/0", via: fe80::1, interface: e}
                          - {to: default, via: fe80::1%e}
                          - {to: 2001:db8:5::/48, kind: blackhole}
                          - {to: 2001:db8::7, interface: e}
                    """, file: "x.yaml")
            let routes = file.stacks[0].routes.map { route in
                "\(route.destination) \(route.gateway.map { "\($0)" } ?? "-") \(route.interface ?? "-")"
            }
            #expect(
                routes == [
                    "0.0.0.0/0 10.0.0.1 -", "::/0 2001:db8::1 -", "::/0 fe80::1 e", "::/0 fe80::1 e",
                    "2001:db8:5::/48 - -", "2001:db8::7/128 - e",
                ])
        }
    }
#endif
