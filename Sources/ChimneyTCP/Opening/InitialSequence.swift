package import ChimneyPrimitives

extension IPv6Flow {
    /// The peer's address, as what secrets are made from.
    package var peerWords: (UInt64, UInt64) { (remote.high, remote.low) }

    /// All of the flow.
    package var words: (UInt64, UInt64, UInt64, UInt64, UInt64) {
        (
            local.high, local.low, remote.high, remote.low,
            UInt64(zone) << 32 | UInt64(localPort) << 16 | UInt64(remotePort)
        )
    }
}

/// The first numbers of connections (RFC 9293 §3.4.1, RFC 6528 §3).
///
/// A number is what a clock of four microseconds shows, added to a secret of the flow: a new connection of the same flow
/// begins behind the old one, at a rate that never changes, and strangers can foretell nothing.
package struct InitialSequence: Sendable {
    /// The secret, which others may use for purposes of their own: 1 and 2 are taken.
    package let secret: KeyedHash

    /// Numbers under a secret of their own.
    package init(using random: inout StackRandom) { secret = KeyedHash(using: &random) }

    /// The first number of a connection that is opened now.
    package func number(for flow: IPv6Flow, at now: Instant) -> SequenceNumber {
        let clock = UInt32(truncatingIfNeeded: now.nanoseconds / 4_000)
        return SequenceNumber(clock &+ UInt32(truncatingIfNeeded: hash(flow, 1)))
    }

    /// What is added to the clock in the timestamps of a flow's connections: always the same, so that their clock goes
    /// on from one to the next (RFC 7323 §5.8).
    package func clockOffset(for flow: IPv6Flow) -> UInt32 {
        UInt32(truncatingIfNeeded: hash(flow, 2))
    }

    private func hash(_ flow: IPv6Flow, _ purpose: UInt64) -> UInt64 {
        let words = flow.words
        return secret.hash(words.0, words.1, words.2, words.3, words.4, purpose)
    }
}
