import Glibc

/// The system calls of a control socket, with Swift's types on both sides.
///
/// Invariant: every pointer handed to the kernel comes from a `with…` closure and is not kept beyond it,
/// and the length handed over with it is that of the same buffer.
enum ControlSystem {
    /// What reading or writing came to.
    enum Transfer: Equatable {
        case bytes(Int)
        case wouldBlock
        case closed
    }

    /// A descriptor that closes itself.
    final class Descriptor: Sendable {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { _ = Glibc.close(number) }
    }

    /// What `poll` is asked about one descriptor, and what it says.
    struct Interest {
        var descriptor: Int32
        var wantsRead = true
        var wantsWrite = false
        var isReadable = false
        var isWritable = false
    }

    static func text(of code: Int32) -> String {
        guard let words = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: words)
    }

    /// A Unix socket address holds 108 bytes with the closing zero.
    static var pathBytesMax: Int { 107 }

    private static func withAddress<Result>(
        of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) throws(ControlError) -> Result {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= pathBytesMax, !bytes.contains(0) else {
            throw .pathTooLong(path: path, bytesMax: pathBytesMax)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func newSocket(_ path: String) throws(ControlError) -> Descriptor {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = Glibc.socket(AF_UNIX, kind, 0)
        guard number >= 0 else { throw .system(operation: "opening the control socket", path: path, errno: errno) }
        return Descriptor(number)
    }

    /// A listening socket at a path, for its owner only.
    ///
    /// What a dead process left there is removed.
    static func listen(path: String, backlog: Int32) throws(ControlError) -> Descriptor {
        let socket = try newSocket(path)
        switch Result(catching: { () throws(ControlError) in try connect(path: path) }) {
        case .success: throw .pathInUse(path: path)
        case .failure(.notRunning): try removeDeadSocket(path)
        case .failure(let error): throw error
        }
        // Linux creates the file with the mode of the socket, so that there is no moment at which others could connect.
        _ = fchmod(socket.number, 0o600)
        let bound = try unsafe withAddress(of: path) { unsafe Glibc.bind(socket.number, $0, $1) == 0 ? 0 : errno }
        guard bound == 0 else { throw .system(operation: "binding the control socket", path: path, errno: bound) }
        guard unsafe chmod(path, 0o600) == 0, Glibc.listen(socket.number, backlog) == 0 else {
            throw .system(operation: "listening on the control socket", path: path, errno: errno)
        }
        return socket
    }

    private static func removeDeadSocket(_ path: String) throws(ControlError) {
        var state = stat()
        guard unsafe lstat(path, &state) == 0 else { return }
        guard state.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        unsafe unlink(path)
    }

    /// A connection to the process that listens at a path.
    static func connect(path: String) throws(ControlError) -> Descriptor {
        let socket = try newSocket(path)
        var code: Int32 = 0
        // EAGAIN says that more clients want in than the listener has accepted yet.
        for attempt in 0..<200 {
            if attempt > 0 { usleep(10_000) }
            code = try unsafe withAddress(of: path) { unsafe Glibc.connect(socket.number, $0, $1) == 0 ? 0 : errno }
            if code != EAGAIN { break }
        }
        switch code {
        case 0: return socket
        case ENOENT, ECONNREFUSED: throw .notRunning(path: path)
        case ENOTSOCK: throw .notASocket(path: path)
        default: throw .system(operation: "connecting to the control socket", path: path, errno: code)
        }
    }

    /// The next client, or `nil` when none waits.
    static func accept(_ listener: Descriptor) -> Descriptor? {
        let number = Glibc.accept(listener.number, nil, nil)
        guard number >= 0 else { return nil }
        let client = Descriptor(number)
        makeNonBlocking(number)
        return client
    }

    private static func makeNonBlocking(_ number: Int32) {
        _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
    }

    /// A pipe whose read end becomes readable when its write end is written to.
    static func pipe() throws(ControlError) -> (read: Descriptor, write: Descriptor) {
        var ends: [Int32] = [-1, -1]
        guard unsafe Glibc.pipe(&ends) == 0 else { throw .system(operation: "opening", path: "a pipe", errno: errno) }
        makeNonBlocking(ends[0])
        makeNonBlocking(ends[1])
        return (Descriptor(ends[0]), Descriptor(ends[1]))
    }

    static func read(_ descriptor: Descriptor, into buffer: inout [UInt8]) -> Transfer {
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe Glibc.read(descriptor.number, $0.baseAddress, $0.count)
        }
        if count > 0 { return .bytes(count) }
        if count < 0, errno == EAGAIN || errno == EINTR { return .wouldBlock }
        return .closed
    }

    static func write(_ descriptor: Descriptor, _ bytes: ArraySlice<UInt8>) -> Transfer {
        // Without MSG_NOSIGNAL a client that went away would end the process.
        let count = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(descriptor.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return .bytes(count) }
        return errno == EAGAIN || errno == EINTR ? .wouldBlock : .closed
    }

    static func wake(_ descriptor: Descriptor) {
        var byte: UInt8 = 1
        _ = unsafe Glibc.write(descriptor.number, &byte, 1)
    }

    /// Waits until a descriptor is ready or the time is over; a negative time waits for ever.
    static func poll(_ interests: inout [Interest], milliseconds: Int) {
        var entries = interests.map { interest in
            pollfd(
                fd: interest.descriptor,
                events: Int16((interest.wantsRead ? POLLIN : 0) | (interest.wantsWrite ? POLLOUT : 0)), revents: 0)
        }
        _ = unsafe Glibc.poll(&entries, nfds_t(entries.count), Int32(clamping: milliseconds))
        for index in entries.indices {
            let said = Int32(entries[index].revents)
            interests[index].isReadable = said & (POLLIN | POLLHUP | POLLERR) != 0
            interests[index].isWritable = said & (POLLOUT | POLLHUP | POLLERR) != 0
        }
    }

    static func removeFile(_ path: String) { _ = unsafe unlink(path) }

    /// Makes the folder of a path for its owner only, where there is none; one level.
    static func makeFolder(of path: String) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        _ = unsafe mkdir(String(path[..<slash]), 0o700)
    }

    /// Milliseconds of a clock that only goes forward.
    static func milliseconds() -> Int {
        var now = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
    }
}
