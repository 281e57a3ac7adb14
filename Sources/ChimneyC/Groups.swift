import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Glibc

// The options by which a UDP socket joins and leaves groups, in the shapes of RFC 1112, RFC 3493 and RFC 3678.
//
// Invariant: an option's bytes are read by `Memory.load` alone, which looks at their number first.

extension CallerStack {
    /// `struct group_req` and `struct group_source_req`: an interface, a group, and a source.
    func setGroups(_ descriptor: Descriptor, _ option: GroupOption, _ value: OptionValue) throws(Errno) {
        let index = try unsafe Memory.load(value.bytes, as: UInt32.self)
        let group = try unsafe SocketAddress.read(value.bytes, at: 8).address
        let choice: InterfaceChoice = index == 0 ? .route : .index(InterfaceIndex(rawValue: index))
        func source() throws(Errno) -> IPAddress { try unsafe SocketAddress.read(value.bytes, at: 136).address }
        switch option {
        case .join: try perform(.join, descriptor, group, on: choice)
        case .leave: try perform(.leave, descriptor, group, on: choice)
        case .joinSource: try perform(.join, descriptor, group, try source(), on: choice)
        case .leaveSource: try perform(.leave, descriptor, group, try source(), on: choice)
        case .blockSource: try perform(.block, descriptor, group, try source(), on: choice)
        case .unblockSource: try perform(.unblock, descriptor, group, try source(), on: choice)
        }
    }

    /// `struct ip_mreq`, `struct ip_mreqn` and `struct ip_mreq_source`.
    func setGroups(_ descriptor: Descriptor, _ option: IPOption, _ value: OptionValue) throws(Errno) {
        if option == .multicastInterface { return try setMulticastInterface(descriptor, value) }
        let group = IPAddress.v4(try unsafe SocketAddress.ipv4Address(value.bytes, at: 0))
        let address = try unsafe SocketAddress.ipv4Address(value.bytes, at: 4)
        var choice: InterfaceChoice = address.isAny ? .route : .address(.v4(address))
        switch option {
        case .addMembership, .dropMembership:
            if unsafe value.bytes.count >= 12 {
                let index = try unsafe Memory.load(value.bytes, at: 8, as: UInt32.self)
                if index != 0 { choice = .index(InterfaceIndex(rawValue: index)) }
            }
            try perform(option == .addMembership ? .join : .leave, descriptor, group, on: choice)
        case .addSourceMembership, .dropSourceMembership, .blockSource, .unblockSource:
            let source = IPAddress.v4(try unsafe SocketAddress.ipv4Address(value.bytes, at: 8))
            let action: GroupAction =
                switch option {
                case .addSourceMembership: .join
                case .dropSourceMembership: .leave
                case .blockSource: .block
                default: .unblock
                }
            try perform(action, descriptor, group, source, on: choice)
        default: throw Errno(ENOPROTOOPT)
        }
    }

    /// `struct ipv6_mreq`, and the index of an interface.
    func setGroups(_ descriptor: Descriptor, _ option: IPv6Option, _ value: OptionValue) throws(Errno) {
        if option == .multicastInterface {
            return try choose(try unsafe Memory.load(value.bytes, as: UInt32.self), descriptor)
        }
        let group = IPAddress.v6(try unsafe SocketAddress.ipv6Address(value.bytes, at: 0))
        let index = try unsafe Memory.load(value.bytes, at: 16, as: UInt32.self)
        let choice: InterfaceChoice = index == 0 ? .route : .index(InterfaceIndex(rawValue: index))
        try perform(option == .joinGroup ? .join : .leave, descriptor, group, on: choice)
    }

    /// `struct in_addr`, `struct ip_mreq` or `struct ip_mreqn`: the index counts, or else the address.
    private func setMulticastInterface(_ descriptor: Descriptor, _ value: OptionValue) throws(Errno) {
        let count = unsafe value.bytes.count
        if count >= 12 {
            let index = try unsafe Memory.load(value.bytes, at: 8, as: UInt32.self)
            if index != 0 { return try choose(index, descriptor) }
        }
        let address = try unsafe SocketAddress.ipv4Address(value.bytes, at: count >= 8 ? 4 : 0)
        guard !address.isAny else { return try choose(0, descriptor) }
        guard let found = stack.interfaces.first(where: { $0.addresses.contains { $0.address == address } }) else {
            throw Errno(EADDRNOTAVAIL)
        }
        try choose(found.index.rawValue, descriptor)
    }

    private func choose(_ index: UInt32, _ descriptor: Descriptor) throws(Errno) {
        let chosen = InterfaceIndex(rawValue: index)
        guard index == 0 || stack.interfaceTable[chosen] != nil else { throw Errno(ENODEV) }
        changeDatagrams(descriptor) { $0.multicastInterface = index == 0 ? nil : chosen }
    }

    private enum GroupAction {
        case join, leave, block, unblock
    }

    private func perform(
        _ action: GroupAction, _ descriptor: Descriptor, _ group: IPAddress, _ source: IPAddress? = nil,
        on choice: InterfaceChoice
    ) throws(Errno) {
        guard case .datagram(let id) = descriptor.role else { throw Errno(ENOPROTOOPT) }
        let member = GroupMember.socket(id)
        do throws(GroupError) {
            switch (action, source) {
            case (.join, let source): try stack.join(group, from: source, on: choice, as: member, at: now)
            case (.leave, let source): try stack.leave(group, from: source, on: choice, as: member, at: now)
            case (.block, let source?): try stack.block(source, of: group, on: choice, as: member, at: now)
            case (.unblock, let source?): try stack.unblock(source, of: group, on: choice, as: member, at: now)
            case (.block, nil), (.unblock, nil): return
            }
        } catch { throw Errno(error.errorName) }
    }
}
