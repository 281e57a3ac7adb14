import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import FuzzSupport

extension World {
    /// The states in which a peer becomes hostile.
    private enum Scene: UInt8, CaseIterable {
        case nothing, listening, synSent, synReceived, halfOpen, established, inFlight, finWait1, finWait2, closeWait
        case closing, lastAck, timeWait, several

        /// Where the connection stands then; `nil` without one.
        var state: TCPState? {
            switch self {
            case .nothing, .listening, .halfOpen: nil
            case .synSent: .synSent
            case .synReceived: .synReceived
            case .established, .inFlight, .several: .established
            case .finWait1: .finWait1
            case .finWait2: .finWait2
            case .closeWait: .closeWait
            case .closing: .closing
            case .lastAck: .lastAck
            case .timeWait: .timeWait
            }
        }
    }

    /// Brings a connection into a state of the script's choice, its peer in good order until then.
    mutating func begin() {
        let scene = Scene.allCases[Int(script.byte()) % Scene.allCases.count]
        let shape = script.byte()
        let isIPv6 = shape & 1 != 0
        play(scene, isIPv6: isIPv6, isPassive: shape & 2 != 0)
        transmit()
        check()
        guard hasRoom, let state = scene.state, let id = connections.first?.id else {
            return demand(!hasRoom || scene.state == nil, "a connection of \(scene) was opened")
        }
        demand(stack.state(of: id) == state, "\(scene) is reached, and not \(stack.state(of: id))")
    }

    private mutating func play(_ scene: Scene, isIPv6: Bool, isPassive: Bool) {
        switch scene {
        case .nothing: return
        case .listening: return serve()
        case .synSent: return call(isIPv6)
        case .synReceived:
            call(isIPv6)
            return say(0x02)
        case .halfOpen:
            serve()
            return knock(isIPv6)
        case .inFlight:
            open(isIPv6, isPassive: isPassive)
            return write(5_000)
        case .several:
            open(isIPv6, isPassive: true)
            open(!isIPv6, isPassive: false)
            // A hole, and what follows it.
            return say(0x10, count: 900, after: 100)
        case .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait:
            open(isIPv6, isPassive: isPassive)
        }
        guard let id = connections.first?.id else { return }
        switch scene {
        case .nothing, .listening, .synSent, .synReceived, .halfOpen, .established, .inFlight, .several: break
        case .finWait1: stack.shutdown(id, at: now)
        case .finWait2:
            stack.shutdown(id, at: now)
            say(0x10)
        case .closeWait: say(0x11)
        case .closing:
            stack.shutdown(id, at: now)
            say(0x11, unacknowledged: 1)
        case .lastAck:
            say(0x11)
            stack.shutdown(id, at: now)
        case .timeWait:
            stack.shutdown(id, at: now)
            say(0x11)
        }
    }

    private mutating func serve() {
        if let id = try? stack.listenTCP(on: Endpoint(port: Self.listenerPort), backlogMax: 2) { listeners.append(id) }
    }

    private mutating func knock(_ isIPv6: Bool) {
        peers.append(Peer(isIPv6: isIPv6, host: 2, port: 1_024, localPort: Self.listenerPort, next: 0xFFFF_FF00))
        say(0x02)
    }

    private mutating func call(_ isIPv6: Bool) {
        let peer = Peer(isIPv6: isIPv6, host: 3, port: 7, localPort: 0, next: 0)
        if let id = try? stack.connectTCP(to: peer.endpoint, at: now) { connections.append((id, 0)) }
    }

    private mutating func open(_ isIPv6: Bool, isPassive: Bool) {
        if isPassive {
            serve()
            knock(isIPv6)
            say(0x10)
            accept()
        } else {
            call(isIPv6)
            say(0x12)
        }
    }

    private mutating func write(_ count: Int) {
        guard let id = connections.first?.id else { return }
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        connections[0].written = UInt32((try? unsafe stack.write(id, bytes.span.bytes, at: now)) ?? 0)
    }

    /// A segment of the peer that came last, once it has heard what the stack said.
    private mutating func say(_ flags: UInt16, count: Int = 0, after skipped: UInt32 = 0, unacknowledged: UInt32 = 0) {
        transmit()
        guard let place = peers.indices.last else { return }
        let peer = peers[place]
        var options: [UInt8] = []
        let clock = be(UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000)) + be(peer.clock ?? 0)
        if flags & 2 != 0 {
            options = [2, 4, 5, 180, 4, 2, 8, 10] + clock + [1, 3, 3, 7]
        } else if peer.clock != nil {
            options = [1, 1, 8, 10] + clock
        }
        give(
            peer.segment(
                sequence: peer.next &+ skipped, ack: flags & 0x10 == 0 ? 0 : peer.heard &- unacknowledged, flags: flags,
                window: 0xFFFF, options: options, count: count))
        peers[place].acknowledged = peer.heard &- unacknowledged
    }
}
