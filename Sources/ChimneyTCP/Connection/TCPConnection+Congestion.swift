package import ChimneyPrimitives

extension TCPConnection {
    /// Changes how congestion is met, from now on (`TCP_CONGESTION`).
    package mutating func setCongestionControl(_ algorithm: CongestionAlgorithm, at now: Instant) {
        recovery.setCongestionControl(algorithm, at: now)
    }

    /// What recovery holds.
    package var recoveryState: LossRecoveryState { recovery.state }

    /// How often recovery did what.
    package var recoveryCounters: RecoveryCounters { recovery.counters }
}
