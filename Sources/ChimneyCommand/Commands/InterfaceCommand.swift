#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives

    /// `chimney ifconfig`: shows and changes interfaces.
    struct InterfaceCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "ifconfig", abstract: "Show interfaces, or change one.",
                discussion: """
                    chimney ifconfig                          every interface
                    chimney ifconfig eth0                     one of them
                    chimney ifconfig eth0 up|down             switch it
                    chimney ifconfig eth0 mac 02:00:00:00:00:09
                    chimney ifconfig eth0 mtu 1400
                    chimney ifconfig eth0 add 10.0.0.1/24     give it an address
                    chimney ifconfig eth0 add 2001:db8::1/64
                    chimney ifconfig eth0 delete 10.0.0.1     take one away
                    chimney ifconfig eth0 dhcp on|off         ask a DHCP server for one
                    chimney ifconfig eth0 name wan0
                    """)
        }

        @Argument(help: "The interface's name.")
        var interface: String?

        @Argument(help: "The change: up, down, mac, mtu, add, delete, dhcp or name, and its value.")
        var change: [String] = []

        @OptionGroup var control: ControlOptions

        func validate() throws {
            if !change.isEmpty { _ = try Self.change(change) }
        }

        func run() throws {
            if let interface, !change.isEmpty {
                return try control.change(.configure(interface: interface, change: try Self.change(change)))
            }
            let list = try control.list(.interfaces(name: interface)) { reply -> [InterfaceReport]? in
                guard case .interfaces(let list) = reply else { return nil }
                return list
            }
            try control.show(list, ReportText.interfaces)
        }

        /// What the words ask for.
        static func change(_ words: [String]) throws -> InterfaceChange {
            let verb = words[0]
            if verb == "up" || verb == "down" {
                guard words.count == 1 else { throw ValidationError("\"\(verb)\" takes no value") }
                return .up(isUp: verb == "up")
            }
            guard ["mac", "mtu", "add", "delete", "dhcp", "name"].contains(verb) else {
                throw ValidationError(
                    "\"\(verb)\" is not a change; there are up, down, mac, mtu, add, delete, dhcp and name")
            }
            guard words.count == 2 else { throw ValidationError("\"\(verb)\" takes one value") }
            let value = words[1]
            switch verb {
            case "mac":
                guard MACAddress(value) != nil else { throw ValidationError("\"\(value)\" is not a MAC address") }
                return .mac(address: value)
            case "mtu":
                guard let bytes = Int(value), (68...65_535).contains(bytes) else {
                    throw ValidationError("\"\(value)\" is not an MTU; it is a number from 68 to 65535")
                }
                return .mtu(bytes: bytes)
            case "add":
                guard IPPrefix.addressAndLength(value) != nil else {
                    throw ValidationError("\"\(value)\" is not an address with its prefix length, such as 10.0.0.1/24")
                }
                return .addAddress(address: value)
            case "delete":
                let address = value.split(separator: "/").first.map(String.init) ?? value
                guard IPAddress(address) != nil else { throw ValidationError("\"\(value)\" is not an address") }
                return .removeAddress(address: address)
            case "dhcp":
                guard value == "on" || value == "off" else { throw ValidationError("\"dhcp\" takes on or off") }
                return .dhcp(isOn: value == "on")
            default:
                return .rename(name: value)
            }
        }
    }
#endif
