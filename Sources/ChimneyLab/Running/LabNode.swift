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

    /// The first address that the node was given; nil while it has none.
    public internal(set) var address: IPv4Address?

    /// Its addresses with the links they are on.
    var attachments: [Attachment] = []

    func hasAddress(_ address: IPv4Address) -> Bool { attachments.contains { $0.address == address } }

    struct Attachment {
        var link: LabLink
        var interface: InterfaceIndex
        var name: String
        var address: IPv4Address
        var prefixLength: Int

        var network: UInt32 {
            prefixLength == 0 ? 0 : address.bits & (.max << UInt32(32 - prefixLength))
        }
    }
}
