#if os(Linux)
    public import ChimneyPrimitives
    public import ChimneyRuntime
    public import ChimneyStack

    extension StackHandle {
        /// Has all segments to some peers signed, and none of theirs taken without a right signature (RFC 2385; `TCP_MD5SIG`).
        ///
        /// It holds for all sockets of the stack with these peers: for a listener's before they connect, and for connections that
        /// are open from their next segment on. The longest prefix with a peer counts.
        ///
        /// - Parameters:
        ///   - key: the secret that both share; `nil` takes away the one that was set for exactly these peers.
        ///   - peers: their addresses.
        ///   - signer: what makes digests, as `ChimneySignatures` has one; `nil` for the one that the stack has.
        /// - Throws: ``TCPSocketError/signature(_:)``, with the keys staying as they are.
        public func setSignatureKey(
            _ key: TCPSignatureKey?, for peers: IPPrefix, signer: (any SegmentSigner)? = nil
        ) async throws(TCPSocketError) {
            try await onShardForTCP { cell throws(TCPSocketError) in
                let now = cell.shard.now
                defer { cell.touch() }
                if let signer { cell.stack.setSegmentSigner(signer, at: now) }
                guard let key else {
                    cell.stack.removeSignatureKey(for: peers, at: now)
                    return
                }
                do throws(SignatureKeyError) {
                    try cell.stack.setSignatureKey(key, for: peers, at: now)
                } catch {
                    throw .signature(error)
                }
            }
        }
    }
#endif
