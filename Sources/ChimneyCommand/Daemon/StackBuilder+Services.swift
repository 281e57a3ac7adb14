import ChimneyConfiguration
import ChimneyPrimitives
import ChimneyRuntime
import ChimneySockets
import ChimneyStack
import ChimneyTCP

extension StackBuilder {
    /// Opens the services of a configuration.
    ///
    /// - Parameters:
    ///   - configuration: the stack's.
    ///   - stack: the stack.
    ///   - notes: gets the lines that services have for the log.
    /// - Throws: `CommandFailure`, naming the service that could not be opened.
    static func openServices(
        of configuration: StackConfiguration, on stack: StackHandle, notes: @escaping @Sendable (String) -> Void
    ) async throws {
        try await stack.onShard { cell, _ in
            for service in configuration.services { try StackService.open(service, on: cell) }
        }
        for service in configuration.tcp.services {
            let settings = try await stack.perform { stack, _ in
                TCPSettings(ofServices: service.kind, configuration.tcp, from: stack.settings.tcp.connection)
            }
            let most = configuration.tcp.serviceConnectionsMax
            func open(_ kind: ServiceConfiguration.Kind) async throws {
                let simple = ServiceConfiguration(kind: kind, port: service.port)
                try await stack.onShard { cell, _ in
                    try TCPService.open(simple, settings, connectionsMax: most, on: cell)
                }
            }
            do {
                switch service.kind {
                case .echo: try await open(.echo)
                case .discard: try await open(.discard)
                case .chargen: try await open(.chargen)
                case .http:
                    try await HTTPService.open(
                        port: service.port, settings: settings, connectionsMax: most, on: stack, notes: notes)
                case .iperf3:
                    try await IperfService.open(port: service.port, settings: settings, on: stack, notes: notes)
                }
            } catch TCPSocketError.listen(let error) {
                throw CommandFailure("\(stack.name): the TCP service \(service.kind.rawValue): \(Sentence.of(error))")
            }
        }
    }
}

extension TCPSettings {
    /// Those of a service's connections.
    ///
    /// A peer that reads or writes no more is not waited for without end, since it would keep a place from others.
    init(ofServices kind: TCPServiceConfiguration.Kind, _ bounds: TCPConfiguration, from settings: TCPSettings) {
        self = settings
        let standard =
            switch kind {
            case .echo, .discard, .chargen: 65_536
            case .http: 1_048_576
            case .iperf3: 4_194_304
            }
        sendBufferMax = bounds.serviceBufferMax ?? standard
        receiveBufferMax = sendBufferMax
        userTimeout = .seconds(120)
        var keepAlive = KeepAlive()
        keepAlive.idle = .seconds(600)
        self.keepAlive = keepAlive
    }
}
