internal import ChimneyPrimitives

extension DaemonConfiguration {
    /// Reads a file and checks that everything in it fits together.
    ///
    /// - Throws: ``ConfigurationError``, which names the place and what was expected there.
    public static func reading(
        contentsOf path: String, limits: ConfigurationLimits = .init()
    ) throws(ConfigurationError) -> Self {
        try reading(text: try YAMLText.contents(of: path, limits: limits), file: path, limits: limits)
    }

    /// Reads the text of a file that is called `file` in errors.
    ///
    /// - Throws: ``ConfigurationError``, which names the place and what was expected there.
    public static func reading(
        text: String, file: String, limits: ConfigurationLimits = .init()
    ) throws(ConfigurationError) -> Self {
        let top = try Cursor(text: text, file: file, limits: limits)
        let fields = try top.fields(["control", "stacks"])
        var configuration = Self()
        // A path beyond 107 bytes does not fit a Unix socket address.
        configuration.controlSocket = try fields["control"]?.filePath(bytesMax: 107)
        var names = NameRegister("stack")
        let stacks = try fields.required("stacks")
        let elements = try stacks.elements(max: stacksMax)
        guard !elements.isEmpty else { throw stacks.mismatch("at least one stack") }
        var pipes: [PipeEnd] = []
        for element in elements {
            let stack = try StackConfiguration(reading: element, pipes: &pipes)
            try names.add(stack.name, at: try element.fields(StackConfiguration.keys).required("name"))
            configuration.stacks.append(stack)
        }
        try checkPipes(pipes, among: names)
        return configuration
    }

    /// Every pipe must have a second end that names the first.
    private static func checkPipes(_ pipes: [PipeEnd], among stacks: NameRegister) throws(ConfigurationError) {
        let ends = Dictionary(pipes.map { ($0.name, $0.peer) }) { first, _ in first }
        for pipe in pipes {
            let peer = pipe.peer.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard peer.count == 2 else { throw pipe.place.mismatch("stack/interface") }
            try stacks.require(peer[0], at: pipe.place)
            guard pipe.peer != pipe.name else {
                throw pipe.place.failure(.conflict("a pipe cannot lead back to its own interface"))
            }
            guard ends[pipe.peer] == pipe.name else {
                let text = "\"\(pipe.peer)\" is not a pipe whose peer is \"\(pipe.name)\""
                throw pipe.place.failure(.conflict(text))
            }
        }
    }
}

/// One end of a pipe and the end that it names.
struct PipeEnd {
    var name: String
    var peer: String
    var place: Cursor
}

extension StackConfiguration {
    static var keys: [String] {
        [
            "name", "fibs", "forwarding", "settings", "multicast", "tcp", "interfaces", "routes", "proxy_arp",
            "services",
        ]
    }

    init(reading cursor: Cursor, pipes: inout [PipeEnd]) throws(ConfigurationError) {
        let fields = try cursor.fields(Self.keys)
        self.init(name: try fields.required("name").name())
        fibCount = try fields["fibs"]?.integer(in: 1...Self.fibsMax) ?? 1
        forwarding = try fields["forwarding"]?.flag() ?? false
        if let settings = fields["settings"] { try read(settings: settings) }
        if let place = fields["multicast"] { membershipBounds = try MembershipBounds(reading: place) }
        if let place = fields["tcp"] { tcp = try TCPConfiguration(reading: place) }
        var names = NameRegister("interface")
        for element in try fields.elements("interfaces", max: Self.interfacesMax) {
            let interface = try InterfaceConfiguration(reading: element, fibCount: fibCount)
            let place = try element.fields(InterfaceConfiguration.keys).required("name")
            try names.add(interface.name, at: place)
            if case .pipe(let stack, let peer) = interface.driver,
                let place = try element.fields(InterfaceConfiguration.keys)["peer"]
            {
                pipes.append(PipeEnd(name: "\(name)/\(interface.name)", peer: "\(stack)/\(peer)", place: place))
            }
            interfaces.append(interface)
        }
        for element in try fields.elements("routes", max: Self.routesMax) {
            routes.append(try RouteConfiguration(reading: element, fibCount: fibCount, interfaces: names))
        }
        for element in try fields.elements("proxy_arp", max: Self.proxyARPMax) {
            proxyARP.append(try ProxyARPConfiguration(reading: element, interfaces: names))
        }
        if let element = fields["services"] { services = try ServiceConfiguration.list(reading: element) }
    }

    private mutating func read(settings cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields([
            "ttl", "answer_echo", "send_redirects", "accept_redirects", "icmp_errors_per_second",
            "socket_receive_bytes", "temporary_addresses",
        ])
        timeToLive = try fields["ttl"]?.integer(in: 1...255)
        answersEcho = try fields["answer_echo"]?.flag() ?? true
        sendsRedirects = try fields["send_redirects"]?.flag() ?? true
        acceptsRedirects = try fields["accept_redirects"]?.flag() ?? true
        icmpErrorsPerSecondMax = try fields["icmp_errors_per_second"]?.integer(in: 0...1_000_000)
        makesTemporaryAddresses = try fields["temporary_addresses"]?.flag() ?? false
        socketReceiveBytesMax = try fields["socket_receive_bytes"]?.byteCount(in: 2_048...1 << 30)
    }
}

extension InterfaceConfiguration {
    static var keys: [String] {
        [
            "name", "driver", "device", "kernel", "peer", "read", "write", "mac", "mtu", "addresses", "ipv6", "dhcp",
            "advertise", "igmp", "mld", "groups", "fib", "acd", "offloads", "faults", "capture",
        ]
    }

    private enum DriverName: String, CaseIterable {
        case tap, tun, afpacket, pipe, loopback, pcap

        /// Whether its frames can be those of Ethernet.
        var isEthernet: Bool {
            switch self {
            case .tap, .afpacket, .pipe, .pcap: true
            case .tun, .loopback: false
            }
        }

        /// The keys that only some drivers have.
        var keys: [String] {
            switch self {
            case .tap, .tun: ["device", "kernel"]
            case .afpacket: ["device"]
            case .pipe: ["peer"]
            case .loopback: []
            case .pcap: ["read", "write"]
            }
        }
    }

    init(reading cursor: Cursor, fibCount: Int) throws(ConfigurationError) {
        let fields = try cursor.fields(Self.keys)
        let name = try fields.required("name").name()
        let driver: DriverName = try fields.required("driver").choice()
        for key in ["device", "kernel", "peer", "read", "write"] where !driver.keys.contains(key) {
            guard let place = fields[key] else { continue }
            throw place.failure(.conflict("the driver \(driver.rawValue) has no \"\(key)\""))
        }
        self.init(name: name, driver: try Self.driver(driver, in: fields))
        mac = try fields["mac"]?.macAddress()
        mtu = try fields["mtu"]?.integer(in: 68...65_535)
        fib = try fields["fib"]?.integer(in: 0...fibCount - 1) ?? 0
        detectsConflicts = try fields["acd"]?.flag() ?? true
        offloads = try fields["offloads"]?.offloads() ?? .auto
        if let place = fields["faults"] { faults = try FaultsConfiguration(reading: place) }
        capture = try fields["capture"]?.filePath()
        let choice: IPv6Choice? = try fields["ipv6"]?.choice()
        var known = NameRegister("address")
        for element in try fields.elements("addresses", max: Self.addressesMax) {
            let setting = try element.addressSetting()
            let address = setting.address
            guard !address.isAny, !address.isMulticast, address.isValidSource || driver == .loopback else {
                throw element.mismatch("an address that a host may have")
            }
            guard address.isIPv4 || choice != .off else {
                throw element.failure(.conflict("an interface that does not speak IPv6 cannot have \(address)"))
            }
            try known.add(setting.address.description, at: element)
            addresses.append(setting)
        }
        dhcp = try fields["dhcp"]?.flag() ?? false
        if let place = fields["advertise"] {
            advertisement = try AdvertisementConfiguration(reading: place)
            guard choice != .off, choice != .automatic else {
                throw place.failure(.conflict("only an interface with \"ipv6: manual\" is a router's"))
            }
        }
        let speaksIPv6 = advertisement != nil || !addresses.allSatisfy(\.address.isIPv4)
        ipv6 = choice ?? (speaksIPv6 ? .manual : .off)
        for key in ["dhcp", "advertise"] where !driver.isEthernet {
            guard let place = fields[key] else { continue }
            throw place.failure(.conflict("the driver \(driver.rawValue) is no Ethernet and has no \"\(key)\""))
        }
        try readMulticast(in: fields, isLoopback: driver == .loopback)
    }

    private mutating func readMulticast(in fields: Fields, isLoopback: Bool) throws(ConfigurationError) {
        for key in ["igmp", "mld"] where isLoopback {
            guard let place = fields[key] else { continue }
            throw place.failure(.conflict("the driver loopback has no routers to tell of groups, and no \"\(key)\""))
        }
        if let place = fields["igmp"] {
            igmp = try ReportingConfiguration(reading: place, versionMax: 3, further: ["link_local_groups"])
        }
        if let place = fields["mld"] {
            guard ipv6 != .off else {
                throw place.failure(.conflict("an interface that does not speak IPv6 has no \"mld\""))
            }
            mld = try ReportingConfiguration(reading: place, versionMax: 2)
        }
        groups = try Self.groups(in: fields, withIPv6: ipv6 != .off)
    }

    private static func driver(_ name: DriverName, in fields: Fields) throws(ConfigurationError) -> Driver {
        switch name {
        case .tap: return .tap(device: try device(in: fields), kernel: try kernel(in: fields))
        case .tun: return .tun(device: try device(in: fields), kernel: try kernel(in: fields))
        case .afpacket: return .afPacket(device: try device(in: fields))
        case .pipe:
            let place = try fields.required("peer")
            let halves = try place.text("stack/interface").split(separator: "/", omittingEmptySubsequences: false)
            guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else {
                throw place.mismatch("stack/interface")
            }
            return .pipe(stack: String(halves[0]), interface: String(halves[1]))
        case .loopback: return .loopback
        case .pcap:
            return .pcap(reading: try fields["read"]?.filePath(), writing: try fields["write"]?.filePath())
        }
    }

    /// What the kernel's side is given: one address or several.
    private static func kernel(in fields: Fields) throws(ConfigurationError) -> [AddressSetting] {
        guard let place = fields["kernel"] else { return [] }
        let settings = try place.addressSettings(max: kernelAddressesMax)
        guard settings.count(where: \.address.isIPv4) <= 1 else {
            throw place.failure(.conflict("the kernel's side is given at most one IPv4 address"))
        }
        return settings
    }

    /// The kernel refuses names of 16 bytes and more (IFNAMSIZ).
    private static func device(in fields: Fields) throws(ConfigurationError) -> String {
        let place = try fields.required("device")
        let device = try place.name()
        guard device.utf8.count <= 15 else { throw place.mismatch("a device name of at most 15 bytes") }
        return device
    }
}

extension RouteConfiguration {
    init(reading cursor: Cursor, fibCount: Int, interfaces: NameRegister) throws(ConfigurationError) {
        let fields = try cursor.fields(["to", "via", "interface", "metric", "kind", "fib"])
        let via = try fields["via"]?.scopedAddress()
        let place = try fields.required("to")
        self.init(destination: try place.ipPrefix(everything: via?.address.isIPv4 == false ? .v6(.all) : .v4(.all)))
        gateway = via?.address
        if let place = fields["via"], let gateway, gateway.isIPv4 != destination.isIPv4 {
            throw place.failure(.conflict("\(gateway) and \(destination) are of different families"))
        }
        interface = via?.zone
        if let place = fields["interface"] {
            let name = try place.name()
            if let place = fields["via"], let zone = via?.zone, zone != name {
                throw place.failure(.conflict("the zone \(zone) and the interface \(name) are different"))
            }
            interface = name
        }
        if let place = fields["interface"] ?? fields["via"], let interface {
            try interfaces.require(interface, at: place)
        }
        if let place = fields["via"], case .v6(let gateway)? = gateway, gateway.isLinkLocal, interface == nil {
            throw place.failure(.conflict("the link-local address \(gateway) needs \"interface\""))
        }
        metric = try fields["metric"]?.integer(in: 0...1_000_000) ?? 0
        kind = try fields["kind"]?.choice() ?? .unicast
        fib = try fields["fib"]?.integer(in: 0...fibCount - 1) ?? 0
        switch kind {
        case .unicast:
            guard gateway != nil || interface != nil else {
                throw cursor.failure(.conflict("a route needs \"via\", \"interface\" or both"))
            }
        case .blackhole, .reject, .local:
            if let place = fields["via"] {
                throw place.failure(.conflict("a route of the kind \(kind.rawValue) has no \"via\""))
            }
        }
    }
}

extension ProxyARPConfiguration {
    init(reading cursor: Cursor, interfaces: NameRegister) throws(ConfigurationError) {
        let fields = try cursor.fields(["interface", "addresses"])
        let place = try fields.required("interface")
        self.init(interface: try place.name(), prefix: try fields.required("addresses").ipv4Prefix())
        try interfaces.require(interface, at: place)
    }
}

extension ServiceConfiguration {
    /// A mapping from services to ports, `on` for the standard one, or a list of services on standard ports.
    package static func list(reading cursor: Cursor) throws(ConfigurationError) -> [Self] {
        try cursor.services(of: Kind.self).map { Self(kind: $0, port: $1) }
    }
}

extension TCPServiceConfiguration {
    /// A mapping from services to ports, `on` for the standard one, or a list of services on standard ports.
    package static func list(reading cursor: Cursor) throws(ConfigurationError) -> [Self] {
        try cursor.services(of: Kind.self).map { Self(kind: $0, port: $1) }
    }
}

extension Cursor {
    /// Which services there are, and on which port where that is said; no two have the same.
    fileprivate func services<Kind: ServiceKind>(
        of type: Kind.Type
    ) throws(ConfigurationError) -> [(kind: Kind, port: UInt16)] {
        if isList {
            var names = NameRegister("service")
            var services: [(kind: Kind, port: UInt16)] = []
            for element in try elements(max: Kind.allCases.count) {
                let kind: Kind = try element.choice()
                try names.add(kind.rawValue, at: element)
                services.append((kind, kind.standardPort))
            }
            return services
        }
        let fields = try fields(Kind.allCases.map(\.rawValue))
        var services: [(kind: Kind, port: UInt16)] = []
        for kind in Kind.allCases {
            guard let place = fields[kind.rawValue] else { continue }
            switch try? place.flag() {
            case true?: services.append((kind, kind.standardPort))
            case false?: continue
            case nil: services.append((kind, UInt16(try place.integer(in: 1...65_535))))
            }
        }
        for (position, service) in services.enumerated() {
            guard let other = services[..<position].first(where: { $0.port == service.port }) else { continue }
            let text = "\(other.kind.rawValue) and \(service.kind.rawValue) cannot both have port \(service.port)"
            throw failure(.conflict(text))
        }
        return services
    }
}

/// The services of one transport.
private protocol ServiceKind: RawRepresentable, CaseIterable where RawValue == String {
    var standardPort: UInt16 { get }
}

extension ServiceConfiguration.Kind: ServiceKind {}
extension TCPServiceConfiguration.Kind: ServiceKind {}

extension Cursor {
    /// The value as what is left to a device, in any of the words for on and off.
    fileprivate func offloads() throws(ConfigurationError) -> InterfaceConfiguration.OffloadChoice {
        if let flag = try? flag() { return flag ? .on : .off }
        return try choice()
    }
}

extension FaultsConfiguration {
    /// The keys of the mapping.
    static var keys: [String] { ["loss", "duplicate", "reorder", "seed"] }

    init(reading cursor: Cursor) throws(ConfigurationError) {
        self.init()
        let fields = try cursor.fields(Self.keys)
        loss = try fields["loss"]?.probability() ?? 0
        duplication = try fields["duplicate"]?.probability() ?? 0
        reordering = try fields["reorder"]?.probability() ?? 0
        seed = try fields["seed"]?.integer(in: 0...Int.max) ?? 1
    }
}
