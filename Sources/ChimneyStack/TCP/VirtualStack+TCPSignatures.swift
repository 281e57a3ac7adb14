public import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire

/// Peers with which segments are signed.
public struct TCPSignaturePeers: Sendable, Hashable {
    /// Their addresses.
    public var peers: IPPrefix
    /// How many bytes their key has; the key itself is shown to nobody.
    public var keyByteCount: Int
}

extension VirtualStack {
    /// Gives the stack what makes digests, before the first key (RFC 2385).
    ///
    /// Without a key it is never asked. Taken away, it takes all keys along.
    public mutating func setSegmentSigner(_ signer: (any SegmentSigner)?, at now: Instant) {
        beginRound(at: now)
        if signer == nil { tcp.signatures = TCPSignatures() }
        tcp.signatures.signer = signer
        signaturesChanged()
    }

    /// Has all segments to some peers signed, and none of theirs taken without a right signature (RFC 2385; `TCP_MD5SIG`,
    /// `TCP_MD5SIG_EXT`).
    ///
    /// It holds for every routing table, port and connection of the stack: those that are open already are signed from their next
    /// segment on. Of several prefixes with a peer the longest counts. No segment of a signed connection is left to the device to be
    /// cut.
    ///
    /// - Parameters:
    ///   - key: the secret that both share.
    ///   - peers: their addresses; a key that was set for exactly these is replaced.
    ///   - now: the time.
    /// - Throws: ``SignatureKeyError/noSigner``, ``SignatureKeyError/tooManyKeys(max:)``; nothing changes.
    /// - Complexity: O(keys + connections).
    public mutating func setSignatureKey(
        _ key: TCPSignatureKey, for peers: IPPrefix, at now: Instant
    ) throws(SignatureKeyError) {
        beginRound(at: now)
        try tcp.signatures.set(key, for: peers, keysMax: settings.tcp.signatureKeysMax)
        signaturesChanged()
    }

    /// Takes away the key that was set for exactly these peers; a shorter prefix with them counts from now on.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    public mutating func removeSignatureKey(for peers: IPPrefix, at now: Instant) -> Bool {
        beginRound(at: now)
        guard tcp.signatures.remove(peers) else { return false }
        signaturesChanged()
        return true
    }

    /// Whether what arrives is looked at for its signature; what is sent is signed either way.
    public mutating func setVerifiesSignatures(_ isOn: Bool) { settings.tcp.verifiesSignatures = isOn }

    /// The peers with keys, the longest prefixes first.
    public var signaturePeers: [TCPSignaturePeers] {
        tcp.signatures.list.map { TCPSignaturePeers(peers: $0.peers, keyByteCount: $0.byteCount) }
    }

    /// Whether segments of a flow are signed.
    func isSigned(_ flow: IPv6Flow) -> Bool {
        tcp.signatures.isInUse && tcp.signatures.place(of: flow.remote) != nil
    }

    /// Connections that are open begin to be signed, or cease to be.
    private mutating func signaturesChanged() {
        var next = tcp.links.first()
        while let id = next {
            next = tcp.links.first(from: Int(id.index) + 1)
            let isSigned = isSigned(tcp.links[id].flow)
            tcp.links[id].way.isSigned = isSigned
            guard tcp.links[id].connection.isSigned != isSigned else { continue }
            let path = Self.path(along: tcp.links[id].way)
            tcp.links[id].connection.signingChanged(to: isSigned, pieceMax: path.pieceMax, at: now)
        }
    }

    // MARK: - Segments

    /// What is wrong with the signature of a segment that arrived, or with its having none or one.
    ///
    /// - Parameters:
    ///   - packet: the segment from `start` on.
    ///   - start: where its TCP header begins.
    ///   - flow: whose it is.
    ///   - isSigned: whether its options have a signature.
    /// - Returns: what it dies of, or `nil`.
    @inline(never)
    mutating func signatureFault(
        _ packet: borrowing Packet, from start: Int, of flow: IPv6Flow, isSigned: Bool
    ) -> DropReason? {
        guard settings.tcp.verifiesSignatures else { return nil }
        guard let place = tcp.signatures.isInUse ? tcp.signatures.place(of: flow.remote) : nil else {
            return isSigned ? .tcpSignatureUnexpected : nil
        }
        guard isSigned else { return .tcpSignatureMissing }
        let right = tcp.signatures.digest(
            of: packet, from: start, source: flow.remote, destination: flow.local, place: place)
        guard let right, let told = Self.signature(in: packet, from: start), right.isEqual(to: told) else {
            return .tcpSignatureWrong
        }
        tcp.counters.signaturesVerified &+= 1
        return nil
    }

    /// The first signature among the options of a segment.
    private static func signature(in packet: borrowing Packet, from start: Int) -> SegmentDigest? {
        let bytes = packet.bytes.extracting(start..<packet.count)
        guard let view = try? TCPView(bytes) else { return nil }
        var options = TCPOptions(view.optionBytes)
        while let option = try? options.next() {
            switch option {
            case .md5Signature(let digest): return SegmentDigest(digest)
            case .noOperation, .maximumSegmentSize, .windowScale, .sackPermitted, .sack, .timestamps, .userTimeout,
                .other:
                continue
            }
        }
        return nil
    }

    /// Writes the signature of a segment that begins with its TCP header, where its options have room for one.
    @inline(never)
    mutating func sign(_ packet: inout Packet, _ options: TCPOptionValues, _ flow: IPv6Flow, place: Int) {
        let digest = tcp.signatures.digest(
            of: packet, from: 0, source: flow.local, destination: flow.remote, place: place)
        guard let digest else { return }
        let offset = TCPHeader.byteCount + options.signatureOffset
        var span = packet.mutableBytes
        span.store(digest.high, at: offset)
        span.store(digest.low, at: offset + 8)
        tcp.counters.signaturesSent &+= 1
    }
}
