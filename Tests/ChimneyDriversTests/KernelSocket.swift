#if os(Linux)
    import Glibc

    /// A socket of the kernel that tests talk to, of either family.
    final class KernelSocket {
        let descriptor: Int32
        private let isIPv6: Bool

        init(isIPv6: Bool, stream: Bool) {
            self.isIPv6 = isIPv6
            let kind = Int32(stream ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, kind, 0)
        }

        deinit { close(descriptor) }

        /// The bytes of a `sockaddr` of this family.
        private func name(_ address: [UInt8], _ port: UInt16) -> [UInt8] {
            let family = UInt16(isIPv6 ? AF_INET6 : AF_INET)
            let head = [UInt8(truncatingIfNeeded: family), UInt8(family >> 8), UInt8(port >> 8), UInt8(port & 0xFF)]
            return isIPv6
                ? head + [0, 0, 0, 0] + address + [0, 0, 0, 0] : head + address + [UInt8](repeating: 0, count: 8)
        }

        private func call(_ address: [UInt8], _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32)
            -> Int32
        {
            // Invariant: the array holds a whole address of the family, which the kernel only reads.
            unsafe name(address, port).withUnsafeBytes { bytes -> Int32 in
                guard let base = bytes.baseAddress else { return -1 }
                return unsafe body(base.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            }
        }

        func bind(_ address: [UInt8], _ port: UInt16) -> Bool {
            unsafe call(address, port) { unsafe Glibc.bind(descriptor, $0, $1) } == 0
        }

        /// Connects; a stream only begins to.
        func connect(_ address: [UInt8], _ port: UInt16) {
            _ = unsafe call(address, port) { unsafe Glibc.connect(descriptor, $0, $1) }
        }

        /// Sends on a connected socket; how many bytes the kernel took.
        func send(_ bytes: [UInt8]) -> Int {
            unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
        }

        /// What has come, up to `max` bytes; nil when nothing has.
        func receive(max: Int = 65_536) -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: max)
            // The kernel writes at most the array's count.
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            return count < 0 ? nil : Array(bytes[..<count])
        }

        func set(_ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
            var value = value
            return unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
        }
    }
#endif
