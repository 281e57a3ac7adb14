#if os(Linux)
    import CChimneyLinux
    import Glibc

    /// A thread that runs one closure and ends.
    enum ShardThread {
        private final class Body {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }

        /// Starts a thread; the error number where the kernel refuses.
        static func start(_ run: @escaping @Sendable () -> Void) -> Int32 {
            var thread = pthread_t()
            // Invariant: the body is held until the thread has taken it, or none was started.
            let body = unsafe Unmanaged.passRetained(Body(run))
            let code = unsafe pthread_create(
                &thread, nil,
                { argument in
                    if let argument = unsafe argument {
                        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                    }
                    return nil
                }, body.toOpaque())
            if code == 0 { pthread_detach(thread) } else { unsafe body.release() }
            return code
        }

        /// 32 secret bytes from the kernel, or the error number.
        static func secret() -> Result<(UInt64, UInt64, UInt64, UInt64), SecretRefused> {
            var key: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
            // Invariant: the kernel fills the tuple's 32 bytes, in which every pattern is a value.
            let drawn = unsafe withUnsafeMutableBytes(of: &key) { unsafe chimney_random($0.baseAddress, $0.count) }
            return drawn == 32 ? .success(key) : .failure(SecretRefused(errno: drawn < 0 ? -drawn : 0))
        }

        struct SecretRefused: Error { var errno: Int32 }
    }
#endif
