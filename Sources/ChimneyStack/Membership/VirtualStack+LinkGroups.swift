public import ChimneyLink
public import ChimneyPrimitives

/// Why a link lets in what it let in before.
public enum LinkGroupError: Error, Hashable, Sendable {
    /// The stack has no such interface, or it has no link addresses.
    case noSuchInterface
    /// The filter refuses: see ``LinkFilterError``.
    case filter(LinkFilterError)
}

extension VirtualStack {
    /// Lets in the frames of a link group that no IP group stands behind, such as those of a routing protocol of the link itself; counted.
    public mutating func joinLink(_ mac: MACAddress, on index: InterfaceIndex) throws(LinkGroupError) {
        let port = try linkPort(index)
        do throws(LinkFilterError) {
            if try ports[port].linkGroups.join(mac) { noteFilterChanges(port) }
        } catch { throw .filter(error) }
    }

    /// Undoes one ``joinLink(_:on:)``.
    public mutating func leaveLink(_ mac: MACAddress, on index: InterfaceIndex) throws(LinkGroupError) {
        let port = try linkPort(index)
        do throws(LinkFilterError) {
            if try ports[port].linkGroups.leave(mac) { noteFilterChanges(port) }
        } catch { throw .filter(error) }
    }

    /// Lets the frames of all groups in, or undoes that once; counted (`IFF_ALLMULTI`).
    public mutating func setAllMulticast(_ wanted: Bool, on index: InterfaceIndex) throws(LinkGroupError) {
        let port = try linkPort(index)
        if ports[port].linkGroups.setAllMulticast(wanted) { noteFilterChanges(port) }
    }

    /// Has the device let every frame in, or undoes that once; counted (`IFF_PROMISC`).
    ///
    /// What is not for this host still dies, and is counted.
    public mutating func setPromiscuous(_ wanted: Bool, on index: InterfaceIndex) throws(LinkGroupError) {
        let port = try linkPort(index)
        if ports[port].linkGroups.setPromiscuous(wanted) { noteFilterChanges(port) }
    }

    /// Whether any device has to be told what to let in.
    public var hasFilterChanges: Bool { !filterNews.isEmpty }

    /// The next interface whose device has to be told what to let in, or `nil`; each call names another.
    public mutating func nextFilterChange() -> InterfaceIndex? { filterNews.popLast() }

    /// What a device has to be told that knows what it was told before, in this order.
    public mutating func takeFilterChanges(of index: InterfaceIndex) -> [LinkFilterChange] {
        guard let port = ports.position(of: index) else { return [] }
        filterNews.removeAll { $0 == index }
        return ports[port].linkGroups.takeChanges()
    }

    /// The device was opened or reset, and knows nothing of what it is to let in.
    public mutating func deviceForgotFilter(of index: InterfaceIndex) {
        guard let port = ports.position(of: index), ports[port].kind == .ethernet else { return }
        ports[port].linkGroups.deviceForgot()
        noteFilterChanges(port)
    }

    /// A device could not take a group it was told to let in: it names no more than it has.
    public mutating func filterRefused(_ mac: MACAddress, on index: InterfaceIndex, at now: Instant) {
        beginRound(at: now)
        guard let port = ports.position(of: index) else { return }
        if ports[port].linkGroups.deviceRefused(mac) { noteFilterChanges(port) }
    }

    /// A group of an interface was joined: its link group has a member more.
    mutating func joinLink(_ mac: MACAddress, _ port: SlotID) {
        guard ports[port].kind == .ethernet else { return }
        if ports[port].linkGroups.groupJoined(mac) { noteFilterChanges(port) }
    }

    mutating func leaveLink(_ mac: MACAddress, _ port: SlotID) {
        guard ports[port].kind == .ethernet else { return }
        if ports[port].linkGroups.groupLeft(mac) { noteFilterChanges(port) }
    }

    private mutating func linkPort(_ index: InterfaceIndex) throws(LinkGroupError) -> SlotID {
        guard let port = ports.position(of: index), ports[port].kind == .ethernet else { throw .noSuchInterface }
        return port
    }

    private mutating func noteFilterChanges(_ port: SlotID) {
        guard !filterNews.contains(ports[port].index) else { return }
        filterNews.append(ports[port].index)
    }
}
