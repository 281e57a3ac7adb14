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

    /// A device whose other end is the kernel this process runs on: what a TAP and a TUN device have in common.
    ///
    /// The kernel's side is an interface of its own, with its own link address: see ``KernelInterface``.
    /// A device deleted while it is open is reported as ``LinkDriverError/deviceGone(errno:)``, and one
    /// that was switched off as ``LinkDriverError/deviceDown`` when it is sent to.
    public class TunnelDriver: LinkDriver {
        private let device: TunnelDevice
        /// What its frames begin with.
        public let kind: LinkKind

        /// Creates the device, or attaches to an existing one that nobody holds.
        fileprivate init(name: String, kind: LinkKind, options: TunnelOptions) throws(DriverOpenError) {
            self.kind = kind
            device = try TunnelDevice(name: name, kind: kind, options: options)
        }

        /// The kernel's name for the device.
        public final var name: String { device.name }
        /// What it has done.
        public final var counters: DriverCounters { device.counters }
        /// What the kernel granted.
        public final var capabilities: LinkCapabilities { device.capabilities }
        /// What to wait on for frames.
        public final var descriptor: Int32? { device.descriptor }
        /// The MTU the device had when it was opened.
        public final var mtu: Int { device.mtu }
        /// A device's address is the kernel's; ours is the caller's to choose.
        public final var mac: MACAddress? { nil }

        /// Receives frames, one read each, until there is none.
        public final func receive(
            into queue: inout PacketQueue, packetsMax: Int, pool: PacketPool, at now: Instant
        ) throws(LinkDriverError) -> Int {
            try device.receive(into: &queue, packetsMax: packetsMax, pool: pool, at: now)
        }

        /// Sends frames, one write each, until the queue is empty or the device full.
        public final func transmit(_ queue: inout PacketQueue) throws(LinkDriverError) { try device.transmit(&queue) }
    }

    /// A TAP device: Ethernet frames to and from the kernel.
    public final class TAPDriver: TunnelDriver {
        /// Creates the device, or attaches to an existing one that nobody holds.
        public init(name: String, options: TunnelOptions = TunnelOptions()) throws(DriverOpenError) {
            try super.init(name: name, kind: .ethernet, options: options)
        }
    }

    /// A TUN device: IP packets to and from the kernel, without link headers.
    public final class TUNDriver: TunnelDriver {
        /// Creates the device, or attaches to an existing one that nobody holds.
        public init(name: String, options: TunnelOptions = TunnelOptions()) throws(DriverOpenError) {
            try super.init(name: name, kind: .ip, options: options)
        }
    }
#endif
