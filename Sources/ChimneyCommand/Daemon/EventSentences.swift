import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyStack
import ChimneyWire

/// Events as they are told on the control socket.
extension EventReport {
    /// What happened to one of these stacks.
    init(_ event: StackEvent, of stacks: [RunningStack]) {
        func name(_ interface: UInt32, _ stack: String) -> String {
            stacks.first { $0.name == stack }?.interfaceName(interface) ?? "#\(interface)"
        }
        let now = Shard.clock.seconds
        switch event {
        case .deviceGone(let stack, let interface, let code):
            self.init(
                seconds: now, stack: stack, interface: name(interface, stack), kind: "deviceGone",
                text: "the device is \(Sentence.of(LinkDriverError.deviceGone(errno: code)))")
        case .deviceDown(let stack, let interface):
            self.init(
                seconds: now, stack: stack, interface: name(interface, stack), kind: "deviceDown",
                text: "the device was switched off")
        case .deviceUp(let stack, let interface):
            self.init(
                seconds: now, stack: stack, interface: name(interface, stack), kind: "deviceUp",
                text: "the device was switched on")
        case .filterFailed(let stack, let interface, let code):
            self.init(
                seconds: now, stack: stack, interface: name(interface, stack), kind: "filterFailed",
                text:
                    "the device was not told which groups to let in: \(Sentence.of(LinkDriverError.failed(errno: code)))"
            )
        case .membershipsMissed(let stack, let count):
            self.init(
                seconds: now, stack: stack, interface: "", kind: "missed",
                text: "\(count) further events of groups came at once and were not kept")
        case .membership(let stack, let event):
            self.init(event, stack: stack, interface: name(event.interface.rawValue, stack))
        }
    }

    /// What happened to the groups of an interface.
    init(_ event: StackMembershipEvent, stack: String, interface: String) {
        self.init(seconds: event.at.seconds, stack: stack, interface: interface, kind: "", text: "")
        switch event.kind {
        case .joined(let group): tell("joined", "\(group)", "the first member joined \(group)")
        case .left(let group): tell("left", "\(group)", "the last member left \(group)")
        case .filterChanged(let group): tell("filterChanged", "\(group)", "other sources of \(group) are wanted")
        case .versionChanged(let isIPv6, let from, let to):
            let (old, new) = (Self.number(of: from, isIPv6), Self.number(of: to, isIPv6))
            tell("versionChanged", isIPv6 ? "mld" : "igmp", "version \(new) is spoken instead of \(old)")
        case .robustnessChanged(let isIPv6, let count):
            tell("robustnessChanged", isIPv6 ? "mld" : "igmp", "changes are told \(count) times")
        }
    }

    private mutating func tell(_ kind: String, _ subject: String, _ text: String) {
        self.kind = kind
        self.subject = subject
        self.text = text
    }

    /// A version as its protocol counts: MLDv1 does what IGMPv2 does.
    private static func number(of version: MembershipVersion, _ isIPv6: Bool) -> Int {
        Int(version.rawValue) - (isIPv6 ? 1 : 0)
    }
}
