import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

/// The settings of connections that a script may change, by their names in ``TCPSettings`` and ``RecoverySettings``.
enum ConnectionSetting: String, CaseIterable {
    case sendBufferMax, receiveBufferMax, receiveBufferInitial, segmentSizeMax, segmentSizeMin
    case scalesWindow, hasTimestamps, hasSelectiveAcks, ecn, findsBlackHoles, noDelay
    case delayedAck, quickAcks, keepAlive, userTimeout, synRetriesMax, retransmissionsMax, finWait2Timeout
    case holesMax, reassemblyBytesMax
    case rtoMin, rtoMax, rtoInitial, initialWindow, congestion
    case rack, tailLossProbe, forwardTimeout, undo, limitedTransmit, restartsAfterIdle, pacing

    /// Reads a value, and returns what sets it.
    func readChange(_ words: inout ScriptWords) throws(ScriptError) -> (inout TCPSettings) -> Void {
        switch self {
        case .sendBufferMax: return try number(&words, \.sendBufferMax)
        case .receiveBufferMax: return try number(&words, \.receiveBufferMax)
        case .receiveBufferInitial:
            let value = try words.number(rawValue)
            return { $0.receiveBufferInitial = value }
        case .segmentSizeMax: return try number(&words, \.segmentSizeMax)
        case .segmentSizeMin: return try number(&words, \.segmentSizeMin)
        case .scalesWindow: return try flag(&words, \.scalesWindow)
        case .hasTimestamps: return try flag(&words, \.hasTimestamps)
        case .hasSelectiveAcks: return try flag(&words, \.hasSelectiveAcks)
        case .ecn:
            let mode = try words.choice("mode of ECN", of: ECNMode.self)
            return { $0.ecn = mode }
        case .findsBlackHoles: return try flag(&words, \.findsBlackHoles)
        case .noDelay: return try flag(&words, \.noDelay)
        case .delayedAck: return try span(&words, \.delayedAck)
        case .quickAcks: return try number(&words, \.quickAcks)
        case .keepAlive: return try keepAlive(&words)
        case .userTimeout:
            let value = words.take("off") ? nil : try words.span(rawValue)
            return { $0.userTimeout = value }
        case .synRetriesMax: return try number(&words, \.synRetriesMax)
        case .retransmissionsMax: return try number(&words, \.retransmissionsMax)
        case .finWait2Timeout: return try span(&words, \.finWait2Timeout)
        case .holesMax: return try number(&words, \.holesMax)
        case .reassemblyBytesMax: return try number(&words, \.reassemblyBytesMax)
        case .rtoMin: return try span(&words, \.recovery.rtoMin)
        case .rtoMax: return try span(&words, \.recovery.rtoMax)
        case .rtoInitial: return try span(&words, \.recovery.rtoInitial)
        case .initialWindow: return try number(&words, \.recovery.initialWindow)
        case .congestion:
            let algorithm = try words.choice("congestion control", of: Congestion.self).algorithm
            return { $0.recovery.congestion = algorithm }
        case .rack: return try feature(&words, .rack)
        case .tailLossProbe: return try feature(&words, .tailLossProbe)
        case .forwardTimeout: return try feature(&words, .forwardTimeout)
        case .undo: return try feature(&words, .undo)
        case .limitedTransmit: return try feature(&words, .limitedTransmit)
        case .restartsAfterIdle: return try feature(&words, .restartsAfterIdle)
        case .pacing: return try feature(&words, .pacing)
        }
    }

    private enum Congestion: CaseIterable {
        case newReno, cubic, dctcp, vegas

        var algorithm: CongestionAlgorithm {
            switch self {
            case .newReno: .newReno
            case .cubic: .cubic
            case .dctcp: .dctcp
            case .vegas: .vegas
            }
        }
    }

    private func number(
        _ words: inout ScriptWords, _ path: WritableKeyPath<TCPSettings, Int>
    ) throws(ScriptError) -> (inout TCPSettings) -> Void {
        let value = try words.number(rawValue)
        return { $0[keyPath: path] = value }
    }

    private func flag(
        _ words: inout ScriptWords, _ path: WritableKeyPath<TCPSettings, Bool>
    ) throws(ScriptError) -> (inout TCPSettings) -> Void {
        let value = try words.flag(rawValue)
        return { $0[keyPath: path] = value }
    }

    private func span(
        _ words: inout ScriptWords, _ path: WritableKeyPath<TCPSettings, TimeSpan>
    ) throws(ScriptError) -> (inout TCPSettings) -> Void {
        let value = try words.span(rawValue)
        return { $0[keyPath: path] = value }
    }

    private func feature(
        _ words: inout ScriptWords, _ feature: RecoveryFeatures
    ) throws(ScriptError) -> (inout TCPSettings) -> Void {
        let isOn = try words.flag(rawValue)
        return { if isOn { $0.recovery.features.insert(feature) } else { $0.recovery.features.remove(feature) } }
    }

    private func keepAlive(_ words: inout ScriptWords) throws(ScriptError) -> (inout TCPSettings) -> Void {
        if words.take("off") { return { $0.keepAlive = nil } }
        var value = KeepAlive()
        value.idle = try words.span("how long it is idle")
        value.interval = try words.span("the time between probes")
        value.count = try words.number("how many probes")
        return { $0.keepAlive = value }
    }
}

/// The settings of the stack that a script may change, by their names in ``TCPStackSettings`` and ``SynCacheSettings``.
enum StackSetting: String, CaseIterable {
    case connectionsMax, backlogMax, timeWaitMax, timeWait, challengesPerSecondMax, closedPorts
    case resetsPerSecondMax, resetBurstMax, halfOpenMax, halfOpenRetriesMax, cookies

    func readChange(_ words: inout ScriptWords) throws(ScriptError) -> (inout TCPStackSettings) -> Void {
        switch self {
        case .connectionsMax: return try number(&words, \.connectionsMax)
        case .backlogMax: return try number(&words, \.backlogMax)
        case .timeWaitMax: return try number(&words, \.timeWaitMax)
        case .timeWait:
            let value = try words.span(rawValue)
            return { $0.timeWait = value }
        case .challengesPerSecondMax: return try number(&words, \.challengesPerSecondMax)
        case .closedPorts:
            let value = try words.choice("answer of closed ports", of: ClosedPortAnswer.self)
            return { $0.closedPorts = value }
        case .resetsPerSecondMax: return try number(&words, \.resetsPerSecondMax)
        case .resetBurstMax: return try number(&words, \.resetBurstMax)
        case .halfOpenMax: return try number(&words, \.synCache.entriesMax)
        case .halfOpenRetriesMax: return try number(&words, \.synCache.retriesMax)
        case .cookies:
            let value = try words.choice("mode of cookies", of: SynCookieMode.self)
            return { $0.synCache.cookies = value }
        }
    }

    private func number(
        _ words: inout ScriptWords, _ path: WritableKeyPath<TCPStackSettings, Int>
    ) throws(ScriptError) -> (inout TCPStackSettings) -> Void {
        let value = try words.number(rawValue, in: 1...1_000_000)
        return { $0[keyPath: path] = value }
    }
}
