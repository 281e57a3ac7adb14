import ChimneyLink
import ChimneyPrimitives
import ChimneyTCP
import ChimneyWire

/// What a connection remembers of the way to its peer, so that a segment looks nothing up.
struct TCPWay: BitwiseCopyable {
    /// The neighbour it is handed to, in the shape that both families share.
    var nextHop = IPv6Address.any
    /// The interface it leaves by.
    var port = SlotID(index: -1, generation: 0)
    /// The last bits of the stack's generation when the way was found; any change makes it stale.
    var generation: UInt32 = 0
    /// The checksum's sum of the pseudo-header, less the length.
    var pseudoSum: UInt32 = 0
    /// Tells the flow from others of the same two hosts (RFC 6437).
    var flowLabel: UInt32 = 0
    var mtu: UInt16 = 0
    var hopLimit: UInt8 = 0
    /// The hop limit that the connection's owner asked for; 0 for the stack's.
    var hopLimitAsked: UInt8 = 0
    /// DSCP and ECN; the latter is the segment's.
    var typeOfService: UInt8 = 0
    var isIPv6 = false
    /// Why there is none at present.
    var failure: WayFailure?
    /// Whether the peer is this stack itself.
    var isLocal = false
    /// Whether segments are signed (RFC 2385).
    var isSigned = false
    /// Whether the device completes checksums, or nobody needs them because packets never leave this host.
    var leavesChecksumOpen = false

    /// Bytes of the IP and TCP headers without options.
    var headerByteCount: Int { isIPv6 ? 60 : 40 }

    /// What the headers leave of the MTU.
    var segmentSize: Int { Int(mtu) - headerByteCount }

    /// Takes over what the connection's owner asked for.
    mutating func take(_ marks: TCPPacketMarks) {
        typeOfService = marks.typeOfService & 0xFC
        hopLimitAsked = marks.hopLimit ?? 0
        if let asked = marks.hopLimit { hopLimit = max(1, asked) }
    }

    /// What the connection's owner asked for.
    var marks: TCPPacketMarks {
        TCPPacketMarks(typeOfService: typeOfService, hopLimit: hopLimitAsked == 0 ? nil : hopLimitAsked)
    }

    var ipv4Output: OutputPath<IPv4Address> {
        OutputPath(
            port: port, nextHop: IPv4Address(bits: UInt32(truncatingIfNeeded: nextHop.low)), isLocal: isLocal,
            isLinkGroup: false, isBroadcast: false)
    }

    var ipv6Output: OutputPath<IPv6Address> {
        OutputPath(port: port, nextHop: nextHop, isLocal: isLocal, isLinkGroup: false, isBroadcast: false)
    }
}

extension IPv6Flow {
    /// Whether the flow is one of IPv4, its addresses in the shape that both families share.
    @inline(__always)
    var isIPv4: Bool { remote.high == 0 && remote.low >> 32 == 0xFFFF }

    /// The peer as the cache of paths knows it.
    func host(_ fib: UInt16) -> HostPath {
        HostPath(IPAddress(mapped: remote), fib: fib, zone: remote.isLinkScoped ? zone : 0)
    }

    /// Our end.
    var localEndpoint: Endpoint { Endpoint(mapped: local, localPort, zone: local.isLinkScoped ? zone : 0) }
    /// The peer's.
    var remoteEndpoint: Endpoint { Endpoint(mapped: remote, remotePort, zone: remote.isLinkScoped ? zone : 0) }
}

extension VirtualStack {
    /// Finds the way of a flow's segments.
    ///
    /// - Throws: why there is none, as what a segment on it dies of.
    mutating func findWay(_ flow: IPv6Flow, fib: UInt16) throws(WayFailure) -> TCPWay {
        var way = TCPWay()
        way.generation = UInt32(truncatingIfNeeded: generation)
        if flow.isIPv4 {
            let remote = IPv4Address(bits: UInt32(truncatingIfNeeded: flow.remote.low))
            let source = IPv4Address(bits: UInt32(truncatingIfNeeded: flow.local.low))
            let found: OutputPath<IPv4Address>
            do { found = try path(to: remote, fib: fib, flowHash: Self.flowHash(flow)) } catch { throw .noRoute }
            guard !found.isLinkGroup else { throw .noRoute }
            // Nothing from 127/8 leaves this host (RFC 1122 §3.2.1.3).
            guard found.isLocal || !source.isLoopback else { throw .noRoute }
            // An address that was removed meanwhile is perhaps someone else's now.
            guard source.isLoopback || local.isOurs(source) else { throw .noSourceAddress }
            way.port = found.port
            way.isLocal = found.isLocal
            way.nextHop = IPv6Address(mapped: found.nextHop)
            way.hopLimit = settings.timeToLive
            way.mtu = UInt16(clamping: found.isLocal ? 65_535 : ports[found.port].mtu)
            way.pseudoSum = InternetChecksum.pseudoHeader(
                source, remote, protocol: IPProtocol.tcp.rawValue, length: 0)
        } else {
            let found: OutputPath<IPv6Address>
            do {
                found = try path(to: flow.remote, zone: flow.zone, fib: fib, flowHash: Self.flowHash(flow))
            } catch { throw .noRoute }
            guard !found.isLinkGroup, found.isLocal || !flow.local.isLoopback else { throw .noRoute }
            guard isOurs(flow.local, zone: flow.zone) else { throw .noSourceAddress }
            way.isIPv6 = true
            way.port = found.port
            way.isLocal = found.isLocal
            way.nextHop = found.nextHop
            way.hopLimit = hopLimit(found.port)
            way.mtu = UInt16(clamping: found.isLocal ? 65_535 : ports[found.port].ipv6MTU)
            way.flowLabel = Self.flowHash(flow) & 0xF_FFFF
            way.pseudoSum = InternetChecksum.pseudoHeader(
                flow.local, flow.remote, protocol: IPProtocol.tcp.rawValue, length: 0)
        }
        guard ports[way.port].isUp else { throw .interfaceDown }
        way.isSigned = isSigned(flow)
        let completes: LinkCapabilities = way.isIPv6 ? .transmitChecksum6 : .transmitChecksum4
        way.leavesChecksumOpen = way.isLocal || ports[way.port].capabilities.contains(completes)
        if !way.isLocal, pathMTUs.count > 0, let learned = pathMTUs.mtu(to: flow.remote, at: now) {
            way.mtu = min(way.mtu, UInt16(clamping: learned))
        }
        return way
    }

    /// What tells the flow from others, for routes of equal cost and the flow label: the same for all its packets.
    private static func flowHash(_ flow: IPv6Flow) -> UInt32 {
        let ports = UInt64(flow.localPort) << 16 | UInt64(flow.remotePort)
        let mixed = (flow.remote.low ^ flow.remote.high ^ ports << 32 ^ ports) &* 0x9E37_79B9_7F4A_7C15
        return UInt32(truncatingIfNeeded: mixed >> 32)
    }
}

/// Why a flow has no way.
enum WayFailure: Error, BitwiseCopyable {
    case noRoute, interfaceDown, noSourceAddress

    var reason: DropReason {
        switch self {
        case .noRoute: .noRoute
        case .noSourceAddress: .noSourceAddress
        case .interfaceDown: .interfaceDown
        }
    }
}
