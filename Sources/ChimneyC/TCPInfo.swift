import CChimney
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP

// What TCP_INFO tells.
//
// Invariant: the structure is numbers alone, without gaps, so that its bytes are all set.

extension CallerStack {
    func info(_ descriptor: Descriptor) -> [UInt8] {
        var info = chimney_tcp_info()
        switch descriptor.role {
        case .idle, .datagram: info.tcpi_state = TCPState.closed.linuxNumber
        case .listener(let id): fill(&info, listener: id)
        case .connection(let id): fill(&info, connection: id)
        }
        return unsafe withUnsafeBytes(of: &info) { unsafe Array($0) }
    }

    private func fill(_ info: inout chimney_tcp_info, listener id: TCPListenerID) {
        info.tcpi_state = 10
        guard let found = stack.tcpListeners.first(where: { $0.id == id }) else { return }
        info.tcpi_unacked = UInt32(clamping: found.waiting)
        info.tcpi_sacked = UInt32(clamping: found.backlogMax)
    }

    private func fill(_ info: inout chimney_tcp_info, connection id: TCPConnectionID) {
        guard let found = stack.snapshot(id, at: now) else {
            info.tcpi_state = TCPState.closed.linuxNumber
            return
        }
        let (tcp, recovery) = (found.tcp, found.recovery)
        let size = max(1, tcp.segmentSize)
        func segments(_ bytes: Int) -> UInt32 { UInt32(clamping: (bytes + size - 1) / size) }
        func micros(_ span: TimeSpan?) -> UInt32 { UInt32(clamping: (span ?? .zero).nanoseconds / 1_000) }
        info.tcpi_state = tcp.state.linuxNumber
        info.tcpi_ca_state = recovery.phase.linuxNumber
        info.tcpi_retransmits = UInt8(clamping: tcp.timeouts)
        info.tcpi_probes = UInt8(clamping: tcp.probes)
        info.tcpi_backoff = UInt8(clamping: recovery.backoff)
        if tcp.hasTimestamps { info.tcpi_options |= 1 }
        if tcp.hasSelectiveAcks { info.tcpi_options |= 2 }
        if let shift = tcp.peerShift {
            info.tcpi_options |= 4
            info.tcpi_wscale = shift & 15 | (tcp.receiveShift ?? 0) << 4
        }
        if tcp.hasCongestionMarks { info.tcpi_options |= 8 }
        info.tcpi_rto = micros(tcp.retransmissionTimeout)
        info.tcpi_ato = micros(descriptorDelay(id))
        info.tcpi_snd_mss = UInt32(clamping: tcp.segmentSize)
        info.tcpi_unacked = segments(tcp.outstandingBytes)
        info.tcpi_sacked = segments(recovery.sackedBytes)
        info.tcpi_lost = segments(recovery.lostBytes)
        info.tcpi_pmtu = UInt32(clamping: found.pathMTU)
        info.tcpi_rtt = micros(tcp.smoothedRoundTrip)
        info.tcpi_rttvar = micros(tcp.roundTripVariation)
        info.tcpi_snd_ssthresh = tcp.slowStartThreshold >= 1 << 30 ? 0x7FFF_FFFF : segments(tcp.slowStartThreshold)
        info.tcpi_snd_cwnd = UInt32(clamping: tcp.congestionWindow / size)
        info.tcpi_reordering = 3
        info.tcpi_total_retrans = found.recoveryCounters.retransmissions
        info.tcpi_pacing_rate = recovery.pacingRate ?? .max
        info.tcpi_max_pacing_rate = .max
        info.tcpi_notsent_bytes = UInt32(clamping: tcp.sendQueueBytes - tcp.outstandingBytes)
        info.tcpi_min_rtt = micros(recovery.shortestRoundTrip)
        info.tcpi_snd_wnd = UInt32(clamping: tcp.peerWindow)
        info.tcpi_rcv_wnd = UInt32(clamping: tcp.receiveWindow)
        info.tcpi_rcv_space = UInt32(clamping: tcp.receiveWindow)
        info.tcpi_reord_seen = recovery.hasSeenReordering ? 1 : 0
    }

    private func descriptorDelay(_ id: TCPConnectionID) -> TimeSpan? { stack.settings(of: id)?.delayedAck }
}

extension TCPState {
    /// The number Linux has for it.
    var linuxNumber: UInt8 {
        switch self {
        case .established: 1
        case .synSent: 2
        case .synReceived: 3
        case .finWait1: 4
        case .finWait2: 5
        case .timeWait: 6
        case .closed: 7
        case .closeWait: 8
        case .lastAck: 9
        case .closing: 11
        }
    }
}

extension RecoveryPhase {
    /// The number Linux has for it.
    var linuxNumber: UInt8 {
        switch self {
        case .open: 0
        case .disorder: 1
        case .congestion: 2
        case .recovery: 3
        case .timeout: 4
        }
    }
}
