import ChimneyPrimitives
import ChimneyStack

/// What a lab can be asked to check.
public struct LabChecks: OptionSet, Sendable, Hashable {
    /// One bit for each check.
    public let rawValue: Int

    /// The checks of these bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// No frame or packet vanishes or appears without a name, in any stack or link.
    public static var conservation: Self { Self(rawValue: 1) }
    /// No table, queue or pool exceeds its bound.
    public static var tablesWithinBounds: Self { Self(rawValue: 2) }
    /// No application gets a datagram twice, unless a link has duplicated frames.
    public static var noDuplicateDelivery: Self { Self(rawValue: 4) }
    /// No application gets other bytes than were sent to it.
    public static var payloadIntegrity: Self { Self(rawValue: 8) }
    /// Receivers of groups get what their filters admit of what reaches their node, and nothing else.
    public static var groupDelivery: Self { Self(rawValue: 16) }
    /// What queriers believe is what the hosts of their link want, once nothing was lost and nothing changed there for
    /// ``QuerierSettings/settlingTime``.
    public static var groupConvergence: Self { Self(rawValue: 32) }
    /// TCP streams bring the bytes that were sent, in order, and end in good order only with all of them.
    public static var streamDelivery: Self { Self(rawValue: 64) }
    /// Every check.
    public static var all: Self {
        [
            .conservation, .tablesWithinBounds, .noDuplicateDelivery, .payloadIntegrity, .groupDelivery,
            .groupConvergence, .streamDelivery,
        ]
    }
}

/// Something a check found.
public struct LabViolation: Hashable, Sendable, CustomStringConvertible {
    /// The node, link or flow.
    public var place: String
    /// What is wrong there.
    public var finding: String

    /// Place and finding.
    public var description: String { "\(place): \(finding)" }
}

extension Lab {
    /// Runs the checks on the lab as it is between two events.
    public func check(_ checks: LabChecks = .all) -> [LabViolation] {
        var violations: [LabViolation] = []
        if checks.contains(.conservation) { checkConservation(&violations) }
        if checks.contains(.tablesWithinBounds) { checkBounds(&violations) }
        if checks.contains(.noDuplicateDelivery) { checkDuplicates(&violations) }
        if checks.contains(.payloadIntegrity) { checkIntegrity(&violations) }
        if checks.contains(.groupDelivery) { checkGroupDelivery(&violations) }
        if checks.contains(.groupConvergence) { checkGroupConvergence(&violations) }
        if checks.contains(.streamDelivery) { checkStreams(&violations) }
        return violations
    }

    private func checkConservation(_ violations: inout [LabViolation]) {
        for node in nodes {
            let account = node.stack.conservation
            guard !account.isKept else { continue }
            let finding = "the ledger holds \(account.heldByLedger) packets, the queues \(account.heldInFact)"
            violations.append(.init(place: "node \(node.name)", finding: finding))
        }
        for link in links where !link.counters.isConserved {
            violations.append(.init(place: "link \(link.name)", finding: "frames do not add up: \(link.counters)"))
        }
        let flyingByCount = links.reduce(0) { $0 + $1.counters.inFlight }
        if flyingByCount != UInt64(flying.count) {
            let finding = "links count \(flyingByCount) frames under way, there are \(flying.count)"
            violations.append(.init(place: "lab", finding: finding))
        }
        // What stacks and stations sent and links took must be the same frames, and so for what arrived.
        let sent = nodes.reduce(0) { $0 &+ $1.stack.ledger.transmitted } + stations.reduce(0) { $0 + $1.sent }
        let taken = links.reduce(0) { $0 &+ $1.counters.sent }
        if sent != taken {
            violations.append(.init(place: "lab", finding: "stacks sent \(sent) frames, links took \(taken)"))
        }
        let received = nodes.reduce(0) { $0 &+ $1.stack.ledger.received } + stations.reduce(0) { $0 + $1.received }
        let delivered = links.reduce(0) { $0 &+ $1.counters.delivered }
        if received != delivered {
            violations.append(
                .init(place: "lab", finding: "links delivered \(delivered) frames, stacks got \(received)"))
        }
    }

    private func checkBounds(_ violations: inout [LabViolation]) {
        if pool.smallInUse > pool.packetsMax || pool.largeInUse > pool.largeMax {
            violations.append(.init(place: "pool", finding: "\(pool.inUse) packets are out"))
        }
        for link in links where link.learnedCount > SwitchTable.addressesMax {
            violations.append(.init(place: "link \(link.name)", finding: "\(link.learnedCount) addresses are learned"))
        }
        for node in nodes {
            let settings = node.stack.settings
            for interface in node.stack.interfaces where interface.transmitQueueCount > settings.transmitPacketsMax {
                let finding = "\(interface.transmitQueueCount) frames wait on \(interface.name)"
                violations.append(.init(place: "node \(node.name)", finding: finding))
            }
            for socket in node.stack.udpSockets where socket.queuedPackets > settings.socketReceivePacketsMax {
                let finding = "\(socket.queuedPackets) datagrams wait on \(socket.local)"
                violations.append(.init(place: "node \(node.name)", finding: finding))
            }
            checkTCPBounds(of: node, &violations)
        }
    }

    private func checkDuplicates(_ violations: inout [LabViolation]) {
        guard !links.contains(where: \.hasDuplicated) else { return }
        for flow in flows where flow.duplicated > 0 {
            let finding = "\(flow.duplicated) datagrams came twice though no link duplicates"
            violations.append(.init(place: "flow \(flow.name)", finding: finding))
        }
        for reception in receptions where reception.duplicated > 0 {
            let finding = "\(reception.duplicated) datagrams came twice though no link duplicates"
            violations.append(.init(place: "receiver \(reception.name)", finding: finding))
        }
        for ping in pings where ping.duplicated > 0 {
            let finding = "\(ping.duplicated) answers came twice though no link duplicates"
            violations.append(.init(place: "ping \(ping.name)", finding: finding))
        }
    }

    private func checkIntegrity(_ violations: inout [LabViolation]) {
        for flow in flows where flow.damaged > 0 {
            violations.append(
                .init(place: "flow \(flow.name)", finding: "\(flow.damaged) datagrams arrived with other bytes"))
        }
        for reception in receptions where reception.damaged > 0 {
            let finding = "\(reception.damaged) datagrams arrived with other bytes"
            violations.append(.init(place: "receiver \(reception.name)", finding: finding))
        }
        for ping in pings where ping.damaged > 0 {
            violations.append(
                .init(place: "ping \(ping.name)", finding: "\(ping.damaged) answers arrived with other bytes"))
        }
    }
}
