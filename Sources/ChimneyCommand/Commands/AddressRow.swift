import ChimneyPrimitives

/// Addresses in a row, as tests name them: `239.1.0.0+16` is 239.1.0.0 to 239.1.0.15.
struct AddressRow: Equatable, Sendable {
    let first: IPAddress
    let count: Int

    /// The most addresses of a row; a longer one is refused.
    static var countMax: Int { 131_072 }

    /// Why a text is not a row of what was wanted.
    enum Failure: Error, Equatable, CustomStringConvertible {
        case notAnAddress(String)
        case countInvalid(String)
        case tooMany(count: Int, max: Int)
        case leavesTheAddresses(String)
        case notAGroup(IPAddress)
        case notASource(IPAddress)
        case familiesDiffer(source: IPAddress, group: IPAddress)

        var description: String {
            switch self {
            case .notAnAddress(let text): "\"\(text)\" is not an address"
            case .countInvalid(let text): "\"\(text)\" is not a number of addresses; it is written ADDRESS+COUNT"
            case .tooMany(let count, let most): "a row of \(count) addresses exceeds \(most)"
            case .leavesTheAddresses(let text): "\"\(text)\" goes beyond the last address"
            case .notAGroup(let address): "\(address) is not a group"
            case .notASource(let address): "\(address) is not an address that sends"
            case .familiesDiffer(let source, let group): "\(source) and \(group) are of different families"
            }
        }
    }

    init(_ text: String) throws(Failure) {
        let parts = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let address = IPAddress(parts[0]) else { throw .notAnAddress(parts[0]) }
        var count = 1
        if parts.count == 2 {
            // A sign would be a second plus, and digits of other scripts are no count.
            guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(parts[1]), number > 0
            else { throw .countInvalid(parts[1]) }
            guard number <= Self.countMax else { throw .tooMany(count: number, max: Self.countMax) }
            count = number
        }
        first = address
        self.count = count
        guard Self.address(address, plus: count - 1) != nil else { throw .leavesTheAddresses(text) }
    }

    /// A row that is all groups.
    init(groups text: String) throws(Failure) {
        try self.init(text)
        for end in [first, self[count - 1]] where !end.isMulticast { throw .notAGroup(end) }
    }

    /// A row of addresses that may send to `group`.
    init(sources text: String, of group: IPAddress) throws(Failure) {
        try self.init(text)
        for end in [first, self[count - 1]] where end.isMulticast || !end.isValidSource { throw .notASource(end) }
        guard first.isIPv4 == group.isIPv4 else { throw .familiesDiffer(source: first, group: group) }
    }

    /// The address so many places behind the first.
    subscript(position: Int) -> IPAddress { Self.address(first, plus: position) ?? first }

    private static func address(_ address: IPAddress, plus distance: Int) -> IPAddress? {
        switch address {
        case .v4(let address):
            let (bits, isBeyond) = address.bits.addingReportingOverflow(UInt32(clamping: distance))
            return isBeyond ? nil : .v4(IPv4Address(bits: bits))
        case .v6(let address):
            let (bits, isBeyond) = address.bits.addingReportingOverflow(UInt128(clamping: distance))
            return isBeyond ? nil : .v6(IPv6Address(bits: bits))
        }
    }
}
