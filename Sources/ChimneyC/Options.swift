public import CChimney
import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import Glibc

// What setsockopt takes and getsockopt gives, but for groups and TCP_INFO.

/// The value of an option as the caller gave it.
///
/// Invariant: `bytes` is the caller's memory, there for as long as the call takes.
@safe struct OptionValue {
    let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = bytes }

    /// The value as an `int`; of IP options a byte will do.
    func number(orByte isByteEnough: Bool = false) throws(Errno) -> Int {
        if isByteEnough, unsafe (1..<4).contains(bytes.count) { return Int(unsafe bytes[0]) }
        return Int(try unsafe Memory.load(bytes, as: Int32.self))
    }

    /// An `int` that is in a range.
    func number(in range: ClosedRange<Int>, orByte isByteEnough: Bool = false) throws(Errno) -> Int {
        let value = try number(orByte: isByteEnough)
        guard range.contains(value) else { throw Errno(EINVAL) }
        return value
    }

    func isOn(orByte isByteEnough: Bool = false) throws(Errno) -> Bool { try number(orByte: isByteEnough) != 0 }

    /// A `struct timeval`; zero stands for no bound.
    func timeout() throws(Errno) -> TimeSpan? {
        let seconds = try unsafe Memory.load(bytes, as: Int64.self)
        let micros = try unsafe Memory.load(bytes, at: 8, as: Int64.self)
        guard (0..<1_000_000).contains(micros) else { throw Errno(EDOM) }
        guard seconds >= 0 else { return .zero + .nanoseconds(1) }
        return seconds == 0 && micros == 0 ? nil : .seconds(seconds) + .microseconds(micros)
    }
}

/// What getsockopt gives.
enum OptionAnswer {
    case number(Int)
    case bytes([UInt8])

    static func isOn(_ isOn: Bool) -> Self { .number(isOn ? 1 : 0) }

    static func timeout(_ span: TimeSpan?) -> Self {
        let micros = (span?.nanoseconds ?? 0) / 1_000
        return .bytes(native(micros / 1_000_000) + native(micros % 1_000_000))
    }

    static func native<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        var value = value
        return unsafe withUnsafeBytes(of: &value) { unsafe Array($0) }
    }
}

extension CallerStack {
    /// The bytes a socket's buffer may be told to hold; what is asked for beyond is cut to it, as on Linux.
    private static var bufferBytesMax: Int { 1 << 28 }
    private static var bufferBytesMin: Int { 2_048 }

    // MARK: - Set

    func setOption(_ number: Int32, level: Int32, name: Int32, _ value: OptionValue) throws(Errno) -> Int {
        let descriptor = try descriptors[number]
        switch level {
        case LinuxNumber.socketLevel: try setSocketOption(descriptor, name, value)
        case LinuxNumber.tcpLevel: try setTCPOption(descriptor, name, value)
        case LinuxNumber.ipLevel: try setIPOption(descriptor, name, value)
        case LinuxNumber.ipv6Level: try setIPv6Option(descriptor, name, value)
        default: throw Errno(ENOPROTOOPT)
        }
        return 0
    }

    private func setSocketOption(_ descriptor: Descriptor, _ name: Int32, _ value: OptionValue) throws(Errno) {
        guard let option = SocketOption(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        switch option {
        case .reuseAddress:
            descriptor.options.reusesAddress = try value.isOn()
            let isOn = descriptor.options.reusesAddress
            changeDatagrams(descriptor) { $0.sharesAddress = isOn }
        case .broadcast:
            let isOn = try value.isOn()
            changeDatagrams(descriptor) { $0.broadcast = isOn }
        case .sendBuffer:
            let count = min(max(try value.number(), Self.bufferBytesMin), Self.bufferBytesMax)
            changeSettings(descriptor) { $0.sendBufferMax = count }
        case .receiveBuffer:
            let count = min(max(try value.number(), Self.bufferBytesMin), Self.bufferBytesMax)
            changeSettings(descriptor) { $0.receiveBufferMax = count }
            changeDatagrams(descriptor) { $0.receiveBytesMax = count }
        case .keepAlive:
            descriptor.options.keepsAlive = try value.isOn()
            keepAliveChanged(descriptor)
        case .linger:
            let isOn = try value.isOn()
            let seconds = try unsafe Memory.load(value.bytes, at: 4, as: Int32.self)
            descriptor.options.linger = isOn ? .seconds(Int64(UInt32(bitPattern: seconds))) : nil
        case .receiveTimeout: descriptor.options.receiveTimeout = try value.timeout()
        case .sendTimeout: descriptor.options.sendTimeout = try value.timeout()
        case .type, .error, .acceptsConnections, .protocol, .domain: throw Errno(ENOPROTOOPT)
        }
    }

    private func setTCPOption(_ descriptor: Descriptor, _ name: Int32, _ value: OptionValue) throws(Errno) {
        guard descriptor.isStream, let option = TCPOption(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        switch option {
        case .noDelay:
            let isOn = try value.isOn()
            changeSettings(descriptor) { $0.noDelay = isOn }
            if case .connection(let id) = descriptor.role { stack.setNoDelay(isOn, of: id, at: now) }
        case .cork:
            descriptor.options.isCorked = try value.isOn()
            guard case .connection(let id) = descriptor.role else { return }
            stack.setCorked(descriptor.options.isCorked, of: id, at: now)
        case .maximumSegment:
            let size = try value.number(in: 88...32_767)
            changeSettings(descriptor) {
                $0.segmentSizeMax = size
                $0.segmentSizeMin = min($0.segmentSizeMin, size)
            }
        case .keepAliveIdle:
            descriptor.options.keepAlive.idle = .seconds(Int64(try value.number(in: 1...32_767)))
            keepAliveChanged(descriptor)
        case .keepAliveInterval:
            descriptor.options.keepAlive.interval = .seconds(Int64(try value.number(in: 1...32_767)))
            keepAliveChanged(descriptor)
        case .keepAliveCount:
            descriptor.options.keepAlive.count = try value.number(in: 1...127)
            keepAliveChanged(descriptor)
        case .synCount:
            let count = try value.number(in: 1...127)
            changeSettings(descriptor) { $0.synRetriesMax = count }
        case .linger2:
            let seconds = try value.number()
            let standard = standard.finWait2Timeout
            changeSettings(descriptor) {
                $0.finWait2Timeout = seconds > 0 ? min(.seconds(Int64(seconds)), .seconds(120)) : standard
            }
        case .userTimeout:
            let millis = try value.number(in: 0...Int(Int32.max))
            changeSettings(descriptor) { $0.userTimeout = millis == 0 ? nil : .milliseconds(Int64(millis)) }
        case .congestion: try setCongestion(descriptor, value)
        case .signature: try setSignature(descriptor, value, hasPrefix: false)
        case .signatureOfPrefix: try setSignature(descriptor, value, hasPrefix: true)
        case .info: throw Errno(ENOPROTOOPT)
        }
    }

    private func setCongestion(_ descriptor: Descriptor, _ value: OptionValue) throws(Errno) {
        let bytes = unsafe value.bytes.prefix(15).prefix { $0 != 0 }
        guard unsafe !bytes.isEmpty else { throw Errno(EINVAL) }
        do throws(CongestionChoiceError) {
            let chosen = try congestion.chosen(unsafe String(decoding: bytes, as: UTF8.self))
            changeSettings(descriptor) { $0.recovery.congestion = chosen }
            if case .connection(let id) = descriptor.role { stack.setCongestionControl(chosen, of: id, at: now) }
        } catch { throw Errno(error.errorName) }
    }

    private func setIPOption(_ descriptor: Descriptor, _ name: Int32, _ value: OptionValue) throws(Errno) {
        if let option = GroupOption(rawValue: name) { return try setGroups(descriptor, option, value) }
        guard let option = IPOption(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        switch option {
        case .typeOfService: setTypeOfService(descriptor, UInt8(truncatingIfNeeded: try value.number(orByte: true)))
        case .timeToLive:
            let hops = try value.number(orByte: true)
            guard hops == -1 || (1...255).contains(hops) else { throw Errno(EINVAL) }
            setHopLimit(descriptor, hops)
        case .mtuDiscovery:
            let mode = try value.number(in: 0...5, orByte: true)
            changeDatagrams(descriptor) { $0.dontFragment = mode == 2 || mode == 3 }
        case .multicastTimeToLive:
            let hops = try value.number(orByte: true)
            guard hops == -1 || (0...255).contains(hops) else { throw Errno(EINVAL) }
            changeDatagrams(descriptor) { $0.multicastTimeToLive = hops == -1 ? 1 : UInt8(hops) }
        case .multicastLoop:
            let isOn = try value.isOn(orByte: true)
            changeDatagrams(descriptor) { $0.multicastLoops = isOn }
        case .multicastAll:
            let isOn = try value.isOn(orByte: true)
            changeDatagrams(descriptor) { $0.receivesAllGroups = isOn }
        case .multicastInterface, .addMembership, .dropMembership, .unblockSource, .blockSource, .addSourceMembership,
            .dropSourceMembership:
            try setGroups(descriptor, option, value)
        case .mtu: throw Errno(ENOPROTOOPT)
        }
    }

    private func setIPv6Option(_ descriptor: Descriptor, _ name: Int32, _ value: OptionValue) throws(Errno) {
        guard descriptor.family == .ipv6 else { throw Errno(ENOPROTOOPT) }
        if let option = GroupOption(rawValue: name) { return try setGroups(descriptor, option, value) }
        guard let option = IPv6Option(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        switch option {
        case .unicastHops:
            let hops = try value.number(in: -1...255)
            setHopLimit(descriptor, hops)
        case .trafficClass:
            let service = try value.number(in: -1...255)
            setTypeOfService(descriptor, UInt8(max(0, service)))
        case .onlyIPv6:
            let isOn = try value.isOn()
            guard descriptor.bound == nil else { throw Errno(EINVAL) }
            descriptor.options.onlyIPv6 = isOn
            changeDatagrams(descriptor) { $0.onlyIPv6 = isOn }
        case .multicastHops:
            let hops = try value.number(in: -1...255)
            changeDatagrams(descriptor) { $0.multicastTimeToLive = hops == -1 ? 1 : UInt8(hops) }
        case .multicastLoop:
            let isOn = try value.isOn()
            changeDatagrams(descriptor) { $0.multicastLoops = isOn }
        case .multicastAll:
            let isOn = try value.isOn()
            changeDatagrams(descriptor) { $0.receivesAllGroups = isOn }
        case .mtuDiscovery:
            let mode = try value.number(in: 0...5)
            changeDatagrams(descriptor) { $0.dontFragment = mode == 2 || mode == 3 }
        case .dontFragment:
            let isOn = try value.isOn()
            changeDatagrams(descriptor) { $0.dontFragment = isOn }
        case .multicastInterface, .joinGroup, .leaveGroup: try setGroups(descriptor, option, value)
        case .mtu: throw Errno(ENOPROTOOPT)
        }
    }

    // MARK: - Steps

    private func changeSettings(_ descriptor: Descriptor, _ body: (inout TCPSettings) -> Void) {
        body(&descriptor.settings)
        switch descriptor.role {
        case .idle, .datagram: break
        case .listener(let id): stack.setSettings(descriptor.settings, of: id)
        case .connection(let id): stack.setSettings(descriptor.settings, of: id, at: now)
        }
    }

    func changeDatagrams(_ descriptor: Descriptor, _ body: (inout UDPOptions) -> Void) {
        guard case .datagram(let id) = descriptor.role, var options = stack.options(of: id) else { return }
        body(&options)
        stack.setOptions(options, of: id)
    }

    private func keepAliveChanged(_ descriptor: Descriptor) {
        let options = descriptor.options
        changeSettings(descriptor) { $0.keepAlive = options.keepsAlive ? options.keepAlive : nil }
    }

    private func setTypeOfService(_ descriptor: Descriptor, _ service: UInt8) {
        descriptor.options.marks.typeOfService = service
        changeDatagrams(descriptor) { $0.typeOfService = service }
        marksChanged(descriptor)
    }

    /// -1 stands for the stack's own.
    private func setHopLimit(_ descriptor: Descriptor, _ hops: Int) {
        let hopLimit = hops == -1 ? nil : UInt8(clamping: hops)
        descriptor.options.marks.hopLimit = hopLimit
        changeDatagrams(descriptor) { $0.timeToLive = hopLimit }
        marksChanged(descriptor)
    }

    private func marksChanged(_ descriptor: Descriptor) {
        if case .connection(let id) = descriptor.role { stack.setMarks(descriptor.options.marks, of: id) }
    }

    // MARK: - Get

    func option(_ number: Int32, level: Int32, name: Int32) throws(Errno) -> OptionAnswer {
        let descriptor = try descriptors[number]
        switch level {
        case LinuxNumber.socketLevel: return try socketOption(descriptor, name)
        case LinuxNumber.tcpLevel: return try tcpOption(descriptor, name)
        case LinuxNumber.ipLevel: return try ipOption(descriptor, name)
        case LinuxNumber.ipv6Level: return try ipv6Option(descriptor, name)
        default: throw Errno(EOPNOTSUPP)
        }
    }

    private func socketOption(_ descriptor: Descriptor, _ name: Int32) throws(Errno) -> OptionAnswer {
        guard let option = SocketOption(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        switch option {
        case .reuseAddress: return .isOn(descriptor.options.reusesAddress)
        case .type: return .number(Int(descriptor.isStream ? LinuxNumber.stream : LinuxNumber.datagram))
        case .error:
            if case .datagram(let id) = descriptor.role {
                return .number(Int(takeError(descriptor, id)?.number ?? 0))
            }
            return .number(Int(takeFailure(of: descriptor)?.number ?? 0))
        case .broadcast: return .isOn(datagramOptions(descriptor).broadcast)
        case .sendBuffer: return .number(descriptor.settings.sendBufferMax)
        case .receiveBuffer:
            let ofDatagrams = datagramOptions(descriptor).receiveBytesMax ?? stack.settings.socketReceiveBytesMax
            return .number(descriptor.isStream ? descriptor.settings.receiveBufferMax : ofDatagrams)
        case .keepAlive: return .isOn(descriptor.options.keepsAlive)
        case .linger:
            let linger = descriptor.options.linger
            let seconds = Int32(truncatingIfNeeded: (linger ?? .zero).nanoseconds / 1_000_000_000)
            return .bytes(OptionAnswer.native(Int32(linger == nil ? 0 : 1)) + OptionAnswer.native(seconds))
        case .receiveTimeout: return .timeout(descriptor.options.receiveTimeout)
        case .sendTimeout: return .timeout(descriptor.options.sendTimeout)
        case .acceptsConnections:
            guard case .listener = descriptor.role else { return .isOn(false) }
            return .isOn(true)
        case .protocol: return .number(Int(descriptor.isStream ? LinuxNumber.tcpLevel : LinuxNumber.udpLevel))
        case .domain: return .number(Int(descriptor.family.number))
        }
    }

    private func tcpOption(_ descriptor: Descriptor, _ name: Int32) throws(Errno) -> OptionAnswer {
        guard descriptor.isStream, let option = TCPOption(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        let settings = descriptor.settings
        switch option {
        case .noDelay: return .isOn(settings.noDelay)
        case .cork: return .isOn(descriptor.options.isCorked)
        case .maximumSegment:
            if case .connection(let id) = descriptor.role, let found = stack.snapshot(id, at: now) {
                return .number(found.tcp.segmentSize)
            }
            return .number(settings.segmentSizeMax < 65_495 ? settings.segmentSizeMax : 536)
        case .keepAliveIdle: return .number(seconds(descriptor.options.keepAlive.idle))
        case .keepAliveInterval: return .number(seconds(descriptor.options.keepAlive.interval))
        case .keepAliveCount: return .number(descriptor.options.keepAlive.count)
        case .synCount: return .number(settings.synRetriesMax)
        case .linger2: return .number(seconds(settings.finWait2Timeout))
        case .userTimeout: return .number(Int((settings.userTimeout ?? .zero).nanoseconds / 1_000_000))
        case .congestion:
            let name = Array(settings.recovery.congestion.name.utf8.prefix(15))
            return .bytes(name + [UInt8](repeating: 0, count: 16 - name.count))
        case .info: return .bytes(info(descriptor))
        // A key is told to nobody.
        case .signature, .signatureOfPrefix: throw Errno(ENOPROTOOPT)
        }
    }

    private func seconds(_ span: TimeSpan) -> Int { Int(span.nanoseconds / 1_000_000_000) }

    private func ipOption(_ descriptor: Descriptor, _ name: Int32) throws(Errno) -> OptionAnswer {
        guard let option = IPOption(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        let datagrams = datagramOptions(descriptor)
        switch option {
        case .typeOfService: return .number(Int(descriptor.options.marks.typeOfService))
        case .timeToLive: return .number(Int(descriptor.options.marks.hopLimit ?? stack.settings.timeToLive))
        case .mtuDiscovery: return .number(datagrams.dontFragment ? 2 : 1)
        case .mtu: return try pathMTU(descriptor)
        case .multicastTimeToLive: return .number(Int(datagrams.multicastTimeToLive))
        case .multicastLoop: return .isOn(datagrams.multicastLoops)
        case .multicastAll: return .isOn(datagrams.receivesAllGroups)
        case .multicastInterface, .addMembership, .dropMembership, .unblockSource, .blockSource, .addSourceMembership,
            .dropSourceMembership:
            throw Errno(ENOPROTOOPT)
        }
    }

    private func ipv6Option(_ descriptor: Descriptor, _ name: Int32) throws(Errno) -> OptionAnswer {
        guard descriptor.family == .ipv6, let option = IPv6Option(rawValue: name) else { throw Errno(ENOPROTOOPT) }
        let datagrams = datagramOptions(descriptor)
        switch option {
        case .unicastHops: return .number(Int(descriptor.options.marks.hopLimit ?? stack.settings.timeToLive))
        case .trafficClass: return .number(Int(descriptor.options.marks.typeOfService))
        case .onlyIPv6: return .isOn(descriptor.options.onlyIPv6)
        case .mtu: return try pathMTU(descriptor)
        case .mtuDiscovery: return .number(datagrams.dontFragment ? 2 : 1)
        case .dontFragment: return .isOn(datagrams.dontFragment)
        case .multicastHops: return .number(Int(datagrams.multicastTimeToLive))
        case .multicastLoop: return .isOn(datagrams.multicastLoops)
        case .multicastAll: return .isOn(datagrams.receivesAllGroups)
        case .multicastInterface: return .number(Int(datagrams.multicastInterface?.rawValue ?? 0))
        case .joinGroup, .leaveGroup: throw Errno(ENOPROTOOPT)
        }
    }

    private func datagramOptions(_ descriptor: Descriptor) -> UDPOptions {
        guard case .datagram(let id) = descriptor.role else { return UDPOptions() }
        return stack.options(of: id) ?? UDPOptions()
    }

    private func pathMTU(_ descriptor: Descriptor) throws(Errno) -> OptionAnswer {
        guard case .connection(let id) = descriptor.role, let found = stack.snapshot(id, at: now) else {
            throw Errno(ENOTCONN)
        }
        return .number(found.pathMTU)
    }
}

// MARK: - Exports

/// Sets an option.
@c @implementation
public func chimney_setsockopt(
    _ stack: OpaquePointer?, _ fd: CInt, _ level: CInt, _ name: CInt, _ value: UnsafeRawPointer?, _ length: socklen_t
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        _ = try stack.descriptors[fd]
        guard length <= UInt32(Int32.max) else { throw Errno(EINVAL) }
        let bytes = try unsafe Memory.toRead(value, Int(length))
        return try stack.setOption(fd, level: level, name: name, unsafe OptionValue(bytes))
    }
}

/// Tells an option.
@c @implementation
public func chimney_getsockopt(
    _ stack: OpaquePointer?, _ fd: CInt, _ level: CInt, _ name: CInt, _ value: UnsafeMutableRawPointer?,
    _ length: UnsafeMutablePointer<socklen_t>?
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        _ = try stack.descriptors[fd]
        guard unsafe length != nil, unsafe value != nil else { throw Errno(EFAULT) }
        switch try stack.option(fd, level: level, name: name) {
        case .number(let number):
            try unsafe Memory.store(OptionAnswer.native(Int32(clamping: number)), at: value, length)
        case .bytes(let bytes): try unsafe Memory.store(bytes, at: value, length)
        }
        return 0
    }
}
