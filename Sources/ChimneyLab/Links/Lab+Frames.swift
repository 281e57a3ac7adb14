import ChimneyPrimitives
import ChimneyWire

extension Lab {
    /// Puts the frames of one interface on its link.
    func send(_ frames: inout PacketQueue, from port: LinkPort) {
        let link = port.link
        while !frames.isEmpty {
            var frame = frames.removeFirst()
            // A wire has no slices, and a frame on it belongs to nobody's retransmission queue.
            guard frame.isContiguous || frame.flatten(pool: pool) else {
                link.counters.sent += 1
                link.counters.drop(.noBuffer)
                continue
            }
            frameSent(frame, on: link, from: port)
        }
    }

    private func frameSent(_ frame: consuming Packet, on link: LabLink, from source: LinkPort) {
        var frame = frame
        let byteCount = frame.count
        link.counters.sent += 1
        link.counters.sentBytes += UInt64(byteCount)
        hash.combine(now.nanoseconds)
        hash.combine(UInt64(link.index) << 32 | UInt64(source.position))
        hash.combine(frame.bytes)
        if let tap = link.tap { tap(now, frame.bytes) }
        guard link.isUp else { return lose(on: link, .down) }
        guard byteCount >= 14, byteCount <= source.settings.mtu + 14 else { return link.counters.drop(.tooLarge) }
        frame.metadata = PacketMetadata()
        switch link.kind {
        case .cable:
            guard link.ports.count == 2 else { return link.counters.drop(.noReceiver) }
            transmit(frame, on: link, to: link.ports[1 - source.position])
        case .switch:
            let destination = MACAddress(bits: frame.bytes.word(at: 0) >> 16)
            link.table.learn(MACAddress(bits: frame.bytes.word(at: 6) >> 16), port: source.position, at: now)
            if !destination.isMulticast, let known = link.table.port(of: destination, at: now) {
                guard known != source.position else { return link.counters.drop(.noReceiver) }
                transmit(frame, on: link, to: link.ports[known])
            } else {
                flood(frame, on: link, from: source)
            }
        }
    }

    /// Sends a frame out of every port but the one it came from.
    private func flood(_ frame: consuming Packet, on link: LabLink, from source: LinkPort) {
        let last = link.ports.count - (source.position == link.ports.count - 1 ? 2 : 1)
        guard last >= 0 else { return link.counters.drop(.noReceiver) }
        for position in 0..<last where position != source.position {
            link.counters.replicated += 1
            guard var copy = frame.clone(pool: pool) else {
                lose(on: link, .noBuffer)
                continue
            }
            copy.metadata = PacketMetadata()
            transmit(copy, on: link, to: link.ports[position])
        }
        transmit(frame, on: link, to: link.ports[last])
    }

    /// One direction: loss, the queue, corruption, delay, reordering, duplication.
    private func transmit(_ frame: consuming Packet, on link: LabLink, to port: LinkPort) {
        let faults = port.faults
        if link.draws(faults.loss) { return lose(on: link, .lost) }
        guard let departure = port.departure(of: frame.count, at: now) else { return lose(on: link, .queueFull) }
        var frame = frame
        if departure.isMarked, frame.canBeMarked {
            if !frame.isWritable {
                guard let copy = frame.clone(pool: pool) else { return lose(on: link, .noBuffer) }
                frame = copy
                frame.metadata = PacketMetadata()
            }
            frame.markCongestion()
            link.counters.marked += 1
        }
        if link.draws(faults.corruption) {
            guard setBits(of: &frame, atMost: faults.corruptedBitsMax, on: link) else {
                return lose(on: link, .noBuffer)
            }
            link.counters.corrupted += 1
            link.noteDisturbance(at: now)
        }
        let heldBack = link.counters.reordered
        let arrival = port.arrival(after: departure.at)
        if link.counters.reordered > heldBack { link.noteDisturbance(at: arrival) }
        if link.draws(faults.duplication), var copy = frame.clone(pool: pool) {
            copy.metadata = PacketMetadata()
            link.counters.duplicated += 1
            let later = arrival + link.random.delay(upTo: faults.reorderingDelay)
            link.noteDisturbance(at: later)
            schedule(frame, on: link, to: port, at: arrival)
            schedule(copy, on: link, to: port, at: later)
        } else {
            schedule(frame, on: link, to: port, at: arrival)
        }
    }

    /// A frame is lost, and with it what it told.
    private func lose(on link: LabLink, _ reason: LinkDropReason) {
        link.counters.drop(reason)
        link.noteDisturbance(at: now)
    }

    private func schedule(_ frame: consuming Packet, on link: LabLink, to port: LinkPort, at arrival: Instant) {
        guard let slot = flying.insert(frame) else { return lose(on: link, .noBuffer) }
        link.counters.inFlight += 1
        events.schedule(.frame, at: arrival, target: port.index, slot: slot, detail: link.epoch)
    }

    /// Sets one to `bitsMax` clear bits anywhere in the frame; false when a shared frame could not be copied.
    ///
    /// Bits are never cleared: a bit set in one word and cleared in another would cancel out in an Internet
    /// checksum, while up to fifteen set ones never do (powers of two sum to a multiple of 65,535 only from
    /// sixteen on). So whatever a checksum lets pass is the stack's mistake.
    private func setBits(of frame: inout Packet, atMost bitsMax: Int, on link: LabLink) -> Bool {
        if !frame.isWritable {
            guard let copy = frame.clone(pool: pool) else { return false }
            frame = copy
        }
        let count = Int.random(in: 1...max(1, bitsMax), using: &link.random)
        for _ in 0..<count {
            let start = Int.random(in: 0..<frame.count * 8, using: &link.random)
            for step in 0..<frame.count * 8 {
                let bit = (start + step) % (frame.count * 8)
                let old = frame.bytes.uint8(at: bit >> 3)
                guard old & 1 << UInt8(bit & 7) == 0 else { continue }
                var bytes = frame.mutableBytes
                bytes.storeBytes(of: old | 1 << UInt8(bit & 7), toByteOffset: bit >> 3, as: UInt8.self)
                break
            }
        }
        return true
    }

    /// Takes a frame off its link; false when the link went down while it was under way.
    func land(_ event: Event, into batch: inout PacketQueue) {
        let port = ports[Int(event.target)]
        let link = port.link
        guard let slot = event.slot else { preconditionFailure("a frame's event names its packet") }
        let frame = flying.remove(slot)
        link.counters.inFlight -= 1
        guard event.detail == link.epoch else { return lose(on: link, .wentDown) }
        link.counters.delivered += 1
        link.counters.deliveredBytes += UInt64(frame.count)
        hash.combine(event.time)
        hash.combine(1 << 63 | UInt64(link.index) << 32 | UInt64(port.position))
        hash.combine(UInt64(frame.count))
        noteDue(frame, at: port)
        batch.append(frame)
    }
}
