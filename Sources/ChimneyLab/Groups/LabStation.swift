public import ChimneyPrimitives

/// Something that is plugged into a link and has no stack: it sees the frames themselves and sends its own.
public protocol LabStation: AnyObject {
    /// The name, unique among the nodes, links and stations of its lab.
    var name: String { get }
    /// When ``timerFired(at:)`` shall be called; nil for never. Asked for after every call of the others.
    var deadline: Instant? { get }
    /// A frame arrived, with its Ethernet header.
    func frameArrived(_ frame: RawSpan, at now: Instant)
    /// The deadline has come; may be called early.
    func timerFired(at now: Instant)
    /// Hands over the frames that it sends now; asked for after every call of the others.
    func takeFrames() -> [[UInt8]]
}

/// A station, where it is plugged in and for when its next event is scheduled.
final class RunningStation {
    let station: any LabStation
    let port: LinkPort
    var scheduled = Instant.never
    /// Frames that it sent and got, for the lab's accounts.
    var sent: UInt64 = 0
    var received: UInt64 = 0

    init(_ station: any LabStation, port: LinkPort) {
        self.station = station
        self.port = port
    }
}

extension Lab {
    /// Plugs a station into a link.
    ///
    /// - Throws: ``LabError/nameInUse(_:)`` or ``LabError/tooMany(what:max:)``.
    public func plug(_ station: some LabStation, into link: LabLink) throws(LabError) {
        try checkName(station.name)
        let portsMax = link.portsMax
        guard link.ports.count < portsMax else { throw .tooMany(what: "ports of \(link.name)", max: portsMax) }
        let port = LinkPort(link: link, end: .station(stations.count, name: station.name), index: ports.count)
        ports.append(port)
        link.ports.append(port)
        stationPositions[station.name] = stations.count
        stations.append(RunningStation(station, port: port))
        settle(stations[stations.count - 1], stations.count - 1)
    }

    func stationTimerFired(_ position: Int, at time: UInt64) {
        let running = stations[position]
        guard running.scheduled.nanoseconds == time else { return }
        running.scheduled = .never
        running.station.timerFired(at: now)
        settle(running, position)
    }

    func framesArrived(_ batch: inout PacketQueue, at position: Int) {
        let running = stations[position]
        while !batch.isEmpty {
            let frame = batch.removeFirst()
            running.received += 1
            running.station.frameArrived(frame.bytes, at: now)
        }
        settle(running, position)
    }

    /// Carries on what a call to a station has left.
    func settle(_ running: RunningStation, _ position: Int) {
        var frames = PacketQueue()
        for bytes in running.station.takeFrames() {
            guard var packet = pool.allocate(headroom: 0, count: bytes.count) else { continue }
            guard packet.append(bytes.span.octets) else { continue }
            running.sent += 1
            frames.append(packet)
        }
        send(&frames, from: running.port)
        guard let deadline = running.station.deadline else { return }
        let due = max(deadline, now)
        guard due < running.scheduled else { return }
        running.scheduled = due
        events.schedule(.stationTimer, at: due, target: position)
    }
}
