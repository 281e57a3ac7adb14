#if YAML
    @testable import ChimneyConfiguration
    import ChimneyPrimitives
    import Testing

    /// Bad files and the one line each is answered with.
    @Suite struct ConfigurationErrorTests {
        private func message(_ text: String, limits: ConfigurationLimits = .init()) -> String {
            do {
                _ = try DaemonConfiguration.reading(text: text, file: "f.yaml", limits: limits)
                return "no error"
            } catch {
                return error.description
            }
        }

        /// A stack with one interface that is written like this.
        private func interface(_ text: String) -> String {
            "stacks:\n  - name: a\n    interfaces:\n      - \(text)\n"
        }

        /// A stack with a loopback interface and this further key.
        private func stack(_ text: String) -> String {
            "stacks:\n  - name: a\n    interfaces: [{name: lo, driver: loopback}]\n    \(text)\n"
        }

        @Test func everyErrorNamesLineColumnPathAndWhatWasExpected() {
            let table: [(text: String, message: String)] = [
                ("", "f.yaml:1:1: the key \"stacks\" is missing"),
                ("- a", "f.yaml:1:1: expected a mapping with the keys control, stacks, found a list"),
                ("stacks: []", "f.yaml:1:9: stacks: expected at least one stack, found a list"),
                ("stacks:\n  - {}", "f.yaml:2:5: stacks[0]: the key \"name\" is missing"),
                ("stacks: 7", "f.yaml:1:9: stacks: expected a list, found \"7\""),
                ("stack: []", "f.yaml:1:1: unknown key \"stack\"; did you mean \"stacks\"?"),
                (
                    "stacks: []\nfrobnicate: 1",
                    "f.yaml:2:1: unknown key \"frobnicate\"; known keys are control, stacks"
                ),
                (
                    "stacks:\n  - name: a\n  - name: a",
                    "f.yaml:3:11: stacks[1].name: the stack \"a\" was already named in line 2"
                ),
                (
                    "stacks:\n  - name: a b",
                    "f.yaml:2:11: stacks[0].name: expected a name of 1 to 64 letters, digits or -_., found \"a b\""
                ),
                (
                    "stacks:\n  - name:",
                    "f.yaml:2:10: stacks[0].name: expected a name of 1 to 64 letters, digits or -_., found nothing"
                ),
                (
                    "stacks:\n  - name: a\n    fibs: 0",
                    "f.yaml:3:11: stacks[0].fibs: expected an integer from 1 to 65535, found \"0\""
                ),
                (
                    "stacks:\n  - name: a\n    forwarding: maybe",
                    "f.yaml:3:17: stacks[0].forwarding: expected on or off, found \"maybe\""
                ),
                (
                    "stacks:\n  - name: a\n    name: b",
                    "f.yaml:2:5: not valid YAML: the key \"name\" is given more than once in this mapping"
                ),
                (
                    interface("{name: e, driver: tip}"),
                    "f.yaml:4:27: stacks[0].interfaces[0].driver: expected one of tap, tun, afpacket, pipe, loopback,"
                        + " pcap, found \"tip\""
                ),
                (
                    interface("{name: e, driver: tap}"),
                    "f.yaml:4:9: stacks[0].interfaces[0]: the key \"device\" is missing"
                ),
                (
                    interface("{name: e, driver: tap, device: sixteen-bytes-xx}"),
                    "f.yaml:4:40: stacks[0].interfaces[0].device: expected a device name of at most 15 bytes,"
                        + " found \"sixteen-bytes-xx\""
                ),
                (
                    interface("{name: e, driver: loopback, device: x}"),
                    "f.yaml:4:45: stacks[0].interfaces[0].device: the driver loopback has no \"device\""
                ),
                (
                    interface("{name: e, driver: loopback, mtu: 67}"),
                    "f.yaml:4:42: stacks[0].interfaces[0].mtu: expected an integer from 68 to 65535, found \"67\""
                ),
                (
                    interface("{name: e, driver: loopback, mtu: 99999999999999999999}"),
                    "f.yaml:4:42: stacks[0].interfaces[0].mtu: expected an integer from 68 to 65535,"
                        + " found \"99999999999999999999\""
                ),
                (
                    interface("{name: e, driver: loopback, mac: 01:00:00:00:00:01}"),
                    "f.yaml:4:42: stacks[0].interfaces[0].mac: expected a unicast link address such as"
                        + " 02:00:00:00:00:01, found \"01:00:00:00:00:01\""
                ),
                (
                    interface("{name: e, driver: loopback, addresses: [10.0.0.1]}"),
                    "f.yaml:4:49: stacks[0].interfaces[0].addresses[0]: expected an address and a prefix length such as"
                        + " 10.7.0.2/24, found \"10.0.0.1\""
                ),
                (
                    interface("{name: e, driver: loopback, addresses: [224.0.0.1/24]}"),
                    "f.yaml:4:49: stacks[0].interfaces[0].addresses[0]: expected an address that a host may have,"
                        + " found \"224.0.0.1/24\""
                ),
                (
                    interface("{name: e, driver: loopback, addressess: []}"),
                    "f.yaml:4:37: stacks[0].interfaces[0]: unknown key \"addressess\"; did you mean \"addresses\"?"
                ),
                (
                    interface("{name: e, driver: loopback, fib: 1}"),
                    "f.yaml:4:42: stacks[0].interfaces[0].fib: expected an integer from 0 to 0, found \"1\""
                ),
                (
                    interface("{name: e, driver: pipe, peer: b/e}"),
                    "f.yaml:4:39: stacks[0].interfaces[0].peer: there is no stack \"b\"; did you mean \"a\"?"
                ),
                (
                    interface("{name: e, driver: pipe, peer: a/e}"),
                    "f.yaml:4:39: stacks[0].interfaces[0].peer: a pipe cannot lead back to its own interface"
                ),
                (
                    interface("{name: e, driver: pipe, peer: a/f}\n      - {name: f, driver: loopback}"),
                    "f.yaml:4:39: stacks[0].interfaces[0].peer: \"a/f\" is not a pipe whose peer is \"a/e\""
                ),
                (
                    stack("routes: [{to: default}]"),
                    "f.yaml:4:14: stacks[0].routes[0]: a route needs \"via\", \"interface\" or both"
                ),
                (
                    stack("routes: [{to: 10.0.0.0/33, via: 10.0.0.1}]"),
                    "f.yaml:4:19: stacks[0].routes[0].to: expected a prefix such as 10.0.0.0/8, an address or default,"
                        + " found \"10.0.0.0/33\""
                ),
                (
                    stack("routes: [{to: default, via: 300.0.0.1}]"),
                    "f.yaml:4:33: stacks[0].routes[0].via: expected an address, found \"300.0.0.1\""
                ),
                (
                    stack("routes: [{to: 10.0.0.0/8, via: 2001:db8::1}]"),
                    "f.yaml:4:36: stacks[0].routes[0].via: 2001:db8::1 and 10.0.0.0/8 are of different families"
                ),
                (
                    stack("routes: [{to: default, via: fe80::1}]"),
                    "f.yaml:4:33: stacks[0].routes[0].via: the link-local address fe80::1 needs \"interface\""
                ),
                (
                    stack("routes: [{to: default, via: fe80::1%li}]"),
                    "f.yaml:4:33: stacks[0].routes[0].via: there is no interface \"li\"; did you mean \"lo\"?"
                ),
                (
                    stack("routes: [{to: default, via: fe80::1%lo, interface: e}]"),
                    "f.yaml:4:33: stacks[0].routes[0].via: the zone lo and the interface e are different"
                ),
                (
                    stack("routes: [{to: \"2001:db8::1/32\", via: 2001:db8::9}]"),
                    "f.yaml:4:19: stacks[0].routes[0].to: expected a prefix without bits beyond its length,"
                        + " 2001:db8::/32, found \"2001:db8::1/32\""
                ),
                (
                    interface("{name: e, driver: afpacket, device: d, ipv6: off, addresses: [2001:db8::2/64]}"),
                    "f.yaml:4:71: stacks[0].interfaces[0].addresses[0]: an interface that does not speak IPv6 cannot"
                        + " have 2001:db8::2"
                ),
                (
                    interface("{name: e, driver: afpacket, device: d, ipv6: maybe}"),
                    "f.yaml:4:54: stacks[0].interfaces[0].ipv6: expected one of off, manual, automatic, found \"maybe\""
                ),
                (
                    interface("{name: e, driver: afpacket, device: d, addresses: [2001:db8::2/129]}"),
                    "f.yaml:4:60: stacks[0].interfaces[0].addresses[0]: expected an address and a prefix length such as"
                        + " 10.7.0.2/24, found \"2001:db8::2/129\""
                ),
                (
                    interface("{name: e, driver: tap, device: d, kernel: [10.0.0.1/8, 10.0.0.2/8]}"),
                    "f.yaml:4:51: stacks[0].interfaces[0].kernel: the kernel's side is given at most one IPv4 address"
                ),
                (
                    interface("{name: e, driver: tun, device: d, dhcp: on}"),
                    "f.yaml:4:49: stacks[0].interfaces[0].dhcp: the driver tun is no Ethernet and has no \"dhcp\""
                ),
                (
                    interface("{name: e, driver: tap, device: d, ipv6: automatic, advertise: {}}"),
                    "f.yaml:4:71: stacks[0].interfaces[0].advertise: only an interface with \"ipv6: manual\" is a"
                        + " router's"
                ),
                (
                    interface("{name: e, driver: tap, device: d, advertise: {interval: 3s}}"),
                    "f.yaml:4:65: stacks[0].interfaces[0].advertise.interval: expected a time from 4s to 1800s,"
                        + " found \"3s\""
                ),
                (
                    interface("{name: e, driver: tap, device: d, advertise: {interval: 60s, lifetime: 59s}}"),
                    "f.yaml:4:80: stacks[0].interfaces[0].advertise.lifetime: a router that is forgotten before it"
                        + " speaks again is none"
                ),
                (
                    interface("{name: e, driver: tap, device: d, advertise: {prefixes: [10.0.0.0/8]}}"),
                    "f.yaml:4:66: stacks[0].interfaces[0].advertise.prefixes[0]: expected a prefix of IPv6 such as"
                        + " 2001:db8::/64, found \"10.0.0.0/8\""
                ),
                (
                    interface(
                        "{name: e, driver: tap, device: d, advertise: {prefixes: [{prefix: 2001:db8::/64, valid: 1m,"
                            + " preferred: 2m}]}}"),
                    "f.yaml:4:112: stacks[0].interfaces[0].advertise.prefixes[0].preferred: addresses cannot be"
                        + " preferred for longer than they are valid"
                ),
                (
                    stack("proxy_arp: [{interface: lo, addresses: \"2001:db8::/32\"}]"),
                    "f.yaml:4:44: stacks[0].proxy_arp[0].addresses: expected a prefix of IPv4 such as 10.0.0.0/8,"
                        + " found \"2001:db8::/32\""
                ),
                (
                    stack("routes: [{to: default, interface: li}]"),
                    "f.yaml:4:39: stacks[0].routes[0].interface: there is no interface \"li\"; did you mean \"lo\"?"
                ),
                (
                    stack("routes: [{to: 10.0.0.0/8, kind: reject, via: 10.0.0.1}]"),
                    "f.yaml:4:50: stacks[0].routes[0].via: a route of the kind reject has no \"via\""
                ),
                (
                    stack("proxy_arp: [{interface: eth1, addresses: 10.0.0.0/8}]"),
                    "f.yaml:4:29: stacks[0].proxy_arp[0].interface: there is no interface \"eth1\""
                ),
                (
                    stack("services: {echo: 70000}"),
                    "f.yaml:4:22: stacks[0].services.echo: expected an integer from 1 to 65535, found \"70000\""
                ),
                (
                    stack("services: {echo: 9, discard: on}"),
                    "f.yaml:4:15: stacks[0].services: echo and discard cannot both have port 9"
                ),
                (
                    stack("services: [echo, echo]"),
                    "f.yaml:4:22: stacks[0].services[1]: the service \"echo\" was already named in line 4"
                ),
                (
                    stack("services: [ehco]"),
                    "f.yaml:4:16: stacks[0].services[0]: expected one of echo, discard, chargen, found \"ehco\""
                ),
                (
                    "control: /\(String(repeating: "x", count: 107))\nstacks: [{name: a}]",
                    "f.yaml:1:10: control: expected a path of 1 to 107 bytes, found \"/\(String(repeating: "x", count: 39))…\""
                ),
                (
                    "stacks: [{repeat: {r: 3..1}, name: a}]",
                    "f.yaml:1:23: stacks[0].repeat.r: expected an integer or a range a..b from 0 to 100000, found \"3..1\""
                ),
                (
                    "stacks: [{repeat: {r: 1..2}, name: a}]",
                    "f.yaml:1:36: stacks[1](r=2).name: the stack \"a\" was already named in line 1"
                ),
                (
                    "stacks: [{repeat: {r: 1..2}, name: \"a{q}\"}]",
                    "f.yaml:1:36: stacks[0].name: expected an expression of numbers, + - * / % and the variables r in {},"
                        + " found \"{q}\""
                ),
                (
                    "stacks: [{repeat: {r: 0..1}, name: \"a{1/r}\"}]",
                    "f.yaml:1:36: stacks[0].name: expected an expression of numbers, + - * / % and the variables r in {},"
                        + " found \"{1/r}\""
                ),
                (
                    "stacks: [{repeat: {}, name: a}]",
                    "f.yaml:1:19: stacks[0].repeat: expected one to three variables with ranges, such as {r: 1..10},"
                        + " found a mapping"
                ),
            ]
            for row in table { #expect(message(row.text) == row.message) }
        }

        @Test func theNetworkThatWasMeantIsTold() {
            #expect(
                message(stack("routes: [{to: 10.1.2.3/16, via: 10.0.0.1}]"))
                    == "f.yaml:4:19: stacks[0].routes[0].to: expected a prefix without bits beyond its length,"
                    + " 10.1.0.0/16, found \"10.1.2.3/16\"")
        }

        @Test func brokenYAMLIsAnErrorWithItsLine() {
            #expect(message("stacks:\n  - [a").hasPrefix("f.yaml:3:1: not valid YAML: "))
            #expect(message("stacks:\n\t- a").hasPrefix("f.yaml:2:1: not valid YAML: "))
            #expect(message("a: b\n---\nc: d").contains("another document"))
            #expect(message("{{{{").hasPrefix("f.yaml:"))
            #expect(message("? [a]\n: b").contains("expected a word as a key, found a list"))
        }

        @Test func aBombOfAliasesIsRefusedUnread() {
            var bomb = "a0: &a0 [x, x]\n"
            for level in 1...30 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
            #expect(message(bomb) == "f.yaml:2:10: anchors and aliases are not supported (&a0, *a0)")
            #expect(message("stacks: [{name: a&b*c}]").contains("expected a name"))
        }

        @Test func absurdSizesAreRefused() {
            var limits = ConfigurationLimits()
            limits.bytesMax = 100
            limits.nodesMax = 20
            #expect(message(String(repeating: " ", count: 101), limits: limits) == "f.yaml: is larger than 100 bytes")
            #expect(message(String(repeating: " ", count: 100), limits: limits).contains("is missing"))
            let list = "stacks: [" + String(repeating: "1,", count: 30) + "]"
            #expect(message(list, limits: limits).contains("describes more than 20 values"))
            #expect(
                message("stacks: [{repeat: {r: 1..9, h: 1..9}, name: x}]", limits: limits)
                    .contains("describes more than 20 values"))
            #expect(
                message("stacks: [{repeat: {a: 0..99999, b: 0..99999, c: 0..99999}}]").contains("more than 200000"))
            let deep = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
            #expect(message("stacks: " + deep).contains("is nested deeper than 16 levels"))
            #expect(message(String(repeating: "[", count: 400_000)).hasPrefix("f.yaml:"))
            let many = (0...1_024).map { "  - name: s\($0)\n" }.joined()
            #expect(message("stacks:\n" + many) == "f.yaml:2:3: stacks: has more than 1024 elements")
        }

        @Test func aFileThatIsNotThereIsAnError() {
            #expect(throws: ConfigurationError.self) { try DaemonConfiguration.reading(contentsOf: "/nowhere.yaml") }
            #expect(throws: ConfigurationError.self) { try DaemonConfiguration.reading(contentsOf: "/") }
        }

        @Test func noCutOfAGoodFileTraps() {
            let whole = stack("routes: [{to: 10.0.0.0/8, via: 10.0.0.1, metric: \"3\"}] # &a *a")
            for end in 0...whole.count { _ = message(String(whole.prefix(end))) }
            var random = StackRandom(seed: 1)
            for _ in 0..<300 {
                var bytes = Array(whole.utf8)
                for _ in 0..<3 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 9..<127, using: &random)
                }
                _ = message(String(decoding: bytes, as: UTF8.self))
            }
        }
    }
#endif
