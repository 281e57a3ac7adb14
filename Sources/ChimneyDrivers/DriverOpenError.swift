/// Why a device could not be opened or configured.
public enum DriverOpenError: Error, Hashable, Sendable {
    /// A device's name has 1 to 15 bytes, without slash, colon, percent sign or space.
    case nameInvalid(String)
    /// The kernel has no interface of that name.
    case noSuchDevice(String)
    /// The device belongs to another process, or is of another kind.
    case busy(String)
    /// The process lacks the right, CAP_NET_ADMIN for TAP and TUN or CAP_NET_RAW for packet sockets.
    case notPermitted(String)
    /// A packet socket was asked for on an interface that is no Ethernet one; the number is its ARPHRD type.
    case notEthernet(String, type: Int32)
    /// A system call failed for another reason.
    case system(call: String, errno: Int32)
}

/// What a driver has done, and what it could not.
public struct DriverCounters: Hashable, Sendable {
    /// Frames received.
    public var received: UInt64 = 0
    /// Frames sent.
    public var transmitted: UInt64 = 0
    /// Frames that arrived while the pool was at its bound, and were dropped.
    public var receiveNoBuffer: UInt64 = 0
    /// Frames that arrived longer than any buffer offered, and were dropped.
    public var receiveTruncated: UInt64 = 0
    /// Frames that arrived with a virtio-net header that contradicts them, and were dropped.
    public var receiveHeaderWrong: UInt64 = 0
    /// Frames that the device refused for good, such as one longer than it carries, and were dropped.
    public var transmitRefused: UInt64 = 0

    /// Nothing yet.
    public init() {}
}
