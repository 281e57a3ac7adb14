#if YAML
    import ChimneyConfiguration
    import ChimneyPrimitives
    import Testing

    @Suite struct DaemonConfigurationTests {
        @Test func theTapHostExampleIsReadWhole() throws {
            let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
                .joined(separator: "/")
            let file = try DaemonConfiguration.reading(contentsOf: path + "/Examples/tap-host.yaml")
            #expect(file.controlSocket == "/run/chimney/red.sock")
            let red = try #require(file.stacks.first)
            #expect(file.stacks.count == 1 && red.name == "red" && !red.forwarding && red.fibCount == 1)
            let interface = try #require(red.interfaces.first)
            let kernel = AddressSetting(address: IPv4Address(10, 7, 0, 1), prefixLength: 24)
            #expect(interface.driver == .tap(device: "chim0", kernel: kernel))
            #expect(interface.addresses == [AddressSetting(address: IPv4Address(10, 7, 0, 2), prefixLength: 24)])
            #expect(red.routes.first?.destination == AddressSetting(address: .any, prefixLength: 0))
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
            #expect(a.proxyARP.first?.prefix.prefixLength == 16)
            #expect(a.services.map(\.kind) == [.chargen, .echo])
            #expect(file.stacks[1].services.map(\.port) == [7, 1_900])
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
            #expect(file.stacks[5].interfaces[2].addresses[0].address == IPv4Address(10, 2, 2, 101))
        }
    }
#endif
