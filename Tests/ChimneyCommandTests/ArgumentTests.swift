import ArgumentParser
import ChimneyControl
import ChimneyPrimitives
import Testing

@testable import ChimneyCommand

@Suite struct ArgumentTests {
    private func parsed<Command: ParsableCommand>(_ kind: Command.Type, _ words: String...) throws -> Command {
        let command = try ChimneyTool.parseAsRoot(words)
        return try #require(command as? Command)
    }

    /// The exit code and the sentence that words end in.
    private func refusal(_ words: String...) -> (code: Int32, text: String)? {
        do {
            _ = try ChimneyTool.parseAsRoot(words)
            return nil
        } catch {
            return (ChimneyTool.exitCode(for: error).rawValue, ChimneyTool.message(for: error))
        }
    }

    @Test func changesOfAnInterfaceAreRead() throws {
        let changes: [([String], InterfaceChange)] = [
            (["up"], .up(isUp: true)), (["down"], .up(isUp: false)),
            (["mac", "02:00:00:00:00:09"], .mac(address: "02:00:00:00:00:09")), (["mtu", "1400"], .mtu(bytes: 1_400)),
            (["add", "10.0.0.1/24"], .addAddress(address: "10.0.0.1/24")),
            (["delete", "10.0.0.1/24"], .removeAddress(address: "10.0.0.1")),
            (["add", "2001:db8::1/64"], .addAddress(address: "2001:db8::1/64")),
            (["delete", "2001:db8::1/64"], .removeAddress(address: "2001:db8::1")),
            (["dhcp", "on"], .dhcp(isOn: true)), (["dhcp", "off"], .dhcp(isOn: false)),
            (["name", "wan0"], .rename(name: "wan0")),
        ]
        for (words, change) in changes { #expect(try InterfaceCommand.change(words) == change) }
    }

    @Test func wrongChangesAreRefusedWithOneSentenceAndCode64() {
        let wrong = [
            ["up", "1"], ["mac"], ["mac", "02:00"], ["mtu", "67"], ["mtu", "many"], ["add", "10.0.0.1"],
            ["add", "10.0.0.1/33"], ["add", "2001:db8::1"], ["add", "2001:db8::1/129"], ["delete", "ten"],
            ["dhcp", "maybe"],
            ["sideways"], ["name"],
        ]
        for words in wrong {
            do {
                _ = try ChimneyTool.parseAsRoot(["ifconfig", "eth0"] + words)
                Issue.record("\(words) was taken")
            } catch {
                #expect(ChimneyTool.exitCode(for: error).rawValue == 64, "\(words)")
                #expect(!ChimneyTool.message(for: error).contains("\n"), "\(words)")
            }
        }
    }

    @Test func routesAreReadInTheirOneForm() throws {
        let add = try parsed(
            RouteCommand.Add.self, "route", "add", "default", "10.7.0.1", "--metric", "5", "--fib", "2")
        #expect(add.target.request == RouteRequest(destination: "0.0.0.0/0", gateway: "10.7.0.1", metric: 5, fib: 2))
        let hole = try parsed(RouteCommand.Add.self, "route", "add", "10.1.2.3/8", "--kind", "blackhole")
        #expect(hole.target.request == RouteRequest(destination: "10.0.0.0/8", kind: "blackhole"))
        let host = try parsed(RouteCommand.Delete.self, "route", "delete", "10.1.2.3")
        #expect(host.target.request.destination == "10.1.2.3/32")
        _ = try parsed(RouteCommand.Show.self, "route")
        _ = try parsed(RouteCommand.Show.self, "route", "show", "--fib", "1")
        #expect(refusal("route", "add", "10.0.0.0/8")?.code == 64)
        #expect(refusal("route", "add", "10.0.0.0/8", "nowhere")?.text == "\"nowhere\" is not an address")
        #expect(refusal("route", "add", "10.0.0.0/40", "10.7.0.1")?.code == 64)
        #expect(refusal("route", "add", "10.0.0.0/8", "--kind", "scenic")?.code == 64)
    }

    @Test func destinationIsOfTheFamilyOfItsNextHop() throws {
        for (words, destination) in [
            (["default", "2001:db8::1"], "::/0"), (["default", "fe80::1%eth0"], "::/0"),
            (["default", "-6", "--interface", "eth0"], "::/0"), (["default", "--interface", "eth0"], "0.0.0.0/0"),
            (["2001:db8:5::7/48", "2001:db8::1"], "2001:db8:5::/48"),
            (["2001:db8::7", "2001:db8::1"], "2001:db8::7/128"),
        ] {
            let command = try #require(try ChimneyTool.parseAsRoot(["route", "add"] + words) as? RouteCommand.Add)
            #expect(command.target.request.destination == destination, "\(words)")
        }
        #expect(refusal("route", "add", "10.0.0.0/8", "2001:db8::1")?.text == "10.0.0.0/8 is of another family")
        #expect(refusal("route", "add", "-4", "default", "2001:db8::1")?.text == "0.0.0.0/0 is of another family")
        #expect(refusal("route", "add", "-4", "-6", "default", "--interface", "eth0")?.code == 64)
    }

    @Test func listOfRoutesKeepsToAFamily() throws {
        #expect(try parsed(RouteCommand.Show.self, "route", "-6").only.family == .ipv6)
        #expect(try parsed(RouteCommand.Show.self, "route", "show", "-4").only.family == .ipv4)
        #expect(try parsed(RouteCommand.Show.self, "route").only.family == nil)
        #expect(try parsed(NetstatCommand.self, "netstat", "-r", "-6").only.family == .ipv6)
        #expect(refusal("netstat", "-6")?.text == "-4 and -6 go with -r")
    }

    @Test func neighboursAreChecked() throws {
        try check(IPv4Address.self, "arp", "10.0.0.1", stranger: "2001:db8::1")
        try check(IPv6Address.self, "ndp", "2001:db8::1", stranger: "10.0.0.1")
    }

    @Test func routersAndPrefixesAreThoseOfIPv6() throws {
        _ = try parsed(NeighbourCommand<IPv6Address>.Routers.self, "ndp", "routers")
        _ = try parsed(NeighbourCommand<IPv6Address>.Prefixes.self, "ndp", "prefixes", "--json")
        #expect(refusal("arp", "routers")?.code == 64)
    }

    private func check<Address: StackFamily>(
        _ family: Address.Type, _ name: String, _ address: String, stranger: String
    ) throws {
        _ = try parsed(NeighbourCommand<Address>.Show.self, name)
        _ = try parsed(NeighbourCommand<Address>.Show.self, name, "list", "--json")
        for verb in ["add", "set"] {
            _ = try parsed(
                NeighbourCommand<Address>.Add.self, name, verb, address, "02:00:00:00:00:01", "--interface", "eth0")
        }
        _ = try parsed(NeighbourCommand<Address>.Delete.self, name, "delete", address)
        _ = try parsed(NeighbourCommand<Address>.Flush.self, name, "flush")
        #expect(refusal(name, "add", address, "02:00:00:00:00:01")?.code == 64)
        #expect(refusal(name, "add", address, "zz", "--interface", "eth0")?.code == 64)
        #expect(refusal(name, "delete", stranger)?.text == "\"\(stranger)\" is not an \(Address.familyName) address")
    }

    @Test func explainHasTwoForms() throws {
        let own = try parsed(ExplainCommand.self, "explain", "10.7.0.1")
        #expect(own.request == ExplainRequest(destination: "10.7.0.1"))
        let arriving = try parsed(ExplainCommand.self, "explain", "10.7.0.1", "10.7.0.2", "--udp", "7", "--ttl", "1")
        let expected = ExplainRequest(
            source: "10.7.0.1", destination: "10.7.0.2", ipProtocol: 17, destinationPort: 7, timeToLive: 1)
        #expect(arriving.request == expected)
        _ = try parsed(ExplainCommand.self, "explain", "--drops", "10.7.0.1", "--reason", "noRoute", "--last", "3")
        #expect(refusal("explain")?.code == 64)
        #expect(refusal("explain", "1.1.1.1", "2.2.2.2", "3.3.3.3")?.code == 64)
        #expect(refusal("explain", "--drops", "1.1.1.1", "2.2.2.2")?.code == 64)
        #expect(refusal("explain", "2.2.2.2", "--udp", "70000")?.code == 64)
        #expect(refusal("explain", "2.2.2.2", "--udp", "7", "--proto", "17")?.code == 64)
        let linkLocal = try parsed(ExplainCommand.self, "explain", "fe80::1%eth0")
        #expect(linkLocal.request == ExplainRequest(destination: "fe80::1%eth0"))
        #expect(refusal("explain", "2.2.2.2", "2001:db8::1")?.text == "the addresses are of different families")
    }

    @Test func pingAndCaptureKeepTheirBounds() throws {
        let ping = try parsed(PingCommand.self, "ping", "10.7.0.1", "-c", "3", "-i", "0.2", "-s", "65507", "-t", "9")
        let expected = PingRequest(
            destination: "10.7.0.1", count: 3, intervalMilliseconds: 200, byteCount: 65_507, timeToLive: 9)
        #expect(ping.request == expected)
        for words in [["-c", "0"], ["-s", "65508"], ["-t", "0"], ["-t", "256"], ["-i", "-1"], ["-W", "0"]] {
            #expect(throws: (any Error).self) { try ChimneyTool.parseAsRoot(["ping", "10.7.0.1"] + words) }
        }
        let wide = try parsed(PingCommand.self, "ping", "fe80::1%eth0", "-s", "65527")
        #expect(wide.request == PingRequest(destination: "fe80::1%eth0", byteCount: 65_527))
        #expect(refusal("ping", "fe80::1%eth0", "-s", "65528")?.code == 64)
        #expect(refusal("ping", "10.7.0.1%eth0")?.text == "\"10.7.0.1%eth0\" is not an address")
        let capture = try parsed(
            CaptureCommand.self, "capture", "eth0", "-w", "x.pcapng", "-c", "5", "--seconds", "2.5", "udp", "port", "7")
        #expect(
            capture.request
                == CaptureRequest(interface: "eth0", count: 5, milliseconds: 2_500, filter: ["udp", "port", "7"]))
        for words in [["-c", "0"], ["--seconds", "0"], ["--snap", "3"], ["port"], ["colour", "red"]] {
            #expect(throws: (any Error).self) { try ChimneyTool.parseAsRoot(["capture", "eth0"] + words) }
        }
    }

    @Test func netstatShowsOneThingAtATime() throws {
        #expect(try parsed(NetstatCommand.self, "netstat", "-s", "--json").statistics)
        #expect(refusal("netstat", "-r", "-s")?.code == 64)
    }

    @Test func unknownWordsAreTheParsersErrors() {
        #expect(refusal("fly")?.code == 64)
        #expect(refusal("ping", "10.7.0.1", "--loudly")?.code == 64)
        #expect(refusal("ping")?.code == 64)
    }

    @Test func commandWithoutARunningChimneyFailsWithOneSentence() throws {
        let command = try parsed(NetstatCommand.self, "netstat", "--socket", "/nowhere/chimney.sock")
        #expect(
            throws: CommandFailure(
                "no chimney answers on the control socket /nowhere/chimney.sock; is `chimney up` running?")
        ) { try command.run() }
    }
}
