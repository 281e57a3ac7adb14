public import CChimney
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Glibc

// Invariant: the entries are as many as the caller says, there for as long as the call takes, also while it waits.

/// What poll tells of a socket, by Linux's numbers.
struct PollEvents: OptionSet {
    let rawValue: Int16

    static var readable: Self { Self(rawValue: 0x001 | 0x040) }
    static var urgent: Self { Self(rawValue: 0x002) }
    static var writable: Self { Self(rawValue: 0x004 | 0x100) }
    static var error: Self { Self(rawValue: 0x008) }
    static var hungUp: Self { Self(rawValue: 0x010) }
    static var invalid: Self { Self(rawValue: 0x020) }
    static var peerClosed: Self { Self(rawValue: 0x2000) }

    /// What is told whether it was asked for or not.
    static var always: Self { [.error, .hungUp, .invalid] }
}

extension CallerStack {
    func events(of number: Int32) -> PollEvents {
        guard let descriptor = try? descriptors[number] else { return .invalid }
        switch descriptor.role {
        case .idle: return [.writable, .hungUp]
        case .listener(let id): return stack.acceptableCount(id) > 0 ? .readable : []
        case .connection(let id): return events(of: descriptor, id)
        case .datagram(let id):
            var events: PollEvents = descriptor.isWriteShut ? [] : .writable
            if isReadable(descriptor, id) || descriptor.isReadShut { events.insert(.readable) }
            if hasError(descriptor, id) { events.insert(.error) }
            return events
        }
    }

    private func events(of descriptor: Descriptor, _ id: TCPConnectionID) -> PollEvents {
        var events: PollEvents = []
        var isPeerDone = descriptor.isReadShut
        switch stack.state(of: id) {
        case .synSent, .synReceived: return []
        case .closed:
            events.formUnion([.readable, .writable, .hungUp])
            isPeerDone = true
        case .closeWait: isPeerDone = true
        case .closing, .lastAck, .timeWait:
            isPeerDone = true
            events.insert(.hungUp)
        case .established, .finWait1, .finWait2: break
        }
        if isPeerDone { events.formUnion([.readable, .peerClosed]) }
        if stack.readableCount(id) > 0 { events.insert(.readable) }
        if stack.urgentCount(id) != nil { events.insert(.urgent) }
        if stack.failure(of: id) != nil, !descriptor.isFailureTold { events.insert(.error) }
        // Writers wake when a third of the buffer is free, so that they do not write a byte at a time.
        let room = stack.writableCount(id) * 3
        if stack.writeError(of: id) != nil || room >= descriptor.settings.sendBufferMax { events.insert(.writable) }
        return events
    }

    /// Notes what there is of each socket, and says of how many there is something.
    private func look(_ entries: UnsafeMutableBufferPointer<pollfd>) -> Int {
        var found = 0
        for index in entries.indices {
            unsafe entries[index].revents = 0
            guard unsafe entries[index].fd >= 0 else { continue }
            let wanted = unsafe PollEvents(rawValue: entries[index].events).union(.always)
            let events = unsafe events(of: entries[index].fd).intersection(wanted)
            unsafe entries[index].revents = events.rawValue
            if !events.isEmpty { found += 1 }
        }
        return found
    }

    func poll(_ entries: UnsafeMutableBufferPointer<pollfd>, timeout: Int32) throws(Errno) -> Int {
        var found = unsafe look(entries)
        guard found == 0, timeout != 0 else { return found }
        let deadline = timeout < 0 ? Instant.never : now + .milliseconds(Int64(timeout))
        do throws(Errno) {
            try wait(until: deadline) { () throws(Errno) in
                found = unsafe look(entries)
                return found > 0
            }
        } catch {
            guard error.number == EAGAIN else { throw error }
        }
        return found
    }
}

/// Waits for sockets.
@c @implementation
public func chimney_poll(
    _ stack: OpaquePointer?, _ descriptors: UnsafeMutablePointer<pollfd>?, _ count: nfds_t, _ timeout: CInt
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        guard count <= stack.descriptors.descriptorsMax else { throw Errno(EINVAL) }
        guard unsafe descriptors != nil || count == 0 else { throw Errno(EFAULT) }
        return try unsafe stack.poll(
            UnsafeMutableBufferPointer(start: descriptors, count: Int(count)), timeout: timeout)
    }
}
