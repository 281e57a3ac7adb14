public import ChimneyPrimitives

/// A cable in memory between two stacks of one thread: what one end transmits the other receives.
///
/// Batches move whole in constant time, without copying. Each direction holds a bounded number of
/// packets and bytes; at the bound, frames stay with the sender. Metadata travels along, so that
/// a partial checksum needs no completing; the receiving stack sets the interface.
public final class Pipe {
    /// One end.
    public let left: End
    /// The other end.
    public let right: End

    /// A cable.
    ///
    /// - Parameters:
    ///   - kind: what frames begin with.
    ///   - mtu: the largest network packet both ends carry.
    ///   - capabilities: what the ends tell their stacks they do.
    ///   - packetsMax: how many packets wait in each direction.
    ///   - bytesMax: how many bytes wait in each direction.
    public init(
        kind: LinkKind = .ethernet, mtu: Int = 1_500, capabilities: LinkCapabilities = Pipe.capabilities,
        packetsMax: Int = 4_096, bytesMax: Int = 64 << 20
    ) {
        let one = Direction(packetsMax: packetsMax, bytesMax: bytesMax)
        let other = Direction(packetsMax: packetsMax, bytesMax: bytesMax)
        left = End(kind: kind, mtu: mtu, capabilities: capabilities, incoming: one, outgoing: other)
        right = End(kind: kind, mtu: mtu, capabilities: capabilities, incoming: other, outgoing: one)
    }

    /// Memory needs no checksums.
    public static var capabilities: LinkCapabilities {
        [.transmitChecksum4, .transmitChecksum6, .receiveChecksum4, .receiveChecksum6]
    }

    /// Nor does it need large TCP packets cut, or joined again; with these, what a pipe carries is no longer what a wire would.
    public static var largePackets: LinkCapabilities { [.segmentation4, .segmentation6, .largeReceive] }

    /// The frames on their way in one direction.
    final class Direction {
        var queue: TransmitQueue
        var isCut = false

        init(packetsMax: Int, bytesMax: Int) { queue = TransmitQueue(packetsMax: packetsMax, bytesMax: bytesMax) }
    }

    /// One end of a pipe: a driver for one stack.
    public final class End: LinkDriver {
        /// What frames begin with.
        public let kind: LinkKind
        /// The largest network packet.
        public let mtu: Int
        /// What needs not be done for frames that stay in memory.
        public let capabilities: LinkCapabilities
        private let incoming: Direction
        private let outgoing: Direction

        init(kind: LinkKind, mtu: Int, capabilities: LinkCapabilities, incoming: Direction, outgoing: Direction) {
            self.kind = kind
            self.mtu = mtu
            self.capabilities = capabilities
            self.incoming = incoming
            self.outgoing = outgoing
        }

        /// A pipe has nothing to wait on: see ``hasIncoming``.
        public var descriptor: Int32? { nil }
        /// A pipe has no address of its own.
        public var mac: MACAddress? { nil }
        /// Whether frames wait at this end.
        public var hasIncoming: Bool { !incoming.queue.isEmpty }

        /// Receives what the other end transmitted.
        public func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int {
            let before = queue.count
            incoming.queue.takeAll(into: &queue, packetsMax: packetsMax)
            let received = queue.count - before
            if received == 0 && incoming.isCut { throw .deviceGone(errno: 0) }
            return received
        }

        /// Hands a batch to the other end.
        public func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) {
            if outgoing.isCut { throw .deviceGone(errno: 0) }
            _ = outgoing.queue.append(contentsOf: &queue)
        }

        /// Cuts the cable: both ends are gone once they have received what was on its way.
        public func cut() {
            incoming.isCut = true
            outgoing.isCut = true
        }
    }
}
