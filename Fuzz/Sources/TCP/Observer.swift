import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire
import FuzzSupport

/// A module that sees every segment of every connection, and demands that the numbers keep their order.
final class Observer: TCPHooks {
    func watcher(ofConnection number: UInt64, in state: TCPFlowState, at now: Instant) -> (any TCPWatcher)? {
        Watch(state)
    }

    private struct Watch: TCPWatcher {
        private var unacknowledged: UInt32
        private var sent: UInt32
        private var arrived: UInt32

        init(_ state: TCPFlowState) {
            unacknowledged = state.firstUnacknowledged
            sent = state.nextToSend
            arrived = state.nextToArrive
        }

        mutating func segmentSeen(_ segment: TCPSeenSegment, in state: TCPFlowState) {
            demand(
                Self.isOrdered(state.firstUnacknowledged, state.nextToSend), "what is acknowledged was sent: \(state)")
            demand(Self.isOrdered(unacknowledged, state.firstUnacknowledged), "acknowledged is acknowledged: \(state)")
            demand(Self.isOrdered(sent, state.nextToSend), "sent is sent: \(state)")
            demand(Self.isOrdered(arrived, state.nextToArrive), "arrived is arrived: \(state)")
            (unacknowledged, sent, arrived) = (state.firstUnacknowledged, state.nextToSend, state.nextToArrive)
            guard segment.isOutgoing, !segment.flags.contains(.rst) else { return }
            let end = segment.sequence &+ UInt32(segment.length)
            // A probe of a closed window is beyond by a byte.
            demand(Self.isOrdered(end, state.nextToSend &+ 1), "what leaves is counted as sent: \(segment), \(state)")
        }

        private static func isOrdered(_ first: UInt32, _ second: UInt32) -> Bool {
            Int32(bitPattern: second &- first) >= 0
        }
    }
}
