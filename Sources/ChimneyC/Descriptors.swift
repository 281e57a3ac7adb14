import CChimney
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Glibc

// Invariant: an ioctl's pointer is to an `int` of the caller's, there for as long as the call takes and looked at only when it is
// not null; handles are what `call` says of them.

/// One open socket: what it is in the stack, and what was set on it.
final class Descriptor {
    /// What a socket of the caller's is in the stack.
    enum Role {
        /// A TCP socket before connect or listen, or after a connection that failed.
        case idle
        /// A TCP socket that takes connections.
        case listener(TCPListenerID)
        /// A TCP socket with a connection, perhaps one that ended.
        case connection(TCPConnectionID)
        /// A UDP socket.
        case datagram(SocketID)
    }

    var role: Role
    let family: Family
    var isNonBlocking = false
    /// Whether close took it while a call on it waits.
    var isClosed = false

    /// Where it was bound to, port included.
    var bound: Endpoint?
    /// The peer of a UDP socket.
    var peer: Endpoint?
    var options = DescriptorOptions()
    /// How a connection behaves.
    var settings: TCPSettings
    /// Whether only full segments leave because of `MSG_MORE`.
    var holdsMore = false

    /// Whether connect was called and did not tell how it went.
    var isConnecting = false
    /// Whether a connection's failure was told, which happens once.
    var isFailureTold = false
    /// What the network reported about a UDP socket's datagrams, until it is told.
    var pendingError: SocketError?
    /// The halves that shutdown took.
    var isReadShut = false
    var isWriteShut = false
    /// A datagram that was looked at and not received; at most one.
    var front = RingBuffer<Datagram>()

    init(_ role: Role, _ family: Family, _ settings: TCPSettings) {
        self.role = role
        self.family = family
        self.settings = settings
    }

    var isStream: Bool { if case .datagram = role { false } else { true } }
}

/// What was set on a socket that its role in the stack does not keep.
struct DescriptorOptions {
    var reusesAddress = false
    var onlyIPv6 = false
    /// `nil` while off.
    var linger: TimeSpan?
    /// `nil` for as long as it takes.
    var receiveTimeout: TimeSpan?
    var sendTimeout: TimeSpan?
    var isCorked = false
    var keepsAlive = false
    /// The times of keep-alive, also while it is off.
    var keepAlive = KeepAlive()
    var marks = TCPPacketMarks()
}

/// The open sockets of a stack by their numbers.
struct DescriptorTable {
    /// The most open sockets; one more is refused by `EMFILE`.
    let descriptorsMax: Int
    private var places: [Descriptor?] = []
    private(set) var count = 0

    /// The first number: those before are the program's own streams.
    private static var first: Int { 3 }

    init(descriptorsMax: Int) { self.descriptorsMax = descriptorsMax }

    var isFull: Bool { count == descriptorsMax }

    /// Gives a socket the lowest free number.
    mutating func insert(_ descriptor: Descriptor) throws(Errno) -> Int {
        guard !isFull else { throw Errno(EMFILE) }
        count += 1
        if let free = places.firstIndex(where: { $0 == nil }) {
            places[free] = descriptor
            return free + Self.first
        }
        places.append(descriptor)
        return places.count - 1 + Self.first
    }

    mutating func remove(_ number: Int32) {
        places[Int(number) - Self.first] = nil
        count -= 1
    }

    subscript(number: Int32) -> Descriptor {
        get throws(Errno) {
            if number >= 0, number < Self.first { throw Errno(ENOTSOCK) }
            let place = Int(number) - Self.first
            guard places.indices.contains(place), let found = places[place] else { throw Errno(EBADF) }
            return found
        }
    }

    /// The open sockets, in the order of their numbers.
    var all: [Descriptor] { places.compactMap(\.self) }
}

extension CallerStack {
    func socket(domain: Int32, type: Int32, protocol number: Int32) throws(Errno) -> Int {
        let family: Family
        switch domain {
        case AF_INET: family = .ipv4
        case AF_INET6: family = .ipv6
        default: throw Errno(EAFNOSUPPORT)
        }
        let flags = LinuxNumber.nonBlocking | LinuxNumber.closeOnExec
        guard !descriptors.isFull else { throw Errno(EMFILE) }
        let descriptor: Descriptor
        switch (type & ~flags, number) {
        case (LinuxNumber.stream, 0), (LinuxNumber.stream, LinuxNumber.tcpLevel):
            descriptor = Descriptor(.idle, family, standard)
        case (LinuxNumber.datagram, 0), (LinuxNumber.datagram, LinuxNumber.udpLevel):
            do throws(OpenError) {
                descriptor = Descriptor(.datagram(try stack.openUDP()), family, standard)
            } catch { throw Errno(error.errorName) }
        case (LinuxNumber.stream, _), (LinuxNumber.datagram, _): throw Errno(EPROTONOSUPPORT)
        // Linux has more types than there are here; a number that is none is an error of another kind there.
        case (1...10, _): throw Errno(ESOCKTNOSUPPORT)
        default: throw Errno(EINVAL)
        }
        descriptor.isNonBlocking = type & LinuxNumber.nonBlocking != 0
        descriptor.options.keepAlive = idleKeepAlive
        return try descriptors.insert(descriptor)
    }

    func close(_ number: Int32) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        descriptors.remove(number)
        descriptor.isClosed = true
        switch descriptor.role {
        case .idle: break
        case .listener(let id): stack.close(id, at: now)
        case .connection(let id): stack.close(id, linger: descriptor.options.linger, at: now)
        case .datagram(let id): stack.close(id)
        }
        descriptor.role = .idle
        return 0
    }

    func control(_ number: Int32, command: Int32, value: Int) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        switch command {
        case LinuxNumber.getDescriptorFlags, LinuxNumber.setDescriptorFlags: return 0
        case LinuxNumber.getStatusFlags:
            return Int(LinuxNumber.readWrite | (descriptor.isNonBlocking ? LinuxNumber.nonBlocking : 0))
        case LinuxNumber.setStatusFlags:
            descriptor.isNonBlocking = value & Int(LinuxNumber.nonBlocking) != 0
            return 0
        default: throw Errno(EINVAL)
        }
    }

    func control(_ number: Int32, request: UInt, value: UnsafeMutableRawPointer?) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        let answer: Int
        switch request {
        case LinuxNumber.readableBytes: answer = try readableBytes(descriptor)
        case LinuxNumber.queuedBytes: answer = try queuedBytes(descriptor, onlyUnsent: false)
        case LinuxNumber.unsentBytes: answer = try queuedBytes(descriptor, onlyUnsent: true)
        case LinuxNumber.setNonBlocking:
            let bytes = try unsafe Memory.toRead(UnsafeRawPointer(value), MemoryLayout<Int32>.size)
            descriptor.isNonBlocking = try unsafe Memory.load(bytes, as: Int32.self) != 0
            return 0
        default: throw Errno(ENOTTY)
        }
        let target = try unsafe Memory.toWrite(value, MemoryLayout<Int32>.size)
        unsafe target.storeBytes(of: Int32(clamping: answer), as: Int32.self)
        return 0
    }

    private func readableBytes(_ descriptor: Descriptor) throws(Errno) -> Int {
        switch descriptor.role {
        case .idle: return 0
        case .listener: throw Errno(EINVAL)
        case .connection(let id): return stack.readableCount(id)
        case .datagram(let id):
            lookAtFront(descriptor, id)
            return descriptor.front.isEmpty ? 0 : descriptor.front[0].count
        }
    }

    private func queuedBytes(_ descriptor: Descriptor, onlyUnsent: Bool) throws(Errno) -> Int {
        switch descriptor.role {
        // Datagrams leave with the call that sends them.
        case .idle, .datagram: return 0
        case .listener: throw Errno(EINVAL)
        case .connection(let id):
            guard let tcp = stack.snapshot(id, at: now)?.tcp else { return 0 }
            return onlyUnsent ? max(0, tcp.sendQueueBytes - tcp.outstandingBytes) : tcp.sendQueueBytes
        }
    }
}

// MARK: - Exports

/// Opens a socket.
@c @implementation
public func chimney_socket(_ stack: OpaquePointer?, _ domain: CInt, _ type: CInt, _ protocol: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.socket(domain: domain, type: type, protocol: `protocol`) }
}

/// Closes a socket.
@c @implementation
public func chimney_close(_ stack: OpaquePointer?, _ fd: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.close(fd) }
}

/// Asks about a socket's queues.
@c @implementation
public func chimney_ioctl(
    _ stack: OpaquePointer?, _ fd: CInt, _ request: CUnsignedLong, _ value: UnsafeMutableRawPointer?
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try unsafe stack.control(fd, request: request, value: value) }
}

/// Reads or sets the flags of a descriptor.
@c @implementation
public func chimney_fcntl(_ stack: OpaquePointer?, _ fd: CInt, _ command: CInt, _ value: CLong) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.control(fd, command: command, value: value) }
}
