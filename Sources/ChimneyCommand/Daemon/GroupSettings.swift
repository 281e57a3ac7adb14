import ChimneyConfiguration
import ChimneyLink
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack
import ChimneyWire

extension MembershipSettings {
    /// How an interface is to report, as a file has it.
    init(_ configuration: ReportingConfiguration) {
        self.init()
        pinnedVersion = configuration.version.flatMap(Self.version)
        pinnedRobustness = configuration.robustness
        isLightweight = configuration.isLightweight
        switch configuration.queries {
        case .standard: queries = .standard(for: Address.self)
        case .kernel: (queries, olderQuerier) = (.kernel, .fromQueries)
        }
        reportsLinkLocalGroups = configuration.reportsLinkLocalGroups
    }
}

extension MembershipLimits {
    /// Bounds as a file has them; what it does not say stays.
    mutating func take(_ bounds: MembershipBounds) {
        membershipsPerSocketMax = bounds.membershipsPerSocketMax ?? membershipsPerSocketMax
        membershipsPerStackMax = bounds.membershipsMax ?? membershipsPerStackMax
        sourcesPerFilterMax = bounds.sourcesPerFilterMax ?? sourcesPerFilterMax
        sourcesPerStackMax = bounds.sourcesMax ?? sourcesPerStackMax
    }
}

extension GroupFilter {
    /// What a file wants of a group.
    init(_ configuration: GroupConfiguration) {
        self =
            configuration.sources.map { GroupFilter(.include, $0) }
            ?? GroupFilter(.exclude, configuration.exceptions)
    }
}

extension StackBuilder {
    /// Has an interface join the groups that a file names.
    static func joinGroups(
        _ configuration: InterfaceConfiguration, on index: InterfaceIndex, of stack: inout VirtualStack, place: String,
        at now: Instant
    ) throws(CommandFailure) {
        for group in configuration.groups {
            do throws(GroupError) {
                try stack.setFilter(
                    GroupFilter(group), of: group.group, on: .index(index), as: .administrator, at: now)
            } catch {
                throw CommandFailure("\(place): \(group.group): \(GroupRefusal(error))")
            }
        }
    }
}
