#if os(Linux)
    public import ChimneyLink
    public import ChimneyPrimitives

    /// How a TAP or TUN device is opened.
    public struct TunnelOptions: Hashable, Sendable {
        /// Whether the device stays when it is closed.
        public var persists = false
        /// What the kernel is asked to do for the stack.
        public var offload: LinkOffload = .checksum
        /// The device's MTU; `nil` leaves it as it is.
        public var mtu: Int?

        /// The defaults.
        public init() {}
    }

    /// A TAP device: Ethernet frames to and from the kernel this process runs on.
    ///
    /// The kernel's side is an interface of its own, with its own link address: see ``KernelInterface``.
    /// A device deleted while it is open is reported as ``LinkDriverError/deviceGone(errno:)``, and one
    /// that was switched off as ``LinkDriverError/deviceDown`` when it is sent to.
    public final class TAPDriver: LinkDriver {
        private var device: TunnelDevice

        /// Creates the device, or attaches to an existing one that nobody holds.
        public init(name: String, options: TunnelOptions = TunnelOptions()) throws(DriverOpenError) {
            device = try TunnelDevice(name: name, kind: .ethernet, options: options)
        }

        /// The kernel's name for the device.
        public var name: String { device.name }
        /// What it has done.
        public var counters: DriverCounters { device.counters }
        /// Frames begin with an Ethernet header.
        public var kind: LinkKind { .ethernet }
        /// What the kernel granted.
        public var capabilities: LinkCapabilities { device.capabilities }
        /// What to wait on for frames.
        public var descriptor: Int32? { device.descriptor }
        /// The MTU the device had when it was opened.
        public var mtu: Int { device.mtu }
        /// The device's address is the kernel's; ours is the caller's to choose.
        public var mac: MACAddress? { nil }

        /// Receives frames, one read each, until there is none.
        public func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int {
            try device.receive(into: &queue, packetsMax: packetsMax, pool: pool, at: now)
        }

        /// Sends frames, one write each, until the queue is empty or the device full.
        public func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) { try device.transmit(&queue) }
    }

    /// A TUN device: IP packets to and from the kernel this process runs on, without link headers.
    public final class TUNDriver: LinkDriver {
        private var device: TunnelDevice

        /// Creates the device, or attaches to an existing one that nobody holds.
        public init(name: String, options: TunnelOptions = TunnelOptions()) throws(DriverOpenError) {
            device = try TunnelDevice(name: name, kind: .ip, options: options)
        }

        /// The kernel's name for the device.
        public var name: String { device.name }
        /// What it has done.
        public var counters: DriverCounters { device.counters }
        /// Packets begin with an IP header.
        public var kind: LinkKind { .ip }
        /// What the kernel granted.
        public var capabilities: LinkCapabilities { device.capabilities }
        /// What to wait on for packets.
        public var descriptor: Int32? { device.descriptor }
        /// The MTU the device had when it was opened.
        public var mtu: Int { device.mtu }
        /// Such a device has no link address.
        public var mac: MACAddress? { nil }

        /// Receives packets, one read each, until there is none.
        public func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int {
            try device.receive(into: &queue, packetsMax: packetsMax, pool: pool, at: now)
        }

        /// Sends packets, one write each, until the queue is empty or the device full.
        public func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) { try device.transmit(&queue) }
    }
#endif
