import ChimneyControl
import ChimneyMulticast
import ChimneyPrimitives
import ChimneyStack

/// A call about memberships with its addresses read, to be made group by group.
struct GroupCall: Sendable {
    /// The groups it is about, one after the other.
    let groups: AddressRow
    private let verb: MembershipCall.Verb
    private let source: IPAddress?
    private let filter: GroupFilter

    /// The most sources of a filter that is written as rows; a longer list is refused.
    static var sourcesMax: Int { AddressRow.countMax }

    init(_ call: MembershipCall) throws(GroupRefusal) {
        do throws(AddressRow.Failure) {
            groups = try AddressRow(groups: call.group)
            let first = groups.first
            source = try call.source.map { text throws(AddressRow.Failure) in
                try AddressRow(sources: text, of: first).first
            }
            var sources: [IPAddress] = []
            for text in call.sources {
                let row = try AddressRow(sources: text, of: first)
                guard sources.count + row.count <= Self.sourcesMax else {
                    throw .tooMany(count: sources.count + row.count, max: Self.sourcesMax)
                }
                sources += (0..<row.count).map { row[$0] }
            }
            filter = GroupFilter(call.mode == .include ? .include : .exclude, sources)
        } catch {
            throw GroupRefusal(error)
        }
        verb = call.verb
        switch call.verb {
        case .block, .unblock:
            guard source != nil else { throw GroupRefusal("the call needs a source", "EINVAL") }
        case .join, .leave, .filter: break
        }
    }

    /// Whether it ends what a socket of the group's own is for.
    var leavesWholeGroup: Bool { verb == .leave && source == nil }

    /// Makes the call for one group.
    func perform(
        _ group: IPAddress, on choice: InterfaceChoice, as member: GroupMember, of stack: inout VirtualStack,
        at now: Instant
    ) throws(GroupRefusal) {
        do throws(GroupError) {
            switch (verb, source) {
            case (.join, _): try stack.join(group, from: source, on: choice, as: member, at: now)
            case (.leave, _): try stack.leave(group, from: source, on: choice, as: member, at: now)
            case (.block, let source?): try stack.block(source, of: group, on: choice, as: member, at: now)
            case (.unblock, let source?): try stack.unblock(source, of: group, on: choice, as: member, at: now)
            case (.filter, _), (.block, nil), (.unblock, nil):
                try stack.setFilter(filter, of: group, on: choice, as: member, at: now)
            }
        } catch {
            throw GroupRefusal(error)
        }
    }
}

extension GroupFilterReport {
    init(_ filter: GroupFilter) {
        self.init(
            filter.mode == .include ? .include : .exclude,
            filter.sources.prefix(Self.sourcesShownMax).map { "\($0)" }, sourceCount: filter.sources.count)
    }
}
