import Synchronization

/// A member that keeps the value around it where it is.
///
/// A large value whose members could all lie in registers is copied whole to be handed to a call that only reads it. With this
/// one, which lies nowhere but in memory, the call is handed its address. It takes a byte.
package struct InPlace: ~Copyable, Sendable {
    private let byte = Atomic<UInt8>(0)

    /// The member's value.
    package init() {}
}
