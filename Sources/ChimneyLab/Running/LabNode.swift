import ChimneyLink
public import ChimneyPrimitives
public import ChimneyStack

/// One stack of a lab with the places it is plugged in.
public final class LabNode {
    /// The name, unique in the lab.
    public let name: String
    /// The stack itself; whoever changes it from outside calls ``Lab/settle(_:)`` afterwards.
    public var stack: VirtualStack

    let index: Int
    /// The port of each interface, by the interface's index.
    var portOfInterface: [LinkPort?] = []
    /// Which application reads a socket.
    var readers: [SocketID: Int] = [:]
    /// Which application has a TCP connection.
    var connectionReaders: [TCPConnectionID: Int] = [:]
    /// Which application has a TCP listener.
    var listenerReaders: [TCPListenerID: Int] = [:]
    /// The services that take streams, by their port.
    var streamServers: [UInt16: StreamServer] = [:]
    /// The applications that look for echo answers whenever frames have arrived.
    var echoReaders: [Int] = []
    /// The deadline for which an event is scheduled.
    var scheduledDeadline = Instant.never
    var interfaceCount = 0
    /// UDP ports on which a receiver or a service of the lab listens.
    var servedPorts: Set<UInt16> = []

    init(name: String, index: Int, stack: consuming VirtualStack) {
        self.name = name
        self.index = index
        self.stack = stack
    }

    /// The first address that the node was given, of one family or of either; nil while it has none.
    public func address(_ family: LabFamily? = nil) -> IPAddress? {
        attachments.first { family == nil || LabFamily($0.address) == family }?.address
    }

    /// The receivers of groups that run here.
    var receivers: [GroupReceiver] = []
    /// When groups last changed on each of its interfaces, or how they are reported, by the interface's index.
    var groupsChangedAt: [Instant] = []

    /// Its addresses with the links they are on.
    var attachments: [Attachment] = []

    func hasAddress(_ address: IPAddress) -> Bool { attachments.contains { $0.address == address } }

    struct Attachment {
        var link: LabLink
        var interface: InterfaceIndex
        var name: String
        var address: IPAddress
        /// The addresses of the subnet.
        var subnet: IPPrefix

        func contains(_ other: IPAddress) -> Bool { subnet.contains(other) }
    }
}

/// A family of addresses, by the number of its version.
public enum LabFamily: Int, CaseIterable, Sendable, Hashable, Codable {
    case ipv4 = 4, ipv6 = 6

    /// The family of an address.
    public init(_ address: IPAddress) { self = address.isIPv4 ? .ipv4 : .ipv6 }
}
