public import ChimneyStack

#if Signatures
    import Crypto
#endif

/// Signs TCP segments with the MD5 of swift-crypto (RFC 2385).
///
/// With it a stack takes keys: `stack.setSegmentSigner(MD5Signer.standard, at: now)`. MD5 is weak by now; it keeps strangers
/// from ending or filling connections, and no more (RFC 6151).
public enum MD5Signer {
    /// The signer; `nil` in a program that was built without the `Signatures` trait.
    public static var standard: (any SegmentSigner)? {
        #if Signatures
            CryptoSigner()
        #else
            nil
        #endif
    }
}

#if Signatures
    private struct CryptoSigner: SegmentSigner {
        func digest(of feed: (_ add: (RawSpan) -> Void) -> Void) -> SegmentDigest {
            var hash = Insecure.MD5()
            feed { piece in
                // Invariant: the bytes are read within the closure only.
                unsafe piece.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
            }
            var high: UInt64 = 0
            var low: UInt64 = 0
            for byte in hash.finalize() {
                high = high << 8 | low >> 56
                low = low << 8 | UInt64(byte)
            }
            return SegmentDigest(high: high, low: low)
        }
    }
#endif
