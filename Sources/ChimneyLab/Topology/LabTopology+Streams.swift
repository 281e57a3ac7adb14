import ChimneyConfiguration
import ChimneyPrimitives
import ChimneyTCP

extension TopologyReader {
    private static var tcpKeys: [String] {
        [
            "congestion", "ecn", "send_buffer", "receive_buffer", "sack", "timestamps", "window_scaling", "delayed_ack",
            "no_delay", "pacing", "mss", "initial_window", "keep_alive", "user_timeout",
        ]
    }

    /// A TCP stream: its ends, how much it sends and how its connection behaves.
    mutating func readStream(_ cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields(
            ["name", "from", "to", "family", "port", "bytes", "start", "duration", "mode", "read_delay", "sample"]
                + Self.tcpKeys)
        let (from, to) = try ends(fields)
        let mode: StreamSettings.Mode = try fields["mode"]?.choice() ?? .oneWay
        let port = try fields["port"]?.integer(in: 1...65_535) ?? (mode == .echo ? 7 : 5_001)
        var stream = StreamSettings(from: from, to: to, family: try family(fields), port: UInt16(port), mode: mode)
        if let place = fields["name"] { stream.name = try place.name() }
        try trafficNames.add(stream.name, at: fields["name"] ?? cursor)
        if let place = fields["bytes"] { stream.byteCount = UInt64(try place.byteCount(in: 0...1 << 50)) }
        stream.start = try fields["start"]?.timeSpan() ?? .zero
        stream.duration = try fields["duration"]?.timeSpan()
        stream.readDelay = try fields["read_delay"]?.timeSpan(max: .seconds(3_600)) ?? .zero
        if let place = fields["sample"] {
            stream.sampleInterval = try place.timeSpan(max: .seconds(3_600))
            guard stream.sampleInterval >= .milliseconds(1) else { throw place.mismatch("1ms to 1h") }
        }
        stream.tcp = try tcpSettings(fields)
        topology.streams.append(stream)
    }

    private func tcpSettings(_ fields: Fields) throws(ConfigurationError) -> TCPSettings {
        var tcp = TCPSettings()
        if let place = fields["congestion"] {
            let choice: CongestionName = try place.choice()
            tcp.recovery.congestion = choice.algorithm
        }
        // DCTCP without marks is nothing but Reno.
        if tcp.recovery.congestion == .dctcp { tcp.ecn = .requests }
        if let place = fields["ecn"] {
            let choice: ECNName = try place.choice()
            tcp.ecn = choice.mode
        }
        if let place = fields["send_buffer"] { tcp.sendBufferMax = try place.byteCount(in: 1...1 << 30) }
        if let place = fields["receive_buffer"] { tcp.receiveBufferMax = try place.byteCount(in: 1...1 << 30) }
        if let place = fields["sack"] { tcp.hasSelectiveAcks = try place.flag() }
        if let place = fields["timestamps"] { tcp.hasTimestamps = try place.flag() }
        if let place = fields["window_scaling"] { tcp.scalesWindow = try place.flag() }
        if let place = fields["delayed_ack"] { tcp.delayedAck = try place.timeSpan(max: .milliseconds(500)) }
        if let place = fields["no_delay"] { tcp.noDelay = try place.flag() }
        if let place = fields["pacing"] {
            if try place.flag() { tcp.recovery.features.insert(.pacing) }
        }
        if let place = fields["mss"] { tcp.segmentSizeMax = try place.integer(in: 216...65_495) }
        if let place = fields["initial_window"] { tcp.recovery.initialWindow = try place.integer(in: 1...1_000) }
        if let place = fields["keep_alive"] {
            var keepAlive = KeepAlive()
            keepAlive.idle = try place.timeSpan(max: .seconds(86_400))
            tcp.keepAlive = keepAlive
        }
        tcp.userTimeout = try fields["user_timeout"]?.timeSpan(max: .seconds(86_400))
        return tcp
    }

    private enum CongestionName: String, CaseIterable {
        case reno, cubic, dctcp, vegas

        var algorithm: CongestionAlgorithm {
            switch self {
            case .reno: .newReno
            case .cubic: .cubic
            case .dctcp: .dctcp
            case .vegas: .vegas
            }
        }
    }

    private enum ECNName: String, CaseIterable {
        case off, accepts, requests

        var mode: ECNMode {
            switch self {
            case .off: .off
            case .accepts: .accepts
            case .requests: .requests
            }
        }
    }
}
