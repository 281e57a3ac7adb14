#if Tools
    import ChimneyConfiguration
    import ChimneyControl
    import ChimneyLink
    import ChimneyPrimitives
    import ChimneyRuntime
    import ChimneyStack
    import Foundation
    import Logging

    /// What `chimney up` runs: the stacks of a configuration on a shard, and the control socket on this thread.
    struct Daemon: ~Copyable {
        private let shard: Shard
        private let stacks: [RunningStack]
        private var server: ControlServer
        private let log: Logger
        /// What the log is to say of TCP, by the order of the stacks.
        private let logged: [TCPConfiguration]

        /// Makes everything that the configuration describes; on an error nothing is left behind.
        init(
            _ configuration: DaemonConfiguration, socket: String, spin: TimeSpan = .zero, log: Logger
        ) throws {
            let server: ControlServer
            do {
                server = try ControlServer(path: socket)
            } catch {
                throw CommandFailure("\(error)")
            }
            let shard: Shard
            do {
                var settings = ShardSettings()
                settings.spin = spin
                shard = try Shard(name: "chimney", settings: settings)
            } catch {
                server.close()
                throw CommandFailure("a shard could not be started: \(error)")
            }
            do {
                stacks = try Waiting.for {
                    var builder = StackBuilder(shard: shard) { log.info("\($0)") }
                    var stacks: [RunningStack] = []
                    for stack in configuration.stacks { stacks.append(try await builder.build(stack)) }
                    return stacks
                }
            } catch {
                server.close()
                try? Waiting.for { await shard.stop() }
                throw error as? CommandFailure ?? CommandFailure("\(error)")
            }
            self.server = server
            self.shard = shard
            self.log = log
            logged = configuration.stacks.map(\.tcp)
        }

        /// Ends ``run()``.
        var stopper: ControlStopper { server.stopper }

        /// Serves until the stopper is called, then takes everything down.
        mutating func run() {
            let (stacks, log, shard) = (stacks, log, shard)
            let watch = Task { await Self.watch(shard, stacks, log) }
            let watches = zip(stacks, logged).filter { $1.logsRefused || $1.logsConnections }.map { stack, settings in
                Task { await Self.watchTCP(of: stack, settings, log) }
            }
            let desk = ControlDesk(stacks: stacks)
            log.info("\(Self.words(stacks)) up, control socket \(server.path)")
            server.run { desk.session(for: $0, of: $1) }
            log.info("stopping")
            watch.cancel()
            for watch in watches { watch.cancel() }
            for stack in stacks { stack.sayFarewell() }
            try? Waiting.for { await shard.stop() }
            for stack in stacks { stack.closeFiles() }
        }

        private static func words(_ stacks: [RunningStack]) -> String {
            let names = stacks.map(\.name)
            let shown = names.prefix(8).joined(separator: ", ")
            return "\(names.count == 1 ? "stack" : "\(names.count) stacks") \(shown)\(names.count > 8 ? ", …" : "")"
        }

        /// Looks once a second at what TCP of a stack did, as far as the log is to say so.
        private static func watchTCP(of stack: RunningStack, _ settings: TCPConfiguration, _ log: Logger) async {
            let news = TCPNews()
            while !Task.isCancelled {
                let lines = try? await stack.handle.perform { stack, now in
                    news.look(at: &stack, refused: settings.logsRefused, connections: settings.logsConnections, at: now)
                }
                guard let lines else { return }
                for line in lines.refused { log.notice("\(stack.name): \(line)") }
                for line in lines.connections { log.info("\(stack.name): \(line)") }
                try? await Task.sleep(for: .seconds(1))
            }
        }

        /// Notes and logs what happens to devices.
        private static func watch(_ shard: Shard, _ stacks: [RunningStack], _ log: Logger) async {
            for await event in shard.events() {
                switch event {
                case .deviceGone(let name, let interface, let code):
                    let reason = Sentence.of(LinkDriverError.deviceGone(errno: code))
                    guard let stack = stacks.first(where: { $0.name == name }) else { continue }
                    stack.deviceIsLost(reason, interface: interface)
                    let device = stack.standings[interface]?.description ?? "device"
                    log.warning(
                        "\(name)/\(stack.interfaceName(interface)): \(device) is \(reason); the interface is down")
                case .deviceDown(let name, let interface):
                    guard let stack = stacks.first(where: { $0.name == name }) else { continue }
                    log.warning("\(name)/\(stack.interfaceName(interface)): the device was switched off")
                case .deviceUp(let name, let interface):
                    guard let stack = stacks.first(where: { $0.name == name }) else { continue }
                    log.notice("\(name)/\(stack.interfaceName(interface)): the device was switched on")
                case .filterFailed(let name, let interface, let code):
                    let reason = Sentence.of(LinkDriverError.failed(errno: code))
                    guard let stack = stacks.first(where: { $0.name == name }) else { continue }
                    log.warning(
                        "\(name)/\(stack.interfaceName(interface)): the device was not told which groups it is to let in: \(reason)"
                    )
                case .membership, .membershipsMissed:
                    continue
                }
            }
        }
    }
#endif
