import ChimneyPrimitives
import ChimneySignatures
import ChimneyStack
import Glibc

// Invariant: an option's bytes are read by `Memory.load` alone, which looks at their number first.

extension CallerStack {
    /// `struct tcp_md5sig`: a peer, or with `TCP_MD5SIG_EXT` perhaps a prefix, and a key; without a byte of it the key that is
    /// there is taken away.
    ///
    /// The key is the stack's: it holds for every socket with the peer.
    func setSignature(_ descriptor: Descriptor, _ value: OptionValue, hasPrefix: Bool) throws(Errno) {
        guard let signer = MD5Signer.standard else { throw Errno(ENOPROTOOPT) }
        let peer = try unsafe SocketAddress.read(value.bytes, at: 0).address
        let flags = try unsafe Memory.load(value.bytes, at: 128, as: UInt8.self)
        let length = Int(try unsafe Memory.load(value.bytes, at: 129, as: UInt8.self))
        let count = Int(try unsafe Memory.load(value.bytes, at: 130, as: UInt16.self))
        // Only a prefix can be asked for, and not an interface.
        guard flags == 0 || flags == 1 && hasPrefix else { throw Errno(EINVAL) }
        var peers = IPPrefix.host(peer)
        if flags == 1 {
            guard length <= peers.length else { throw Errno(EINVAL) }
            peers = IPPrefix(peer, length: length)
        }
        guard count > 0 else {
            guard stack.removeSignatureKey(for: peers, at: now) else { throw Errno(ENOENT) }
            return
        }
        guard count <= TCPSignatureKey.byteCountMax else { throw Errno(EINVAL) }
        var bytes: [UInt8] = []
        for index in 0..<count { bytes.append(try unsafe Memory.load(value.bytes, at: 136 + index, as: UInt8.self)) }
        do throws(SignatureKeyError) {
            stack.setSegmentSigner(signer, at: now)
            try stack.setSignatureKey(try TCPSignatureKey(bytes), for: peers, at: now)
        } catch { throw Errno(error.errorName) }
    }
}
