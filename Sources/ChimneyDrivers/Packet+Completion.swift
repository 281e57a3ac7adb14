import ChimneyPrimitives

extension Packet {
    /// Completes a partial transport checksum for a device that cannot (RFC 1071); the frame is in one part of its own.
    ///
    /// - Returns: `false` when the frame is in several parts or the metadata points outside it.
    mutating func completeChecksum(linkByteCount: Int) -> Bool {
        let start = Int(metadata.checksumStart) + linkByteCount
        let field = start + Int(metadata.checksumOffset)
        guard isContiguous, isWritable, start <= count, field + 2 <= count else { return false }
        var sum = InternetChecksum.finish(InternetChecksum.sum(bytes.extracting(start..<count)))
        // A UDP checksum of zero says that there is none (RFC 768).
        if sum == 0 && metadata.checksumOffset == 6 { sum = 0xFFFF }
        var span = mutableBytes
        span.storeBytes(of: sum.bigEndian, toByteOffset: field, as: UInt16.self)
        checksum = .verified
        return true
    }
}
