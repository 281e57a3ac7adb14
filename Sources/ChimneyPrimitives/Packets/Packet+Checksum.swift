extension Packet {
    /// Completes a partial transport checksum for a link whose device does not (RFC 1071).
    ///
    /// - Parameter linkByteCount: the bytes before the network header, from which the metadata counts.
    /// - Returns: `false`, with nothing changed, when the field is not in the first part or that is shared.
    package mutating func completeChecksum(linkByteCount: Int = 0) -> Bool {
        let start = Int(metadata.checksumStart) + linkByteCount
        let field = start + Int(metadata.checksumOffset)
        guard isWritable, start <= count, field + 2 <= count else { return false }
        var sum = InternetChecksum.finish(InternetChecksum.sum(self, from: start))
        // A UDP checksum of zero says that there is none (RFC 768).
        if sum == 0 && metadata.checksumOffset == 6 { sum = 0xFFFF }
        var span = mutableBytes
        span.storeBytes(of: sum.bigEndian, toByteOffset: field, as: UInt16.self)
        checksum = .verified
        return true
    }
}
