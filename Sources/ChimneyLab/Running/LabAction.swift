public import ChimneyPrimitives
import ChimneyStack
public import ChimneyWire

/// Something that happens to a lab at a scheduled time; data, so that files can say it as well as programs.
public enum LabAction: Hashable, Sendable {
    /// A link lets frames pass again, or stops.
    case setLink(String, isUp: Bool)
    /// A link's faults change, in all directions or on the way to one node or querier.
    case setFaults(link: String, LinkFaults, toward: String? = nil)
    /// A link's rate, delay, queue or MTU change, in all directions or on the way to one node or querier.
    case setSettings(link: String, LinkSettings, toward: String? = nil)
    /// An interface is switched on or off by its operator.
    case setInterface(node: String, interface: String, isUp: Bool)
    /// A querier asks in another version of IGMP or MLD from now on.
    case setQuerier(String, LabFamily, MembershipVersion)
    /// All faults of all links end: what may fail before must work from here on.
    case endFaults
}

/// An action and what became of it.
public struct JournalEntry: Hashable, Sendable {
    /// When it was carried out.
    public var at: Instant
    /// What was done.
    public var action: LabAction
    /// Why it could not be done; nil when it was.
    public var failure: LabError?
}

extension LabAction: CustomStringConvertible {
    /// The action as a phrase.
    public var description: String {
        switch self {
        case .setLink(let link, let isUp): "link \(link) \(isUp ? "up" : "down")"
        case .setFaults(let link, let faults, let node): "link \(link)\(Self.toward(node)): \(faults)"
        case .setSettings(let link, let settings, let node): "link \(link)\(Self.toward(node)): \(settings)"
        case .setInterface(let node, let interface, let isUp): "interface \(node)/\(interface) \(isUp ? "up" : "down")"
        case .setQuerier(let name, let family, let version): "querier \(name): \(version.name(isIPv4: family == .ipv4))"
        case .endFaults: "all faults end"
        }
    }

    private static func toward(_ node: String?) -> String { node.map { " toward \($0)" } ?? "" }
}

extension LinkFaults: CustomStringConvertible {
    /// The faults that are on, in per cent.
    public var description: String {
        let parts = [("loss", loss), ("duplicate", duplication), ("reorder", reordering), ("corrupt", corruption)]
        let on = parts.filter { $0.1 > 0 }.map { "\($0.0) \(Double(Int($0.1 * 10_000 + 0.5)) / 100)%" }
        return on.isEmpty ? "no faults" : on.joined(separator: ", ")
    }
}

extension LinkSettings: CustomStringConvertible {
    /// Rate, delay and MTU.
    public var description: String {
        let rate = bitsPerSecond.map { "\(Double($0) / 1e6) Mbit/s" } ?? "no rate"
        return "\(rate), delay \(Double(delay.nanoseconds) / 1e6) ms, mtu \(mtu)"
    }
}

extension Lab {
    /// Schedules actions for a time after the start; a time that is past means now.
    ///
    /// - Throws: ``LabError`` when a name is unknown or ``LabLimits/actionsMax`` is reached; nothing is scheduled.
    public func at(_ time: TimeSpan, _ scheduled: LabAction...) throws(LabError) {
        guard actions.count + scheduled.count <= limits.actionsMax else {
            throw .tooMany(what: "actions", max: limits.actionsMax)
        }
        for action in scheduled { try check(action) }
        for action in scheduled {
            let due = max(Instant.zero + time, now)
            events.schedule(.action, at: due, target: actions.count)
            actions.append((due, action))
        }
    }

    /// Carries an action out at once.
    ///
    /// - Throws: ``LabError`` when a name is unknown.
    public func perform(_ action: LabAction) throws(LabError) {
        switch action {
        case .setLink(let name, let isUp): try link(name).setUp(isUp)
        case .setFaults(let name, let faults, nil): try link(name).faults = faults
        case .setFaults(let name, let faults, let end?): try link(name).setFaults(faults, toward: checked(end))
        case .setSettings(let name, let settings, nil): try link(name).settings = settings
        case .setSettings(let name, let settings, let end?):
            try link(name).setSettings(settings, toward: checked(end))
        case .setInterface(let nodeName, let interface, let isUp):
            let node = try node(nodeName)
            guard let index = node.stack.interface(named: interface) else {
                throw .noSuchInterface(node: nodeName, interface: interface)
            }
            do {
                try node.stack.setUp(index, isUp, at: now)
            } catch {
                throw .interface(error)
            }
            node.noteGroupChange(on: index, at: now)
            settle(node)
        case .setQuerier(let name, let family, let version): try setQuerier(name, family, version)
        case .endFaults:
            for link in links { link.faults = .none }
        }
    }

    func perform(_ position: Int) {
        let action = actions[position].action
        do {
            try perform(action)
            journal.append(JournalEntry(at: now, action: action))
        } catch {
            journal.append(JournalEntry(at: now, action: action, failure: error))
        }
    }

    private func check(_ action: LabAction) throws(LabError) {
        switch action {
        case .setLink(let name, _): _ = try link(name)
        case .setFaults(let name, _, let end), .setSettings(let name, _, let end):
            _ = try link(name)
            if let end { _ = try checked(end) }
        case .setInterface(let nodeName, let interface, _):
            guard try node(nodeName).stack.interface(named: interface) != nil else {
                throw .noSuchInterface(node: nodeName, interface: interface)
            }
        case .setQuerier(let name, _, _): _ = try querier(name)
        case .endFaults: break
        }
    }

    /// The name of a node or station.
    private func checked(_ name: String) throws(LabError) -> String {
        if stationPositions[name] == nil { _ = try node(name) }
        return name
    }

    /// Anything may fail for a while, then all faults end and everything must work.
    ///
    /// Faults drawn from the lab's seed are put on every link for the first phase; what the checkers find
    /// there is returned. In the second phase links are up and whole; the caller then says what must have converged.
    public func runSafetyThenLiveness(
        safety: TimeSpan, liveness: TimeSpan, checking checks: LabChecks = .all,
        faults: (inout StackRandom) -> LinkFaults = { LinkFaults.random(using: &$0) }
    ) -> [LabViolation] {
        for link in links {
            var random = StackRandom(seed: derivedSeed(seed, "faults", link.name))
            link.faults = faults(&random)
        }
        run(safety)
        var violations = check(checks)
        for link in links {
            link.faults = .none
            link.setUp(true)
        }
        run(liveness)
        violations += check(checks)
        return violations
    }
}
