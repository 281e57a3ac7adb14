import Foundation
import Synchronization

/// Waits, on a thread that may wait, for what is done asynchronously.
enum Waiting {
    /// The most seconds that a shard is waited for.
    static var secondsMax: Double { 10 }

    private final class Answer<Value: Sendable>: Sendable {
        let value = Mutex<Result<Value, any Error>?>(nil)
        let isThere = DispatchSemaphore(value: 0)
    }

    /// What the work gave; an error when it did not end in time.
    static func `for`<Value: Sendable>(
        _ work: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let answer = Answer<Value>()
        Task {
            let result: Result<Value, any Error>
            do { result = .success(try await work()) } catch { result = .failure(error) }
            answer.value.withLock { $0 = result }
            answer.isThere.signal()
        }
        guard answer.isThere.wait(timeout: .now() + secondsMax) == .success,
            let result = answer.value.withLock({ $0 })
        else { throw CommandFailure("the stack does not answer") }
        return try result.get()
    }
}
