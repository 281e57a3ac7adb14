import ChimneyPrimitives

/// The Internet checksum's speed over buffers in cache.
func benchChecksum(seconds: Double) {
    for byteCount in [64, 1_500, 65_536] {
        let bytes = [UInt8](repeating: 0x5A, count: byteCount)
        var sum: UInt32 = 0
        var count = 0
        let start = nanoseconds()
        repeat {
            for _ in 0..<4_096 {
                sum ^= unsafe InternetChecksum.sum(bytes.span.bytes, initial: UInt32(truncatingIfNeeded: count))
                count += 1
            }
        } while Double(nanoseconds() - start) < seconds * 1e9
        let spent = Double(nanoseconds() - start)
        report("checksum-\(byteCount)", Double(count * byteCount) / spent, "GB/s", ",\"mix\":\(sum)")
    }
}
