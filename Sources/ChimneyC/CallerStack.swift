import CChimney
import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Glibc

/// A stack as C holds it: the stack, its clock, its wires and its descriptors.
///
/// It is confined to the one thread that calls it, as every stack is; it has no lock, and nothing is shared with another one.
/// Calls of `run` go back to the caller while a call of theirs is under way, so that nothing may be borrowed across one.
final class CallerStack {
    var stack: VirtualStack
    var clock: StackClock
    /// The time of the call that is under way.
    var now = Instant.zero
    var wires: [Wire] = []
    var descriptors: DescriptorTable
    /// How sockets behave that are made from now on.
    var standard: TCPSettings
    /// The times of keep-alive for those that switch it on.
    var idleKeepAlive = KeepAlive()
    var congestion = CongestionRegistry()
    /// Who makes progress while a call waits.
    var progress: Progress?
    /// How many calls wait, each within the progress of the one before.
    var waitDepth = 0

    /// The most calls that wait within each other; one more does not wait.
    static var waitsMax: Int { 8 }

    init(_ asked: chimney_settings) throws(Errno) {
        let descriptorsMax = asked.descriptors_max == 0 ? 1_024 : Int(asked.descriptors_max)
        let packetsMax = asked.packets_max == 0 ? 65_536 : Int(asked.packets_max)
        guard descriptorsMax <= 65_536, packetsMax <= 1 << 24 else { throw Errno(EINVAL) }
        let random: StackRandom
        switch Int(asked.random) {
        case CHIMNEY_RANDOM_SEED: random = StackRandom(seed: asked.seed)
        case CHIMNEY_RANDOM_KEY: random = StackRandom(key: Self.secret())
        default: throw Errno(EINVAL)
        }
        clock = try StackClock(asked.clock)
        var settings = StackSettings()
        settings.socketsMax = descriptorsMax
        settings.tcp.listenersMax = descriptorsMax
        stack = VirtualStack(
            name: "c", settings: settings, pool: PacketPool(packetsMax: packetsMax, largeMax: max(64, packetsMax / 64)),
            random: random)
        standard = settings.tcp.connection
        descriptors = DescriptorTable(descriptorsMax: descriptorsMax)
    }

    private static func secret() -> (UInt64, UInt64, UInt64, UInt64) {
        var system = SystemRandomNumberGenerator()
        return (system.next(), system.next(), system.next(), system.next())
    }

    /// A call begins: it has one time, and what is due by it is done.
    func enter() {
        now = clock.read()
        // A virtual clock stands still between two calls that move it, and these leave nothing due.
        if clock.isReal { fireTimers(until: now) }
    }

    /// A call ends: what it sent leaves now.
    func leave() {
        collectPackets()
        stack.dropAnnounced()
        stack.dropTCPNews()
    }
}
