import ChimneyAddressing
import ChimneyCapture
import ChimneyConfiguration
import ChimneyControl
import ChimneyDrivers
import ChimneyLink
import ChimneyMulticast
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyRuntime
import ChimneyStack
import ChimneyTCP
import Foundation

/// Makes what a configuration describes, on a shard.
struct StackBuilder {
    private let shard: Shard
    /// The ends of pipes whose other end was made already, by the name of the end that is to come.
    private var pipeEnds: [String: ChimneyLink.Pipe.End] = [:]

    /// Gets the lines that services have for the log.
    private let notes: @Sendable (String) -> Void

    init(shard: Shard, notes: @escaping @Sendable (String) -> Void = { _ in }) {
        self.shard = shard
        self.notes = notes
    }

    /// The stack of a configuration with its interfaces, addresses, routes, proxies and services.
    mutating func build(_ configuration: StackConfiguration) async throws -> RunningStack {
        let stack = RunningStack(
            try await shard.addStack(named: configuration.name, settings: Self.settings(of: configuration)))
        for interface in configuration.interfaces {
            if case .loopback = interface.driver {
                try await stack.handle.perform { stack, now in
                    try Self.configureLoopback(interface, of: &stack, at: now)
                }
                continue
            }
            try await attach(interface, to: stack)
        }
        try await stack.handle.perform { stack, now in
            try Self.addSignatures(configuration.tcp, to: &stack, of: configuration.name, at: now)
            for route in configuration.routes { try Self.add(route, to: &stack, of: configuration.name) }
            try Self.addProxies(configuration, to: &stack)
        }
        let (name, notes) = (configuration.name, notes)
        try await Self.openServices(of: configuration, on: stack.handle) { notes("\(name): \($0)") }
        return stack
    }

    private static func settings(of configuration: StackConfiguration) -> StackSettings {
        var settings = StackSettings()
        settings.fibCount = configuration.fibCount
        settings.forwarding = configuration.forwarding
        settings.answersEcho = configuration.answersEcho
        settings.sendsRedirects = configuration.sendsRedirects
        settings.acceptsRedirects = configuration.acceptsRedirects
        if let ttl = configuration.timeToLive { settings.timeToLive = UInt8(clamping: ttl) }
        if let most = configuration.icmpErrorsPerSecondMax { settings.icmpErrorsPerSecondMax = most }
        if let most = configuration.socketReceiveBytesMax { settings.socketReceiveBytesMax = most }
        settings.tcp.take(configuration.tcp)
        settings.membershipLimits.take(configuration.membershipBounds)
        settings.routerDiscovery.makesTemporaryAddresses = configuration.makesTemporaryAddresses
        settings.identifierSecret = identifierSecret(of: configuration.name)
        return settings
    }

    private mutating func attach(_ configuration: InterfaceConfiguration, to stack: RunningStack) async throws {
        let place = "\(stack.name)/\(configuration.name)"
        let (opened, words) = try open(configuration, of: stack.name)
        // Invariant: nobody here touches the device again, and the two ends of a pipe go to the same shard.
        nonisolated(unsafe) let driver = opened
        let (kind, ownMAC) = (opened.kind, opened.mac)
        var description = InterfaceDescription(name: configuration.name, kind: kind)
        description.mac = configuration.mac ?? ownMAC ?? Self.mac(for: place)
        description.fib = configuration.fib
        description.detectsConflicts = configuration.detectsConflicts
        description.ipv6 = configuration.ipv6.mode
        description.igmp = MembershipSettings(configuration.igmp)
        description.mld = MembershipSettings(configuration.mld)
        let index: InterfaceIndex
        do {
            index = try await unsafe stack.handle.attach(driver, description)
        } catch let error as InterfaceError {
            throw CommandFailure("\(place): \(Sentence.of(error))")
        }
        stack.setDevice(words, of: index)
        if let path = configuration.capture { try await stack.record(index, kind: kind, to: path) }
        try await stack.handle.perform { stack, now in
            if let mtu = configuration.mtu {
                do throws(InterfaceError) {
                    try stack.setMTU(index, mtu)
                } catch {
                    throw CommandFailure("\(place): \(Sentence.of(error))")
                }
            }
            try Self.addAddresses(configuration, to: index, of: &stack, place: place, at: now)
            try Self.startAddressing(configuration, of: index, of: &stack, place: place, at: now)
            try Self.joinGroups(configuration, on: index, of: &stack, place: place, at: now)
        }
    }

    /// Begins to ask a DHCP server and to speak as a router, where the interface is to.
    private static func startAddressing(
        _ configuration: InterfaceConfiguration, of index: InterfaceIndex, of stack: inout VirtualStack, place: String,
        at now: Instant
    ) throws(CommandFailure) {
        if configuration.dhcp {
            do throws(AddressError) {
                try stack.startDHCP(on: index, at: now)
            } catch {
                throw CommandFailure("\(place): dhcp: \(Sentence.of(error))")
            }
        }
        guard let advertisement = configuration.advertisement else { return }
        do throws(AdvertisingError) {
            try stack.setAdvertisements(RouterAdvertiserSettings(advertisement), on: index, at: now)
        } catch {
            throw CommandFailure("\(place): advertise: \(Sentence.of(error))")
        }
    }

    private static func addAddresses(
        _ configuration: InterfaceConfiguration, to index: InterfaceIndex, of stack: inout VirtualStack, place: String,
        at now: Instant
    ) throws(CommandFailure) {
        for setting in configuration.addresses {
            do throws(AddressError) {
                try stack.addAddress(setting.address, prefixLength: setting.prefixLength, to: index, at: now)
            } catch {
                throw CommandFailure("\(place): \(setting): \(Sentence.of(error))")
            }
        }
    }

    /// Every stack has `lo0`; a configuration may give it further addresses and another MTU.
    private static func configureLoopback(
        _ configuration: InterfaceConfiguration, of stack: inout VirtualStack, at now: Instant
    ) throws(CommandFailure) {
        let place = "\(stack.name)/\(configuration.name)"
        guard let index = stack.interface(named: "lo0") else { return }
        do throws(InterfaceError) {
            if configuration.name != "lo0" { try stack.rename(index, to: configuration.name) }
            if let mtu = configuration.mtu { try stack.setMTU(index, mtu) }
        } catch {
            throw CommandFailure("\(place): \(Sentence.of(error))")
        }
        var further = configuration
        further.addresses.removeAll { $0.address == .v4(.loopback) || $0.address == .v6(.loopback) }
        try addAddresses(further, to: index, of: &stack, place: place, at: now)
        try joinGroups(further, on: index, of: &stack, place: place, at: now)
    }

    private static func add(
        _ route: RouteConfiguration, to stack: inout VirtualStack, of stackName: String
    ) throws(CommandFailure) {
        let request = RouteRequest(
            destination: "\(route.destination)", gateway: route.gateway.map { "\($0)" }, interface: route.interface,
            metric: route.metric, kind: route.kind.rawValue, fib: route.fib)
        do throws(CommandFailure) {
            try StackAnswers.add(request, to: &stack)
        } catch {
            throw CommandFailure("\(stackName): the route to \(route.destination): \(error)")
        }
    }

    private static func addProxies(
        _ configuration: StackConfiguration, to stack: inout VirtualStack
    ) throws(CommandFailure) {
        for interface in configuration.interfaces {
            let entries = configuration.proxyARP.filter { $0.interface == interface.name }
            guard !entries.isEmpty, let index = stack.interface(named: interface.name) else { continue }
            do throws(ARPConfigurationError) {
                try stack.setProxyARP(entries.map(\.prefix), on: index)
            } catch {
                throw CommandFailure("\(configuration.name)/\(interface.name): proxy ARP is refused: \(error)")
            }
        }
    }

    // MARK: Devices

    private mutating func open(
        _ configuration: InterfaceConfiguration, of stackName: String
    ) throws(CommandFailure) -> (any LinkDriver, String) {
        let place = "\(stackName)/\(configuration.name)"
        switch configuration.driver {
        case .pipe(let stack, let interface):
            return (pipeEnd(from: place, to: "\(stack)/\(interface)", configuration), "pipe to \(stack)/\(interface)")
        case .pcap(let input, let output):
            do throws(CaptureFileError) {
                let driver = try PcapFileDriver(
                    reading: input, writing: output, mtu: configuration.mtu ?? 1_500, pace: .recorded)
                return (driver, "files \(input ?? "-") and \(output ?? "-")")
            } catch {
                throw CommandFailure("\(place): \(Sentence.of(error))")
            }
        case .tap, .tun, .afPacket, .loopback:
            let opened: (driver: any LinkDriver, text: String)
            do throws(DriverOpenError) {
                opened = try Self.openDevice(configuration)
            } catch {
                throw CommandFailure("\(place): \(Sentence.of(error))")
            }
            let whole: LinkCapabilities = [.segmentation4, .segmentation6, .largeReceive]
            if configuration.offloads == .on, !opened.driver.capabilities.isSuperset(of: whole) {
                throw CommandFailure("\(place): the kernel does not grant the offloads that are on")
            }
            guard let faults = configuration.faults else { return opened }
            let line = FaultyDriver(opened.driver, faults: DriverFaults(faults))
            return (line, "\(opened.text) behind a bad line")
        }
    }

    private static func openDevice(
        _ configuration: InterfaceConfiguration
    ) throws(DriverOpenError) -> (any LinkDriver, String) {
        switch configuration.driver {
        case .tap(let device, let kernel):
            let driver = try TAPDriver(name: device, options: tunnelOptions(configuration))
            try configureKernelSide(of: driver.name, kernel, peer: nil)
            return (driver, "tap \(driver.name)")
        case .tun(let device, let kernel):
            let driver = try TUNDriver(name: device, options: tunnelOptions(configuration))
            let peer = configuration.addresses.lazy.compactMap { setting -> IPv4Address? in
                guard case .v4(let address) = setting.address else { return nil }
                return address
            }.first
            try configureKernelSide(of: driver.name, kernel, peer: peer)
            return (driver, "tun \(driver.name)")
        case .afPacket(let device):
            var options = AFPacketOptions()
            options.offload = offload(configuration)
            options.mac = configuration.mac
            return (try AFPacketDriver(name: device, options: options), "packet socket on \(device)")
        case .pipe, .pcap, .loopback:
            preconditionFailure("these are no devices of the kernel, and are made elsewhere")
        }
    }

    private static func tunnelOptions(_ configuration: InterfaceConfiguration) -> TunnelOptions {
        var options = TunnelOptions()
        options.offload = offload(configuration)
        options.mtu = configuration.mtu
        return options
    }

    private static func offload(_ configuration: InterfaceConfiguration) -> LinkOffload {
        switch configuration.offloads {
        case .auto, .on: .segmentation
        case .checksum: .checksum
        case .off: []
        }
    }

    /// Gives the kernel its addresses on the other side of a tunnel device, and switches that side on.
    private static func configureKernelSide(
        of device: String, _ settings: [AddressSetting], peer: IPv4Address?
    ) throws(DriverOpenError) {
        let interface = try KernelInterface(name: device)
        for setting in settings {
            switch setting.address {
            case .v4(let address): try interface.setAddress(address, prefixLength: setting.prefixLength, peer: peer)
            case .v6(let address): try interface.addAddress(address, prefixLength: setting.prefixLength)
            }
        }
        try interface.setUp(true)
    }

    private mutating func pipeEnd(from here: String, to there: String, _ configuration: InterfaceConfiguration)
        -> ChimneyLink.Pipe.End
    {
        if let end = pipeEnds.removeValue(forKey: here) { return end }
        let pipe = ChimneyLink.Pipe(mtu: configuration.mtu ?? 1_500)
        pipeEnds[there] = pipe.right
        return pipe.left
    }

    /// A link address of this machine's own (IEEE 802: locally administered) that stays the same from start to start.
    private static func mac(for place: String) -> MACAddress {
        // What is wanted is a number that differs, not one that cannot be guessed.
        MACAddress(bits: 0x0200_0000_0000 | hash((machine ?? "") + place) & 0x00FF_FFFF_FFFF)
    }

    /// The key of a stack's interface identifiers, which stay the same from start to start (RFC 7217 §5).
    ///
    /// Nobody can guess it who cannot guess the machine's identity; without one, each start has its own.
    private static func identifierSecret(of stack: String) -> UInt128? {
        machine.map { UInt128(hash($0 + stack)) << 64 | UInt128(hash(stack + $0)) }
    }

    /// What tells this machine from others; `nil` where nothing does.
    private static var machine: String? {
        let text = try? String(contentsOfFile: "/etc/machine-id", encoding: .utf8)
        return text?.isEmpty == false ? text : nil
    }

    /// FNV-1a.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

extension TCPStackSettings {
    /// Takes over what a file says.
    mutating func take(_ configuration: TCPConfiguration) {
        if let most = configuration.connectionsMax { connectionsMax = most }
        if let most = configuration.listenersMax { listenersMax = most }
        if let most = configuration.backlogMax { backlogMax = most }
        if let most = configuration.halfOpenMax { synCache.entriesMax = most }
        if let most = configuration.timeWaitMax { timeWaitMax = most }
        verifiesSignatures = configuration.verifiesSignatures
        closedPorts =
            switch configuration.closedPorts {
            case .reset: .reset
            case .silentToSYN: .silentToSYN
            case .silent: .silent
            }
        guard let congestion = configuration.congestion else { return }
        // Each name of a file is that of a built-in one.
        try? congestionControls.setStandard(congestion.rawValue)
        connection.recovery.congestion = congestionControls.standard
    }
}

extension InterfaceConfiguration.IPv6Choice {
    fileprivate var mode: IPv6Mode {
        switch self {
        case .off: .off
        case .manual: .manual
        case .automatic: .automatic
        }
    }
}

extension Sentence {
    static func of(_ error: DriverOpenError) -> String {
        switch error {
        case .nameInvalid(let name): "\"\(name)\" is not a name for a device of the kernel"
        case .noSuchDevice(let name): "the kernel has no device \(name)"
        case .busy(let name): "the device \(name) is in use by another process, or is of another kind"
        case .notPermitted(let name):
            "the device \(name) may not be opened; it needs root or CAP_NET_ADMIN and CAP_NET_RAW"
        case .notEthernet(let name, let type): "the device \(name) is no Ethernet device but one of type \(type)"
        case .system(let call, let code): "\(call) failed: \(text(of: code))"
        }
    }

    static func of(_ error: CaptureFileError) -> String {
        switch error {
        case .system(let path, let call, let code): "\(call) of \(path) failed: \(text(of: code))"
        case .tooLarge(let path, let most): "\(path) exceeds \(most) bytes"
        case .malformed(let path, let error): "\(path) is not a capture that can be read: \(error)"
        case .linkTypeUnsupported(let path, let type):
            "\(path) has frames of link type \(type.rawValue), which are not read"
        }
    }

    static func of(_ error: LinkDriverError) -> String {
        switch error {
        case .deviceGone(let code): code == 0 ? "gone" : "gone: \(text(of: code))"
        case .deviceDown: "down"
        case .wouldBlock: "busy"
        case .failed(let code): "failed: \(text(of: code))"
        }
    }

    private static func text(of code: Int32) -> String { ControlError.words(ofSystemError: code) }
}

extension DriverFaults {
    fileprivate init(_ configuration: FaultsConfiguration) {
        self.init()
        loss = configuration.loss
        duplication = configuration.duplication
        reordering = configuration.reordering
        seed = UInt64(configuration.seed)
    }
}
