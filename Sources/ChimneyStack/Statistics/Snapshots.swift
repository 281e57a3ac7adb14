public import ChimneyAddressing
public import ChimneyLink
public import ChimneyPrimitives

/// An interface as a tool shows it.
public struct InterfaceSnapshot: Sendable, Hashable {
    /// Its index.
    public var index: InterfaceIndex
    /// Its name.
    public var name: String
    /// The groups it is in, in order.
    public var groups: [String]
    /// What its frames begin with.
    public var kind: LinkKind
    /// Its link address; zero where it has none.
    public var mac: MACAddress
    /// Its MTU in bytes.
    public var mtu: Int
    /// Whether it is up.
    public var isUp: Bool
    /// What its driver computes for us.
    public var capabilities: LinkCapabilities
    /// The routing table for packets that come in by it.
    public var fib: Int
    /// Its addresses, the primary one first.
    public var addresses: [InterfaceAddress]
    /// Whether it speaks IPv6.
    public var ipv6: IPv6Mode
    /// Its IPv6 addresses.
    public var ipv6Addresses: [IPv6InterfaceAddress]
    /// The default routers of IPv6 that it learned, the preferred first.
    public var defaultRouters: [IPv6Address]
    /// Name servers that routers and a DHCP server told it, those of IPv6 first.
    public var nameServers: [IPAddress]
    /// What a DHCP server lends it.
    public var lease: DHCPLease?
    /// How far its DHCP client has come; `nil` where there is none.
    public var dhcpState: DHCPState?
    /// What it has carried.
    public var counters: InterfaceCounters
    /// How many frames wait to be transmitted.
    public var transmitQueueCount: Int
}

/// A UDP socket as a tool shows it.
public struct SocketSnapshot: Sendable, Hashable {
    /// Which socket.
    public var id: SocketID
    /// Its own endpoint.
    public var local: Endpoint
    /// Its peer; 0.0.0.0:0 where it has none.
    public var remote: Endpoint
    /// Its routing table.
    public var fib: Int
    /// Datagrams that wait to be received.
    public var queuedPackets: Int
    /// Their bytes, headers included.
    public var queuedBytes: Int
    /// Datagrams received.
    public var received: UInt64
    /// Datagrams sent.
    public var sent: UInt64
    /// Datagrams dropped because the socket was full.
    public var dropped: UInt64
}

extension VirtualStack {
    /// Every interface, by index.
    public var interfaces: [InterfaceSnapshot] {
        var result: [InterfaceSnapshot] = []
        for position in 0..<ports.count {
            let id = ports.id(at: position)
            result.append(
                InterfaceSnapshot(
                    index: ports[id].index, name: interfaceName(ports[id].index),
                    groups: interfaceTable[ports[id].index]?.groups ?? [], kind: ports[id].kind,
                    mac: ports[id].mac, mtu: ports[id].mtu, isUp: ports[id].isUp, capabilities: ports[id].capabilities,
                    fib: Int(ports[id].fib), addresses: ports[id].addresses,
                    ipv6: ports[id].ipv6, ipv6Addresses: shownIPv6Addresses(id),
                    defaultRouters: ports[id].discovery?.defaultRouters ?? [],
                    nameServers: ports[id].nameServers.map(IPAddress.v6) + ports[id].dhcpNameServers.map(IPAddress.v4),
                    lease: ports[id].dhcp?.lease, dhcpState: ports[id].dhcp?.state, counters: ports[id].counters,
                    transmitQueueCount: ports[id].transmit.count))
        }
        return result
    }

    /// Every bound UDP socket, by port and, on one port, the latest first.
    public var udpSockets: [SocketSnapshot] {
        var result: [SocketSnapshot] = []
        for port in UInt16.min...UInt16.max {
            var next = portTable[port]
            while let id = next {
                next = sockets[id].nextOnPort
                result.append(
                    SocketSnapshot(
                        id: SocketID(slot: id), local: sockets[id].local, remote: sockets[id].remote,
                        fib: Int(sockets[id].fib), queuedPackets: sockets[id].queue.count,
                        queuedBytes: sockets[id].queue.byteCount, received: sockets[id].receivedCount,
                        sent: sockets[id].sentCount, dropped: sockets[id].droppedCount))
            }
        }
        return result
    }

    /// The interface of a name, or `nil`.
    public func interface(named name: String) -> InterfaceIndex? { interfaceTable[name]?.index }

    /// Whether nothing is due and nothing waits to be transmitted.
    public var isIdle: Bool { deadline == nil && dirty.isEmpty }
}
