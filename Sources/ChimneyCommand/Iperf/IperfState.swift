/// The single bytes by which the two ends of an iperf3 test say how far it is.
enum IperfState: Int8, CaseIterable {
    case testStart = 1
    case testRunning = 2
    case testEnd = 4
    case parameterExchange = 9
    case createStreams = 10
    case serverTerminate = 11
    case clientTerminate = 12
    case exchangeResults = 13
    case displayResults = 14
    case done = 16
    case accessDenied = -1
    case serverError = -2

    /// The byte as it stands in the stream.
    var byte: UInt8 { UInt8(bitPattern: rawValue) }

    init?(byte: UInt8) { self.init(rawValue: Int8(bitPattern: byte)) }
}

/// What every connection of a test begins with: 36 characters that the client draws, and a zero byte.
struct IperfCookie: Hashable, Sendable {
    private let bytes: [UInt8]

    /// How long it is, the zero byte included.
    static var byteCount: Int { 37 }

    /// - Throws: ``IperfFault/cookie`` for anything else than printable characters and a zero byte.
    init(_ bytes: [UInt8]) throws(IperfFault) {
        guard bytes.count == Self.byteCount, bytes.last == 0, bytes.dropLast().allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw .cookie
        }
        self.bytes = bytes
    }
}
