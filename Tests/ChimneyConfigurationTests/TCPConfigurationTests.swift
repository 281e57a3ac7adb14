#if YAML
    import ChimneyConfiguration
    import ChimneyPrimitives
    import Testing

    @Suite struct TCPConfigurationTests {
        private func reading(_ tcp: String) throws(ConfigurationError) -> TCPConfiguration {
            try DaemonConfiguration.reading(text: "stacks: [{name: a, tcp: \(tcp)}]", file: "f.yaml").stacks[0].tcp
        }

        @Test func everyKeyIsRead() throws {
            let tcp = try reading(
                """
                {connections: 10, listeners: 11, backlog: 12, half_open: 13, time_wait: 14, closed_ports: silent_to_syn,
                 congestion: vegas, log_in_vain: on, log_connections: on, services: {echo: on, chargen: 1900, iperf3: on, http: 8080},
                 service_connections: 15, service_buffer: 4096, verify_signatures: off,
                 signatures: [{peers: 10.7.0.0/16, key_file: /etc/a}, {peers: "fd07::1", key_file: b}]}
                """)
            #expect(!tcp.verifiesSignatures && tcp.signatures.map(\.keyFile) == ["/etc/a", "b"])
            #expect(tcp.signatures.map(\.peers.description) == ["10.7.0.0/16", "fd07::1/128"])
            #expect(tcp.connectionsMax == 10 && tcp.listenersMax == 11 && tcp.backlogMax == 12)
            #expect(tcp.halfOpenMax == 13 && tcp.timeWaitMax == 14)
            #expect(tcp.serviceConnectionsMax == 15 && tcp.serviceBufferMax == 4_096)
            #expect(tcp.closedPorts == .silentToSYN && tcp.congestion == .vegas)
            #expect(tcp.logsRefused && tcp.logsConnections)
            #expect(tcp.services.map(\.kind) == [.echo, .chargen, .http, .iperf3])
            #expect(tcp.services.map(\.port) == [7, 1_900, 8_080, 5_201])
            #expect(try reading("{services: [http]}").services == [TCPServiceConfiguration(kind: .http, port: 80)])
        }

        @Test func whatIsNotSaidStaysAsItIsAndEachLogIsItsOwn() throws {
            #expect(try reading("{}") == TCPConfiguration())
            #expect(TCPConfiguration().services.isEmpty && TCPConfiguration().closedPorts == .reset)
            var only = TCPConfiguration()
            only.logsRefused = true
            #expect(try reading("{log_in_vain: on}") == only)
            only = TCPConfiguration()
            only.logsConnections = true
            #expect(try reading("{log_connections: on}") == only)
            let file = try DaemonConfiguration.reading(text: "stacks: [{name: a, services: [echo]}]", file: "f.yaml")
            #expect(file.stacks[0].services.count == 1 && file.stacks[0].tcp == TCPConfiguration())
        }

        @Test func mistakesAreNamedWithTheirPlace() {
            for (tcp, message) in [
                ("{closed_ports: open}", "expected one of reset, silent_to_syn, silent, found \"open\""),
                ("{connections: 0}", "expected an integer from 1 to 16777216, found \"0\""),
                ("{congestion: best}", "expected one of reno, cubic, dctcp, vegas, found \"best\""),
                ("{services: {echo: 9, discard: on}}", "echo and discard cannot both have port 9"),
                ("{services: {http: 5201, iperf3: on}}", "http and iperf3 cannot both have port 5201"),
                ("{services: [iperf]}", "expected one of echo, discard, chargen, http, iperf3, found \"iperf\""),
                ("{services: {http: 0}}", "expected an integer from 1 to 65535, found \"0\""),
                ("{service_buffer: 1}", "expected an integer from 4096 to 268435456, found \"1\""),
                ("{log_vain: on}", "log_vain"),
                (
                    "{signatures: [{peers: 10.0.0.1/8, key_file: k}]}",
                    "a prefix without bits beyond its length, 10.0.0.0/8"
                ),
                ("{signatures: [{peers: 10.0.0.0/8}]}", "key_file"),
            ] {
                do throws(ConfigurationError) {
                    _ = try reading(tcp)
                    Issue.record("\(tcp) was read")
                } catch {
                    #expect("\(error)".contains(message), "\(error)")
                    #expect("\(error)".contains("stacks[0].tcp"), "\(error)")
                }
            }
        }

        @Test func servicesOfStreamsAreNotThoseOfDatagrams() {
            #expect(throws: ConfigurationError.self) {
                try DaemonConfiguration.reading(text: "stacks: [{name: a, services: [iperf3]}]", file: "f.yaml")
            }
        }
    }
#endif
