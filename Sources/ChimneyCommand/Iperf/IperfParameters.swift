import Foundation

/// What a client asks of a test, checked.
struct IperfParameters: Hashable, Sendable {
    /// Streams each way.
    var streams = 1
    /// Which way they go.
    var directions = Directions.toServer
    /// How long the client sends; 0 when bytes or blocks end the test.
    var seconds = 0
    /// How long what is sent at the beginning does not count.
    var omitSeconds = 0
    /// How much a write hands over.
    var blockBytes = 131_072
    /// What buffers of a socket hold; nil for the service's.
    var windowBytes: Int?
    /// Bits a second of each stream; nil for as many as there is room for.
    var bitsPerSecond: Int?
    /// Whether small segments leave at once.
    var noDelay = false
    /// The type of service of what is sent.
    var typeOfService: UInt8?
    /// The congestion control of what is sent; nil for the stack's.
    var congestionControl: String?

    /// Which way the streams of a test go.
    enum Directions: Hashable, Sendable {
        case toServer, toClient, both
    }

    /// The most streams each way.
    static var streamsMax: Int { 128 }
    /// The most seconds that a test takes.
    static var secondsMax: Int { 86_400 }
    /// The most seconds that are left out.
    static var omitSecondsMax: Int { 60 }
    /// The most bytes of a write.
    static var blockBytesMax: Int { 1_048_576 }
    /// The most bytes that buffers may be asked to hold; the service has a bound of its own below.
    static var windowBytesMax: Int { 536_870_912 }

    /// The streams of the test, in the order in which they are connected.
    var sends: [Bool] {
        switch directions {
        case .toServer: [Bool](repeating: false, count: streams)
        case .toClient: [Bool](repeating: true, count: streams)
        case .both: [Bool](repeating: false, count: streams) + [Bool](repeating: true, count: streams)
        }
    }
}

extension IperfParameters {
    /// What a client says of a test, as far as the service minds it.
    private struct Wishes: Decodable {
        var tcp: Bool?
        var udp: Bool?
        var sctp: Bool?
        var omit: Double?
        var time: Double?
        var nodelay: Bool?
        var parallel: Double?
        var reverse: Bool?
        var bidirectional: Bool?
        var window: Double?
        var len: Double?
        var bandwidth: Double?
        // The name of the type of service stands in capitals.
        var TOS: Double?
        var congestion: String?
    }

    /// Reads what a client sent, and says which of it cannot be done.
    ///
    /// - Parameters:
    ///   - json: its parameters.
    ///   - congestionControls: the names that connections of the stack may choose.
    /// - Throws: ``IperfFault``.
    init(reading json: [UInt8], congestionControls: [String]) throws(IperfFault) {
        let wishes: Wishes
        do { wishes = try JSONDecoder().decode(Wishes.self, from: Data(json)) } catch { throw .parametersMalformed }
        if wishes.udp == true { throw .notTCP("UDP") }
        if wishes.sctp == true { throw .notTCP("SCTP") }
        streams = try Self.whole(wishes.parallel, in: 1...Self.streamsMax, IperfFault.streams) ?? 1
        seconds = try Self.whole(wishes.time, in: 0...Self.secondsMax, IperfFault.duration) ?? 0
        omitSeconds = try Self.whole(wishes.omit, in: 0...Self.omitSecondsMax, IperfFault.omit) ?? 0
        blockBytes = try Self.whole(wishes.len, in: 1...Self.blockBytesMax, IperfFault.block) ?? blockBytes
        let window = try Self.whole(wishes.window, in: 0...Self.windowBytesMax, IperfFault.window)
        windowBytes = window == 0 ? nil : window
        let rate = wishes.bandwidth ?? 0
        // More than a stack ever sends is as good as no bound.
        bitsPerSecond = rate >= 1 && rate < 1e15 ? Int(rate) : nil
        noDelay = wishes.nodelay ?? false
        typeOfService = try Self.whole(wishes.TOS, in: 0...255, IperfFault.typeOfService).map { UInt8($0) }
        switch (wishes.reverse ?? false, wishes.bidirectional ?? false) {
        case (false, false): directions = .toServer
        case (true, false): directions = .toClient
        case (false, true): directions = .both
        case (true, true): throw .directions
        }
        guard let name = wishes.congestion else { return }
        guard congestionControls.contains(name) else { throw .congestionControl(String(name.prefix(32))) }
        congestionControl = name
    }

    private static func whole(
        _ number: Double?, in range: ClosedRange<Int>, _ fault: (Int) -> IperfFault
    ) throws(IperfFault) -> Int? {
        guard let number else { return nil }
        guard number >= Double(range.lowerBound), number <= Double(range.upperBound) else {
            throw fault(Int(max(-1e15, min(1e15, number))))
        }
        return Int(number)
    }
}
