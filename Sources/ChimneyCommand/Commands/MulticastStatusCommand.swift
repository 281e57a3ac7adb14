#if Tools
    import ArgumentParser
    import ChimneyControl

    /// `chimney ifmcstat`: the groups of interfaces and how routers are told of them.
    struct MulticastStatusCommand: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "ifmcstat",
                abstract: "Show the groups of interfaces, their sources and how routers are told of them.",
                discussion: """
                    chimney ifmcstat            every interface
                    chimney ifmcstat eth0       one of them
                    chimney ifmcstat --limits   how much sockets may join
                    """)
        }

        @Argument(help: "The interface's name.")
        var interface: String?

        @Flag(help: "Show how much sockets may join.")
        var limits = false

        @OptionGroup var only: FamilyOptions
        @OptionGroup var control: ControlOptions

        func validate() throws {
            guard !limits || interface == nil && only.family == nil else {
                throw ValidationError("--limits are those of the stack, whatever the interface or the family")
            }
        }

        func run() throws {
            if limits {
                let list = try control.list(.membershipLimits) { reply -> [MembershipLimitsReport]? in
                    guard case .membershipLimits(let report) = reply else { return nil }
                    return [report]
                }
                guard let report = list.first else { throw CommandFailure("the running chimney told no limits") }
                return try control.show(report, MulticastText.limits)
            }
            var list: [MulticastReport] = []
            try control.ask(.multicast(interface: interface)) { reply in
                switch reply {
                case .multicast(let more): list += more
                case .groups(let more): Self.append(more, to: &list)
                default: throw CommandFailure("the running chimney gave another answer than expected")
                }
                return true
            }
            if let family = only.family { list = list.map { Self.part($0, of: family) } }
            try control.show(list, MulticastText.interfaces)
        }

        /// Further groups are those of the interface that was told of last.
        private static func append(_ groups: [GroupReport], to list: inout [MulticastReport]) {
            guard !list.isEmpty else { return }
            list[list.count - 1].groups += groups
        }

        /// What concerns one family.
        static func part(_ report: MulticastReport, of family: AddressFamily) -> MulticastReport {
            var report = report
            switch family {
            case .ipv4: report.mld = nil
            case .ipv6: report.igmp = nil
            }
            report.groups.removeAll { $0.group.contains(":") == (family == .ipv4) }
            return report
        }
    }
#endif
