public import CChimney
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Glibc

// Bytes and datagrams in and out.
//
// Invariant: a buffer is memory of the caller's that `Memory` took over, there for as long as the call takes, also while it waits;
// what is copied fits, since every count is bounded by the buffer's own. A message is looked at only when it is not null.

/// What a receive call found.
struct Receipt {
    var count = 0
    /// Who sent it; of a datagram only.
    var source: Endpoint?
    var isTruncated = false
}

extension CallerStack {
    // MARK: - Receiving

    func receive(
        _ descriptor: Descriptor, into buffers: [UnsafeMutableRawBufferPointer], flags: Int32
    ) throws(Errno) -> Receipt {
        guard flags & LinuxNumber.messageErrorQueue == 0 else { throw Errno(EAGAIN) }
        switch descriptor.role {
        case .idle, .listener: throw Errno(ENOTCONN)
        case .connection:
            // Urgent data stays where it is among the rest (RFC 6093 §4).
            guard flags & LinuxNumber.messageOutOfBand == 0 else { throw Errno(EINVAL) }
            return Receipt(count: try unsafe receiveStream(descriptor, into: buffers, flags: flags))
        case .datagram(let id):
            guard flags & LinuxNumber.messageOutOfBand == 0 else { throw Errno(EOPNOTSUPP) }
            return try unsafe receiveDatagram(descriptor, id, into: buffers, flags: flags)
        }
    }

    private func receiveStream(
        _ descriptor: Descriptor, into buffers: [UnsafeMutableRawBufferPointer], flags: Int32
    ) throws(Errno) -> Int {
        let wanted = unsafe buffers.reduce(0) { $0 + $1.count }
        guard wanted > 0 else { return 0 }
        let peeks = flags & LinuxNumber.messagePeek != 0
        let waitsForAll = flags & LinuxNumber.messageWaitAll != 0 && !peeks
        var done = 0
        while true {
            do throws(Errno) {
                try wait(on: descriptor, flags: flags, timeout: descriptor.options.receiveTimeout) {
                    () throws(Errno) in canReceive(descriptor)
                }
            } catch {
                guard done > 0 else { throw error }
                return done
            }
            guard case .connection(let id) = descriptor.role, stack.readableCount(id) > 0 else {
                if done == 0, let failure = takeFailure(of: descriptor) { throw failure }
                return done
            }
            done += unsafe read(id, into: buffers, from: done, peeks: peeks)
            guard waitsForAll, done < wanted else { return done }
        }
    }

    /// Whether a call that receives need not wait.
    private func canReceive(_ descriptor: Descriptor) -> Bool {
        guard case .connection(let id) = descriptor.role else { return true }
        return stack.readableCount(id) > 0 || stack.isAtEnd(id) || stack.failure(of: id) != nil
            || descriptor.isReadShut
    }

    /// Fills buffers from their byte `start` on with what is there.
    private func read(
        _ id: TCPConnectionID, into buffers: [UnsafeMutableRawBufferPointer], from start: Int, peeks: Bool
    ) -> Int {
        // A look shows the same bytes again and so fills one buffer alone.
        var done = 0
        var toSkip = start
        for index in unsafe buffers.indices {
            let buffer = unsafe buffers[index]
            guard toSkip < buffer.count else {
                toSkip -= buffer.count
                continue
            }
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[toSkip...])
            toSkip = 0
            var target = unsafe rest.mutableBytes
            if peeks { return stack.peek(id, into: &target) }
            let count = (try? stack.read(id, into: &target, at: now)) ?? 0
            done += count
            guard count == rest.count else { break }
        }
        return done
    }

    private func receiveDatagram(
        _ descriptor: Descriptor, _ id: SocketID, into buffers: [UnsafeMutableRawBufferPointer], flags: Int32
    ) throws(Errno) -> Receipt {
        try wait(on: descriptor, flags: flags, timeout: descriptor.options.receiveTimeout) { () throws(Errno) in
            isReadable(descriptor, id) || descriptor.isReadShut
        }
        if let error = takeError(descriptor, id) { throw error }
        lookAtFront(descriptor, id)
        guard !descriptor.front.isEmpty else { return Receipt() }
        let receipt = unsafe copy(descriptor.front[0], into: buffers, flags: flags)
        if flags & LinuxNumber.messagePeek == 0 { _ = descriptor.front.removeFirst() }
        return receipt
    }

    private func copy(
        _ datagram: borrowing Datagram, into buffers: [UnsafeMutableRawBufferPointer], flags: Int32
    ) -> Receipt {
        var done = 0
        for index in unsafe buffers.indices {
            let buffer = unsafe buffers[index]
            let count = min(buffer.count, datagram.count - done)
            guard count > 0 else { continue }
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            unsafe datagram.bytes.extracting(done..<done + count).withUnsafeBytes { bytes in
                unsafe target.copyMemory(from: bytes)
            }
            done += count
        }
        var receipt = Receipt(count: done, source: datagram.source, isTruncated: done < datagram.count)
        if flags & LinuxNumber.messageTruncated != 0 { receipt.count = datagram.count }
        return receipt
    }

    /// Takes the oldest datagram out of the stack, so that it can be looked at.
    func lookAtFront(_ descriptor: Descriptor, _ id: SocketID) {
        guard descriptor.front.isEmpty, stack.receivableCount(id) > 0 else { return }
        descriptor.front.append(stack.receive(id))
    }

    /// Whether a datagram or an error waits.
    func isReadable(_ descriptor: Descriptor, _ id: SocketID) -> Bool {
        !descriptor.front.isEmpty || stack.receivableCount(id) > 0 || hasError(descriptor, id)
    }

    func hasError(_ descriptor: Descriptor, _ id: SocketID) -> Bool {
        if descriptor.pendingError == nil { descriptor.pendingError = stack.takeError(id) }
        return descriptor.pendingError != nil
    }

    /// Tells what the network reported about datagrams, once.
    func takeError(_ descriptor: Descriptor, _ id: SocketID) -> Errno? {
        guard hasError(descriptor, id), let error = descriptor.pendingError else { return nil }
        descriptor.pendingError = nil
        return Errno(error.errorName)
    }

    // MARK: - Sending

    func send(
        _ descriptor: Descriptor, _ buffers: [UnsafeMutableRawBufferPointer], to destination: Endpoint?, flags: Int32
    ) throws(Errno) -> Int {
        switch descriptor.role {
        case .idle, .listener: throw Errno(EPIPE)
        case .connection: return try unsafe sendStream(descriptor, buffers, flags: flags)
        case .datagram(let id):
            guard flags & LinuxNumber.messageOutOfBand == 0 else { throw Errno(EOPNOTSUPP) }
            return try unsafe sendDatagram(descriptor, id, buffers, to: destination)
        }
    }

    private func sendStream(
        _ descriptor: Descriptor, _ buffers: [UnsafeMutableRawBufferPointer], flags: Int32
    ) throws(Errno) -> Int {
        guard !descriptor.isWriteShut else { throw Errno(EPIPE) }
        try wait(on: descriptor, flags: flags, timeout: descriptor.options.sendTimeout) { () throws(Errno) in
            !isUnopened(descriptor)
        }
        if let failure = takeFailure(of: descriptor) { throw failure }
        guard case .connection(let id) = descriptor.role else { throw Errno(EPIPE) }
        let hasMore = flags & LinuxNumber.messageMore != 0
        let isUrgent = flags & LinuxNumber.messageOutOfBand != 0
        // Buffers of one message leave together, and so does what is said to have more behind it; what is urgent is marked
        // before it leaves, since the segment that brings it is to tell so.
        let holds = unsafe hasMore || isUrgent || buffers.count > 1
        if holds, !descriptor.options.isCorked { stack.setCorked(true, of: id, at: now) }
        descriptor.holdsMore = hasMore || (descriptor.holdsMore && holds)
        var done = 0
        var refusal: Errno?
        for index in unsafe buffers.indices {
            let buffer = unsafe buffers[index]
            do throws(Errno) {
                let count = try unsafe write(descriptor, id, buffer, flags: flags)
                done += count
                guard count == buffer.count else { break }
            } catch {
                refusal = error
                break
            }
        }
        if isUrgent, done > 0 { stack.markUrgent(id, at: now) }
        if !hasMore, !descriptor.options.isCorked {
            stack.setCorked(false, of: id, at: now)
            descriptor.holdsMore = false
        }
        if done == 0, let refusal { throw refusal }
        return done
    }

    private func isUnopened(_ descriptor: Descriptor) -> Bool {
        guard case .connection(let id) = descriptor.role else { return false }
        switch stack.state(of: id) {
        case .synSent, .synReceived: return true
        case .closed, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait: return false
        }
    }

    /// Writes one buffer, all of it where the call may wait.
    ///
    /// - Throws: why nothing of it was written.
    private func write(
        _ descriptor: Descriptor, _ id: TCPConnectionID, _ buffer: UnsafeMutableRawBufferPointer, flags: Int32
    ) throws(Errno) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[done...])
            let count: Int
            do throws(TCPWriteError) { count = try unsafe stack.write(id, rest.bytes, at: now) } catch {
                guard done == 0 else { return done }
                throw takeFailure(of: descriptor) ?? Errno(EPIPE)
            }
            done += count
            guard done < buffer.count else { break }
            if count == 0, stack.writableCount(id) > 0 {
                // There is room in the buffer, but no packet for it.
                guard done == 0 else { return done }
                throw Errno(ENOBUFS)
            }
            do throws(Errno) {
                try wait(on: descriptor, flags: flags, timeout: descriptor.options.sendTimeout) { () throws(Errno) in
                    stack.writableCount(id) > 0 || stack.writeError(of: id) != nil
                }
            } catch {
                guard done == 0 else { return done }
                throw error
            }
        }
        return done
    }

    private func sendDatagram(
        _ descriptor: Descriptor, _ id: SocketID, _ buffers: [UnsafeMutableRawBufferPointer],
        to destination: Endpoint?
    ) throws(Errno) -> Int {
        guard !descriptor.isWriteShut else { throw Errno(EPIPE) }
        if let error = takeError(descriptor, id) { throw error }
        guard destination != nil || descriptor.peer != nil else { throw Errno(EDESTADDRREQ) }
        if let destination, destination.isIPv4, descriptor.options.onlyIPv6 { throw Errno(ENETUNREACH) }
        try bindIfNeeded(descriptor, id)
        let total = unsafe buffers.reduce(0) { $0 + $1.count }
        guard total <= 65_535 else { throw Errno(EMSGSIZE) }
        var payload: [UInt8] = []
        payload.reserveCapacity(total)
        for index in unsafe buffers.indices { unsafe payload.append(contentsOf: buffers[index]) }
        do throws(SendError) {
            try unsafe stack.send(id, payload.span.bytes, to: destination, at: now)
        } catch { throw Errno(error.errorName) }
        return total
    }
}

extension CallerStack {
    fileprivate func receive(
        _ number: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int, flags: Int32,
        _ address: UnsafeMutablePointer<sockaddr>?, _ length: UnsafeMutablePointer<socklen_t>?
    ) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        let target = try unsafe Memory.toWrite(buffer, count)
        if unsafe address != nil, unsafe length == nil { throw Errno(EFAULT) }
        let receipt = try unsafe receive(descriptor, into: [target], flags: flags)
        if let source = receipt.source {
            try unsafe SocketAddress.write(source, descriptor.family, to: address, length)
        } else if unsafe address != nil, let length = unsafe length {
            unsafe length.pointee = 0
        }
        return receipt.count
    }

    fileprivate func send(
        _ number: Int32, _ buffer: UnsafeRawPointer?, _ count: Int, flags: Int32, _ address: UnsafePointer<sockaddr>?,
        _ length: socklen_t
    ) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        // Only read from: the type is that of a message's buffers.
        let source = try unsafe Memory.toWrite(UnsafeMutableRawPointer(mutating: buffer), count)
        let destination = try unsafe self.destination(descriptor, address, length)
        return try unsafe send(descriptor, [source], to: destination, flags: flags)
    }

    /// The address a message is sent to; one of a connection does not count.
    fileprivate func destination(
        _ descriptor: Descriptor, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
    ) throws(Errno) -> Endpoint? {
        guard unsafe address != nil, !descriptor.isStream else { return nil }
        return try unsafe SocketAddress.read(address, length, for: descriptor.family)
    }
}

// MARK: - Exports

/// Reads.
@c @implementation
public func chimney_read(
    _ stack: OpaquePointer?, _ fd: CInt, _ buffer: UnsafeMutableRawPointer?, _ count: Int
) -> Int {
    unsafe call(stack) { stack throws(Errno) in try unsafe stack.receive(fd, buffer, count, flags: 0, nil, nil) }
}

/// Receives.
@c @implementation
public func chimney_recv(
    _ stack: OpaquePointer?, _ fd: CInt, _ buffer: UnsafeMutableRawPointer?, _ count: Int, _ flags: CInt
) -> Int {
    unsafe call(stack) { stack throws(Errno) in try unsafe stack.receive(fd, buffer, count, flags: flags, nil, nil) }
}

/// Receives, and tells who sent it.
@c @implementation
public func chimney_recvfrom(
    _ stack: OpaquePointer?, _ fd: CInt, _ buffer: UnsafeMutableRawPointer?, _ count: Int, _ flags: CInt,
    _ address: UnsafeMutablePointer<sockaddr>?, _ length: UnsafeMutablePointer<socklen_t>?
) -> Int {
    unsafe call(stack) { stack throws(Errno) in
        try unsafe stack.receive(fd, buffer, count, flags: flags, address, length)
    }
}

/// Receives into several buffers.
@c @implementation
public func chimney_recvmsg(
    _ stack: OpaquePointer?, _ fd: CInt, _ message: UnsafeMutablePointer<msghdr>?, _ flags: CInt
) -> Int {
    unsafe call(stack) { stack throws(Errno) in
        let descriptor = try stack.descriptors[fd]
        guard let message = unsafe message else { throw Errno(EFAULT) }
        let buffers = try unsafe Memory.buffers(message.pointee)
        let receipt = try unsafe stack.receive(descriptor, into: buffers, flags: flags)
        if let source = receipt.source {
            let name = unsafe message.pointee.msg_name?.assumingMemoryBound(to: sockaddr.self)
            try unsafe SocketAddress.write(source, descriptor.family, to: name, &message.pointee.msg_namelen)
        } else {
            unsafe message.pointee.msg_namelen = 0
        }
        unsafe message.pointee.msg_controllen = 0
        unsafe message.pointee.msg_flags = receipt.isTruncated ? LinuxNumber.messageTruncated : 0
        return receipt.count
    }
}

/// Writes.
@c @implementation
public func chimney_write(_ stack: OpaquePointer?, _ fd: CInt, _ buffer: UnsafeRawPointer?, _ count: Int) -> Int {
    unsafe call(stack) { stack throws(Errno) in try unsafe stack.send(fd, buffer, count, flags: 0, nil, 0) }
}

/// Sends.
@c @implementation
public func chimney_send(
    _ stack: OpaquePointer?, _ fd: CInt, _ buffer: UnsafeRawPointer?, _ count: Int, _ flags: CInt
) -> Int {
    unsafe call(stack) { stack throws(Errno) in try unsafe stack.send(fd, buffer, count, flags: flags, nil, 0) }
}

/// Sends to an address.
@c @implementation
public func chimney_sendto(
    _ stack: OpaquePointer?, _ fd: CInt, _ buffer: UnsafeRawPointer?, _ count: Int, _ flags: CInt,
    _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
) -> Int {
    unsafe call(stack) { stack throws(Errno) in
        try unsafe stack.send(fd, buffer, count, flags: flags, address, length)
    }
}

/// Sends from several buffers.
@c @implementation
public func chimney_sendmsg(
    _ stack: OpaquePointer?, _ fd: CInt, _ message: UnsafePointer<msghdr>?, _ flags: CInt
) -> Int {
    unsafe call(stack) { stack throws(Errno) in
        let descriptor = try stack.descriptors[fd]
        guard let message = unsafe message else { throw Errno(EFAULT) }
        let buffers = try unsafe Memory.buffers(message.pointee)
        let name = unsafe UnsafeRawPointer(message.pointee.msg_name)?.assumingMemoryBound(to: sockaddr.self)
        let destination = try unsafe stack.destination(descriptor, name, message.pointee.msg_namelen)
        return try unsafe stack.send(descriptor, buffers, to: destination, flags: flags)
    }
}
