import ChimneyMulticast
import ChimneyPrimitives

/// One call of a program, an operator or the stack, with what it is about.
enum MembershipCall<Address: InternetAddress> {
    case join, leave
    case joinSource(Address), leaveSource(Address), block(Address), unblock(Address)
    case setFilter(SourceFilter<Address>)
}

/// What a membership belongs to.
struct MembershipName<Address: InternetAddress>: Hashable {
    var socket: UInt32
    var interface: UInt32
    var group: Address
}

/// What sockets have joined, kept as plainly as RFC 3678 and RFC 9776 §3 say it.
struct MembershipModel<Address: InternetAddress> {
    /// In the order of joining.
    var joined: [(name: MembershipName<Address>, filter: SourceFilter<Address>)] = []
    var ports: [UInt32: UInt16] = [:]
    /// The sockets that receive everything, since when.
    var everything: [UInt32] = []

    func filter(_ name: MembershipName<Address>) -> SourceFilter<Address>? {
        joined.first { $0.name == name }?.filter
    }

    /// What the interface wants, by the definition.
    func merged(_ group: Address, _ interface: UInt32) -> SourceFilter<Address> {
        ChimneyMulticastTests.merged(
            joined.filter { $0.name.group == group && $0.name.interface == interface }.map(\.filter))
    }

    mutating func apply(_ call: MembershipCall<Address>, _ name: MembershipName<Address>) -> MembershipError? {
        let old = filter(name)
        switch call {
        case .join:
            if let old { return old.mode == .exclude ? .alreadyMember : .mixesAnySourceAndSource }
            set(name, .all)
        case .leave:
            if old == nil { return .notMember }
            set(name, .none)
        case .joinSource(let source):
            if old?.mode == .exclude { return .mixesAnySourceAndSource }
            if old?.sources.contains(source) == true { return .sourceAlready }
            set(name, SourceFilter(.include, (old?.sources ?? []) + [source]))
        case .leaveSource(let source):
            guard let old else { return .notMember }
            if old.mode == .exclude { return .mixesAnySourceAndSource }
            if !old.sources.contains(source) { return .notASource }
            set(name, SourceFilter(.include, old.sources.filter { $0 != source }))
        case .block(let source):
            guard let old else { return .notMember }
            if old.mode == .include { return .mixesAnySourceAndSource }
            if old.sources.contains(source) { return .sourceAlready }
            set(name, SourceFilter(.exclude, old.sources + [source]))
        case .unblock(let source):
            guard let old else { return .notMember }
            if old.mode == .include { return .mixesAnySourceAndSource }
            if !old.sources.contains(source) { return .notASource }
            set(name, SourceFilter(.exclude, old.sources.filter { $0 != source }))
        case .setFilter(let filter):
            set(name, filter)
        }
        return nil
    }

    private mutating func set(_ name: MembershipName<Address>, _ filter: SourceFilter<Address>) {
        let position = joined.firstIndex { $0.name == name }
        if let position {
            if filter.isNone { joined.remove(at: position) } else { joined[position].filter = filter }
        } else if !filter.isNone {
            joined.append((name, filter))
        }
    }

    mutating func close(_ socket: UInt32) {
        joined.removeAll { $0.name.socket == socket }
        ports[socket] = nil
        everything.removeAll { $0 == socket }
    }

    /// The sockets that receive a datagram, in any order.
    func receivers(of datagram: GroupDatagram<Address>) -> Set<UInt32> {
        let members = joined.filter { $0.name.group == datagram.group && $0.name.interface == datagram.interface }
        let wanting = members.filter { $0.filter.admits(datagram.source) }.map(\.name.socket)
        let others = everything.filter { socket in !members.contains { $0.name.socket == socket } }
        return Set((wanting + others).filter { ports[$0] == datagram.port })
    }
}

extension HostMemberships {
    mutating func apply(
        _ call: MembershipCall<Address>, _ name: MembershipName<Address>
    ) -> Result<FilterChange<Address>?, MembershipError> {
        Result { () throws(MembershipError) in
            let (group, interface, socket) = (name.group, name.interface, name.socket)
            return switch call {
            case .join: try join(group, on: interface, socket: socket)
            case .leave: try leave(group, on: interface, socket: socket)
            case .joinSource(let source): try join(group, from: source, on: interface, socket: socket)
            case .leaveSource(let source): try leave(group, from: source, on: interface, socket: socket)
            case .block(let source): try block(source, of: group, on: interface, socket: socket)
            case .unblock(let source): try unblock(source, of: group, on: interface, socket: socket)
            case .setFilter(let filter): try setFilter(filter, of: group, on: interface, socket: socket)
            }
        }
    }

    func allReceivers(of datagram: GroupDatagram<Address>) -> [UInt32] {
        var walk = receivers(of: datagram)
        var found: [UInt32] = []
        while found.count < 100, let socket = next(&walk) { found.append(socket) }
        return found
    }
}
