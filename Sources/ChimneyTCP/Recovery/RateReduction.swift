import ChimneyPrimitives

/// Proportional Rate Reduction: how much may leave for each acknowledgement while the flight shrinks (RFC 9937).
///
/// With more in flight than the threshold the two are led together over a round trip. With less, as much leaves as
/// arrives, and a segment more while the acknowledgements show that recovery goes well.
struct RateReduction: Sendable, BitwiseCopyable {
    /// prr_delivered, prr_out and RecoverFS.
    private var delivered: UInt32 = 0
    private var sent: UInt32 = 0
    private var flightSize: UInt32 = 0
    private var mayLeave: Int32 = 0
    private(set) var isActive = false

    /// What may leave now, in bytes.
    var quota: Int { max(0, Int(mayLeave)) }

    /// A reduction begins; so much was in flight or newly lost.
    mutating func begin(flightSize: Int) {
        self = RateReduction()
        self.flightSize = UInt32(clamping: max(1, flightSize))
        isActive = true
    }

    /// The window is what it is to be.
    mutating func end() { isActive = false }

    /// An acknowledgement arrived, the one that began it among them (RFC 9937).
    ///
    /// It is safe if it acknowledges by number and found no further loss.
    mutating func ackArrived(delivered newly: Int, inFlight: Int, ssthresh: Int, mss: Int, isSafe: Bool) {
        guard newly > 0 else { return }
        delivered = UInt32(clamping: Int(delivered) + newly)
        var count: Int
        if inFlight > ssthresh {
            let share = UInt64(delivered) * UInt64(clamping: ssthresh)
            count = Int((share + UInt64(flightSize) - 1) / UInt64(flightSize)) - Int(sent)
        } else {
            count = max(Int(delivered) - Int(sent), newly)
            if isSafe { count += mss }
            count = min(ssthresh - inFlight, count)
        }
        // The first retransmission leaves at once.
        if sent == 0, count <= 0 { count = mss }
        mayLeave = Int32(clamping: max(0, count))
    }

    /// Bytes left.
    mutating func left(_ bytes: Int) {
        sent = UInt32(clamping: Int(sent) + bytes)
        mayLeave = Int32(clamping: Int(mayLeave) - bytes)
    }
}
