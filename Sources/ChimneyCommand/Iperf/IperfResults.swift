import ChimneyPrimitives
import Foundation

/// What one stream of a test moved, as one of its ends counted it.
struct IperfStreamFigures: Hashable, Sendable {
    /// Whether this end sent.
    var sends: Bool
    /// Bytes of payload.
    var bytes: Int
    /// Segments that were sent again.
    var retransmits = 0
    /// How long it took.
    var span: TimeSpan
}

/// What one end of a test tells the other of it.
struct IperfResults: Hashable, Sendable {
    /// One stream.
    struct Stream: Hashable, Sendable {
        /// Its number: 1, 3, 4, 5 and so on, by the order in which the streams were connected.
        var id: Int
        /// Bytes of payload.
        var bytes: Int
        /// Segments that were sent again; -1 at the end that receives.
        var retransmits = -1
        /// How long it took, in seconds.
        var seconds = 0.0
    }

    /// Per cent of a processor that the program took for itself.
    var userPercent = 0.0
    /// Per cent of a processor that the kernel took on its behalf.
    var systemPercent = 0.0
    /// Whether this end sent, so that it knows of segments that were sent again.
    var hasRetransmits = false
    /// The congestion control of the first stream.
    var congestionControl: String?
    var streams: [Stream] = []

    /// What streams moved, by the order in which they were connected.
    init(_ figures: [IperfStreamFigures]) {
        hasRetransmits = figures.contains(where: \.sends)
        streams = figures.enumerated().map { position, stream in
            Stream(
                id: position == 0 ? 1 : position + 2, bytes: stream.bytes,
                retransmits: stream.sends ? stream.retransmits : -1, seconds: stream.span.seconds)
        }
    }
}

extension IperfResults {
    /// The members by the names that they have between the two ends.
    private struct Text: Codable {
        struct Stream: Codable {
            var id: Double
            var bytes: Double
            var retransmits: Double?
            var jitter: Double?
            var errors: Double?
            var packets: Double?
            var startTime: Double?
            var endTime: Double?
        }

        var cpuUtilTotal: Double?
        var cpuUtilUser: Double?
        var cpuUtilSystem: Double?
        var senderHasRetransmits: Double?
        var congestionUsed: String?
        var streams: [Stream]
    }

    /// The text that the other end reads.
    var json: [UInt8] {
        let text = Text(
            cpuUtilTotal: userPercent + systemPercent, cpuUtilUser: userPercent, cpuUtilSystem: systemPercent,
            senderHasRetransmits: hasRetransmits ? 1 : -1, congestionUsed: congestionControl,
            streams: streams.map {
                Text.Stream(
                    id: Double($0.id), bytes: Double($0.bytes), retransmits: Double($0.retransmits), jitter: 0,
                    errors: 0,
                    packets: 0, startTime: 0, endTime: $0.seconds)
            })
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        // Numbers and names are all there is, which can always be written.
        return (try? encoder.encode(text)).map { Array($0) } ?? []
    }

    /// Reads what the other end sent.
    ///
    /// - Throws: ``IperfFault/resultsMalformed``.
    init(reading json: [UInt8]) throws(IperfFault) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let text = try? decoder.decode(Text.self, from: Data(json)) else { throw .resultsMalformed }
        hasRetransmits = text.senderHasRetransmits == 1
        congestionControl = text.congestionUsed
        for stream in text.streams {
            // What does not count is told by the largest of all numbers.
            guard 0...1e18 ~= stream.bytes, 0...1e9 ~= stream.id else { throw .resultsMalformed }
            streams.append(Stream(id: Int(stream.id), bytes: Int(stream.bytes)))
        }
    }
}
