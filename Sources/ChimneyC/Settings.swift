import CChimney
import ChimneyPrimitives
import ChimneyTCP
import Glibc

// Numbers for all sockets that are made from now on, by the names of Linux's sysctl.
//
// Invariant: a name is a string of C's, and where a number goes is one; both are looked at only when they are not null.

/// A number that may be set for a stack: where it is, and what it may be.
private struct NamedSetting {
    let name: String
    let range: ClosedRange<Int64>
    let get: (CallerStack) -> Int64
    let set: (CallerStack, Int64) -> Void

    init(
        _ name: String, _ range: ClosedRange<Int64>, get: @escaping (TCPSettings) -> Int64,
        set: @escaping (inout TCPSettings, Int64) -> Void
    ) {
        self.name = name
        self.range = range
        self.get = { get($0.standard) }
        self.set = { set(&$0.standard, $1) }
    }

    /// Keep-alive has times also while it is off.
    init(
        _ name: String, _ range: ClosedRange<Int64>, keepAlive get: @escaping (KeepAlive) -> Int64,
        set: @escaping (inout KeepAlive, Int64) -> Void
    ) {
        self.name = name
        self.range = range
        self.get = { get($0.idleKeepAlive) }
        self.set = { set(&$0.idleKeepAlive, $1) }
    }

    static func named(_ name: String) -> NamedSetting? { all.first { $0.name == name } }

    private static func feature(_ name: String, _ feature: RecoveryFeatures) -> NamedSetting {
        NamedSetting(name, 0...1) {
            $0.recovery.features.contains(feature) ? 1 : 0
        } set: {
            if $1 != 0 { $0.recovery.features.insert(feature) } else { $0.recovery.features.remove(feature) }
        }
    }

    private static var all: [NamedSetting] {
        [
            NamedSetting("net.ipv4.tcp_sack", 0...1) {
                $0.hasSelectiveAcks ? 1 : 0
            } set: {
                $0.hasSelectiveAcks = $1 != 0
            },
            NamedSetting("net.ipv4.tcp_timestamps", 0...1) {
                $0.hasTimestamps ? 1 : 0
            } set: {
                $0.hasTimestamps = $1 != 0
            },
            NamedSetting("net.ipv4.tcp_window_scaling", 0...1) {
                $0.scalesWindow ? 1 : 0
            } set: {
                $0.scalesWindow = $1 != 0
            },
            NamedSetting("net.ipv4.tcp_ecn", 0...2) {
                switch $0.ecn {
                case .off: 0
                case .requests: 1
                case .accepts: 2
                }
            } set: {
                $0.ecn = $1 == 0 ? .off : $1 == 1 ? .requests : .accepts
            },
            NamedSetting("net.ipv4.tcp_syn_retries", 0...127) {
                Int64($0.synRetriesMax)
            } set: {
                $0.synRetriesMax = Int($1)
            },
            NamedSetting("net.ipv4.tcp_retries2", 1...255) {
                Int64($0.retransmissionsMax)
            } set: {
                $0.retransmissionsMax = Int($1)
            },
            NamedSetting("net.ipv4.tcp_fin_timeout", 1...3_600) {
                $0.finWait2Timeout.nanoseconds / 1_000_000_000
            } set: {
                $0.finWait2Timeout = .seconds($1)
            },
            NamedSetting("net.ipv4.tcp_mtu_probing", 0...1) {
                $0.findsBlackHoles ? 1 : 0
            } set: {
                $0.findsBlackHoles = $1 != 0
            },
            NamedSetting("net.ipv4.tcp_rmem", 2_048...1 << 28) {
                Int64($0.receiveBufferMax)
            } set: {
                $0.receiveBufferMax = Int($1)
            },
            NamedSetting("net.ipv4.tcp_wmem", 2_048...1 << 28) {
                Int64($0.sendBufferMax)
            } set: {
                $0.sendBufferMax = Int($1)
            },
            NamedSetting("net.ipv4.tcp_rto_min_us", 1...60_000_000) {
                $0.recovery.rtoMin.nanoseconds / 1_000
            } set: {
                $0.recovery.rtoMin = .microseconds($1)
            },
            feature("net.ipv4.tcp_slow_start_after_idle", .restartsAfterIdle),
            feature("net.ipv4.tcp_recovery", .rack),
            feature("net.ipv4.tcp_early_retrans", .tailLossProbe),
            feature("net.ipv4.tcp_frto", .forwardTimeout),
            NamedSetting("net.ipv4.tcp_keepalive_time", 1...32_767) {
                $0.idle.nanoseconds / 1_000_000_000
            } set: {
                $0.idle = .seconds($1)
            },
            NamedSetting("net.ipv4.tcp_keepalive_intvl", 1...32_767) {
                $0.interval.nanoseconds / 1_000_000_000
            } set: {
                $0.interval = .seconds($1)
            },
            NamedSetting("net.ipv4.tcp_keepalive_probes", 1...127) {
                Int64($0.count)
            } set: {
                $0.count = Int($1)
            },
            NamedSetting("chimney.tcp_initial_window", 1...65_535) {
                Int64($0.recovery.initialWindow)
            } set: {
                $0.recovery.initialWindow = Int($1)
            },
            NamedSetting("chimney.tcp_delayed_ack_us", 0...500_000) {
                $0.delayedAck.nanoseconds / 1_000
            } set: {
                $0.delayedAck = .microseconds($1)
            },
            NamedSetting("chimney.tcp_quick_acks", 0...255) {
                Int64($0.quickAcks)
            } set: {
                $0.quickAcks = Int($1)
            },
        ]
    }
}

/// Sets a number.
@c @implementation
public func chimney_set(_ stack: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: Int64) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        guard let name = unsafe name else { throw Errno(EFAULT) }
        guard let setting = unsafe NamedSetting.named(String(cString: name)) else { throw Errno(ENOENT) }
        guard setting.range.contains(value) else { throw Errno(EINVAL) }
        setting.set(stack, value)
        return 0
    }
}

/// Tells a number.
@c @implementation
public func chimney_get(
    _ stack: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafeMutablePointer<Int64>?
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        guard let name = unsafe name, let value = unsafe value else { throw Errno(EFAULT) }
        guard let setting = unsafe NamedSetting.named(String(cString: name)) else { throw Errno(ENOENT) }
        unsafe value.pointee = setting.get(stack)
        return 0
    }
}
