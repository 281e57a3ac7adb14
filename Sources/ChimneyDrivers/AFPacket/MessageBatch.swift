#if os(Linux)
    import CChimneyLinux
    import Glibc

    /// The arrays that `recvmmsg` and `sendmmsg` want, laid out once: per message a virtio-net header, some
    /// parts and room for control data.
    @safe
    struct MessageBatch: ~Copyable {
        let count: Int
        /// The parts a message has room for; its packet is laid out in no more.
        let partsMax: Int
        // Invariant: all three are allocated for `count` messages and live as long as the batch; each message's
        // header points into the other two.
        let messages: UnsafeMutablePointer<chimney_message>
        let parts: UnsafeMutablePointer<iovec>
        let control: UnsafeMutableRawPointer

        private static var controlByteCount: Int { 64 }

        init(count: Int, partsMax: Int) {
            self.count = count
            self.partsMax = partsMax
            unsafe messages = .allocate(capacity: count)
            unsafe parts = .allocate(capacity: count * partsMax)
            unsafe control = .allocate(byteCount: count * Self.controlByteCount, alignment: 16)
            unsafe parts.initialize(repeating: iovec(), count: count * partsMax)
            for index in 0..<count {
                var header = unsafe msghdr()
                unsafe header.msg_iov = unsafe parts + index * partsMax
                unsafe (messages + index).initialize(to: chimney_message(header: header, count: 0))
            }
        }

        deinit {
            unsafe messages.deallocate()
            unsafe parts.deallocate()
            unsafe control.deallocate()
        }

        /// Makes the control data of every message empty, with room for the kernel to write.
        func openControl(from first: Int, count: Int) {
            for index in first..<first + count {
                unsafe messages[index].header.msg_control = unsafe control + index * Self.controlByteCount
                unsafe messages[index].header.msg_controllen = Self.controlByteCount
                unsafe messages[index].header.msg_flags = 0
            }
        }
    }
#endif
