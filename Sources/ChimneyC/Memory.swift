import CChimney
import Glibc

/// Memory of the caller's.
///
/// Invariant: what C hands over as a pointer and a length is that many bytes, for as long as the call takes; nothing of it is
/// kept beyond. Pointers need not be aligned: values are loaded and stored byte by byte.
enum Memory {
    /// The most buffers of one message, as on Linux.
    static var buffersMax: Int { 1_024 }

    static func toRead(_ pointer: UnsafeRawPointer?, _ count: Int) throws(Errno) -> UnsafeRawBufferPointer {
        // C's lengths have no sign; one beyond half the memory is a mistake.
        guard count >= 0 else { throw Errno(EINVAL) }
        guard unsafe pointer != nil || count == 0 else { throw Errno(EFAULT) }
        return unsafe UnsafeRawBufferPointer(start: pointer, count: unsafe pointer == nil ? 0 : count)
    }

    static func toWrite(
        _ pointer: UnsafeMutableRawPointer?, _ count: Int
    ) throws(Errno) -> UnsafeMutableRawBufferPointer {
        guard count >= 0 else { throw Errno(EINVAL) }
        guard unsafe pointer != nil || count == 0 else { throw Errno(EFAULT) }
        return unsafe UnsafeMutableRawBufferPointer(start: pointer, count: unsafe pointer == nil ? 0 : count)
    }

    /// The buffers of a message.
    static func buffers(_ message: msghdr) throws(Errno) -> [UnsafeMutableRawBufferPointer] {
        let count = unsafe message.msg_iovlen
        guard count <= buffersMax else { throw Errno(EMSGSIZE) }
        guard count > 0 else { return unsafe [] }
        guard let first = unsafe message.msg_iov else { throw Errno(EFAULT) }
        var result: [UnsafeMutableRawBufferPointer] = unsafe []
        var total = 0
        for index in 0..<Int(count) {
            let entry = unsafe first[index]
            let buffer = try unsafe toWrite(entry.iov_base, Int(bitPattern: UInt(entry.iov_len)))
            let (sum, isBeyond) = total.addingReportingOverflow(buffer.count)
            guard !isBeyond else { throw Errno(EINVAL) }
            total = sum
            unsafe result.append(buffer)
        }
        return unsafe result
    }

    /// What is at `offset` of a value that the caller gave.
    static func load<Value: BitwiseCopyable>(
        _ value: UnsafeRawBufferPointer, at offset: Int = 0, as type: Value.Type
    ) throws(Errno) -> Value {
        guard value.count >= offset + MemoryLayout<Value>.size else { throw Errno(EINVAL) }
        return unsafe value.loadUnaligned(fromByteOffset: offset, as: type)
    }

    /// Writes a value where the caller wants it, as much of it as there is room for, and says how much that is.
    static func store(
        _ bytes: [UInt8], at pointer: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?
    ) throws(Errno) {
        guard let length = unsafe length else { throw Errno(EFAULT) }
        let room = unsafe Int(length.pointee)
        guard room <= Int(Int32.max) else { throw Errno(EINVAL) }
        let count = min(room, bytes.count)
        let target = try unsafe toWrite(pointer, count)
        for index in 0..<count { unsafe target[index] = bytes[index] }
        unsafe length.pointee = socklen_t(count)
    }
}
