#if os(Linux)
    import CChimneyLinux
    import Glibc
    import Testing

    /// A network namespace of the kernel for the length of a test, on a thread of its own.
    enum Namespace {
        /// Whether this machine lets tests have one, with TAP devices in it; the reason is printed once where not.
        static let isAvailable: Bool = {
            let refusal = run { () -> String? in
                let descriptor = chimney_tun_open()
                if descriptor < 0 { return "/dev/net/tun cannot be opened (errno \(-descriptor))" }
                close(descriptor)
                return nil
            }
            let reason: String?
            switch refusal {
            case .success(let text): reason = text
            case .failure(let error): reason = "no network namespace may be created (errno \(error.code))"
            }
            if let reason { print("SKIPPED: tests with a kernel device, because \(reason)") }
            return reason == nil
        }()

        struct Refused: Error { var code: Int32 }

        private final class Job {
            let body: () -> Void
            init(_ body: @escaping () -> Void) { self.body = body }
        }

        /// Runs `body` on a new thread in a new namespace and waits for it.
        static func run<Value>(_ body: @escaping () throws -> Value) -> Result<Value, Refused> where Value: Sendable {
            var result = Result<Value, any Error>.failure(Refused(code: 0))
            let job = Job {
                let code = chimney_unshare_network()
                result = code < 0 ? .failure(Refused(code: -code)) : Result { try body() }
            }
            var thread = pthread_t()
            // The job is held until the thread that runs it has been joined.
            let argument = unsafe Unmanaged.passRetained(job).toOpaque()
            _ = unsafe pthread_create(
                &thread, nil,
                {
                    if let argument = unsafe $0 {
                        unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body()
                    }
                    return nil
                }, argument)
            _ = pthread_join(thread, nil)
            switch result {
            case .success(let value): return .success(value)
            case .failure(let error as Refused): return .failure(error)
            case .failure(let error):
                Issue.record(error)
                return .failure(Refused(code: 0))
            }
        }
    }
#endif
