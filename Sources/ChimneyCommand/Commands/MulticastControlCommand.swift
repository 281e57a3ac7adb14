#if Tools
    import ArgumentParser
    import ChimneyControl
    import ChimneyPrimitives

    /// `chimney ifmcctl`: how an interface receives groups and tells routers of them.
    struct MulticastControlCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "ifmcctl", abstract: "Change how an interface receives groups and tells routers of them.",
                discussion: """
                    chimney ifmcctl eth0 join 239.1.1.1            the interface itself is a member
                    chimney ifmcctl eth0 sjoin 10.0.0.1,232.1.1.1+16
                    chimney ifmcctl eth0 leave|sleave|block|unblock|filter ...   as in `chimney mtest`
                    chimney ifmcctl eth0 igmp version 2|auto       mld version 1|2|auto
                    chimney ifmcctl eth0 igmp robustness 3|auto
                    chimney ifmcctl eth0 igmp lightweight on|off   RFC 5790
                    chimney ifmcctl eth0 igmp queries standard|kernel
                    chimney ifmcctl eth0 igmp router-alert|hop-limit|link-source|general-destination on|off
                    chimney ifmcctl eth0 igmp link-local-reports on|off
                    chimney ifmcctl eth0 link join|leave 01:80:c2:00:00:14
                    chimney ifmcctl eth0 allmulti on|off           promisc on|off; each off takes back one on
                    chimney ifmcctl --limit sources-per-filter=64  of the stack, for each family on its own
                    """)
        }

        @Argument(help: "The interface's name.")
        var interface: String?

        @Argument(help: "The change and its values.")
        var change: [String] = []

        @Option(help: "NAME=COUNT: memberships-per-socket, memberships, sources-per-filter or sources.")
        var limit: [String] = []

        @OptionGroup var control: ControlOptions

        func validate() throws {
            for text in limit { _ = try Self.limit(text) }
            guard interface != nil || !limit.isEmpty else { throw ValidationError("name an interface and a change") }
            if interface != nil { _ = try Self.change(change) }
        }

        func run() throws {
            var commands: [ControlCommand] = []
            for text in limit {
                let (limit, count) = try Self.limit(text)
                commands.append(.limitMemberships(limit: limit, count: count))
            }
            if let interface {
                commands.append(.configureMulticast(interface: interface, change: try Self.change(change)))
            }
            for command in commands.dropLast() { try control.ask(command) { _ in true } }
            if let last = commands.last { try control.change(last) }
        }

        /// The bound that a word names, and what it is to be.
        static func limit(_ text: String) throws -> (MembershipLimit, Int) {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard let limit = parts.first.flatMap({ MembershipLimit(rawValue: $0) }) else {
                let known = MembershipLimit.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("\"\(text)\" is not a limit; there are \(known)")
            }
            guard parts.count == 2, let count = Int(parts[1]), (0...16_777_216).contains(count) else {
                throw ValidationError("a limit is written \(limit.rawValue)=COUNT, from 0 to 16777216")
            }
            return (limit, count)
        }

        /// What the words ask for.
        static func change(_ words: [String]) throws -> MulticastChange {
            var words = words[...]
            guard let verb = words.popFirst() else { throw ValidationError("name a change of the interface") }
            let change: MulticastChange
            switch verb {
            case "igmp": change = .reporting(family: .ipv4, setting: try setting(.ipv4, verb, &words))
            case "mld": change = .reporting(family: .ipv6, setting: try setting(.ipv6, verb, &words))
            case "allmulti": change = .allMulticast(isOn: try flag(verb, &words))
            case "promisc": change = .promiscuous(isOn: try flag(verb, &words))
            case "link":
                let action = words.popFirst()
                guard action == "join" || action == "leave" else {
                    throw ValidationError("\"link\" is followed by join or leave")
                }
                guard let text = words.popFirst(), let mac = MACAddress(text), mac.isMulticast, !mac.isBroadcast else {
                    throw ValidationError("\"link\" needs the link address of a group, such as 01:80:c2:00:00:14")
                }
                change = .link(mac: text, isJoined: action == "join")
            default:
                do throws(TestLine.Failure) {
                    change = .member(call: try TestLine.call(verb, &words))
                } catch {
                    throw ValidationError(
                        MembershipVerbs.all.contains(verb)
                            ? error.description
                            : "\"\(verb)\" is not a change; there are \(MembershipVerbs.all.joined(separator: ", ")), "
                                + "igmp, mld, link, allmulti and promisc")
                }
            }
            guard words.isEmpty else { throw ValidationError("\"\(verb)\" is followed by too much") }
            return change
        }

        private enum MembershipVerbs {
            static var all: [String] { ["join", "leave", "sjoin", "sleave", "block", "unblock", "filter"] }
        }

        private static func setting(
            _ family: AddressFamily, _ verb: String, _ words: inout ArraySlice<String>
        ) throws -> ReportingSetting {
            guard let setting = words.popFirst() else { throw ValidationError("\"\(verb)\" needs a setting") }
            if let rule = ReportingSetting.QueryRule(rawValue: setting) {
                return .rule(rule: rule, isOn: try flag(setting, &words))
            }
            switch setting {
            case "version":
                let most = family == .ipv4 ? 3 : 2
                return .version(number: try number(setting, &words, 1...most))
            case "robustness": return .robustness(count: try number(setting, &words, 1...7))
            case "lightweight": return .lightweight(isOn: try flag(setting, &words))
            case "queries":
                let word = words.popFirst()
                guard word == "standard" || word == "kernel" else {
                    throw ValidationError("\"queries\" takes standard or kernel")
                }
                return .queries(isStandard: word == "standard")
            case "link-local-reports" where family == .ipv4: return .linkLocalReports(isOn: try flag(setting, &words))
            default: throw ValidationError("\"\(setting)\" is not a setting of \(verb)")
            }
        }

        private static func flag(_ verb: String, _ words: inout ArraySlice<String>) throws -> Bool {
            switch words.popFirst() {
            case "on": return true
            case "off": return false
            default: throw ValidationError("\"\(verb)\" takes on or off")
            }
        }

        private static func number(
            _ verb: String, _ words: inout ArraySlice<String>, _ range: ClosedRange<Int>
        ) throws -> Int? {
            let text = words.popFirst()
            if text == "auto" { return nil }
            guard let number = text.flatMap({ Int($0) }), range.contains(number) else {
                throw ValidationError("\"\(verb)\" takes \(range.lowerBound) to \(range.upperBound), or auto")
            }
            return number
        }
    }
#endif
