/// What is wrong with a capture file, and where: offsets count bytes from the file's start.
public enum CaptureError: Error, Hashable, Sendable {
    /// The file begins with none of the marks of pcap and pcapng.
    case notACapture
    /// A version this reader does not know.
    case unsupportedVersion(major: UInt16, minor: UInt16, offset: Int)
    /// The file ends inside a header, block or packet.
    case truncated(offset: Int, needed: Int, available: Int)
    /// A block's length is too small for its kind, no multiple of four, or above ``CaptureReader/blockBytesMax``.
    case badBlockLength(Int, offset: Int)
    /// The two lengths of a block differ.
    case lengthMismatch(first: Int, last: Int, offset: Int)
    /// A section's byte-order mark is neither order's.
    case badByteOrderMark(UInt32, offset: Int)
    /// A packet names an interface its section has not described.
    case unknownInterface(Int, offset: Int)
    /// A packet claims more bytes than its block, or more than ``CaptureReader/packetBytesMax``.
    case badPacketLength(Int, offset: Int)
    /// An option is longer than what is left of its block.
    case badOption(code: UInt16, byteCount: Int, offset: Int)
    /// The section describes more interfaces than ``CaptureReader/interfacesMax``.
    case tooManyInterfaces(limit: Int, offset: Int)
}
