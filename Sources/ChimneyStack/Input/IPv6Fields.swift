import ChimneyPrimitives
import ChimneyWire

/// The fields of one IPv6 header, read once and handed down the input path by value.
///
/// ``nextHeader`` and ``transportOffset`` move on as extension headers are stepped over.
struct IPv6Fields: BitwiseCopyable {
    var source: IPv6Address
    var destination: IPv6Address
    /// What stands at ``transportOffset``.
    var nextHeader: IPProtocol
    var hopLimit: UInt8
    /// Whether a router marked the packet for congestion on its way (RFC 3168 §5).
    var hasCongestionMark: Bool
    /// Bytes of header, extensions and payload.
    var totalLength: Int
    var transportOffset: Int
    /// Where the field stands that names ``nextHeader``: what a message about it points at.
    var namedAt: Int

    /// Reads and judges the version and length of a header that may be wrong in any way (RFC 8200 §3).
    @inline(__always)
    init(checking bytes: RawSpan, of byteCount: Int) throws(IPHeaderFault) {
        guard bytes.byteCount >= 40 else { throw .truncated }
        let second = bytes.uint32(at: 4)
        let first = bytes.uint16(at: 0)
        guard first >> 12 == 6 else { throw .version }
        hasCongestionMark = first >> 4 & 3 == 3
        totalLength = 40 &+ Int(second >> 16)
        guard totalLength <= byteCount else { throw .totalLength }
        nextHeader = IPProtocol(rawValue: UInt8(truncatingIfNeeded: second >> 8))
        hopLimit = UInt8(truncatingIfNeeded: second)
        source = IPv6Address(high: bytes.uint64(at: 8), low: bytes.uint64(at: 16))
        destination = IPv6Address(high: bytes.uint64(at: 24), low: bytes.uint64(at: 32))
        transportOffset = 40
        namedAt = 6
    }

    /// Reads a header that is known to be right, or `nil`.
    init?(_ bytes: RawSpan, of byteCount: Int? = nil) {
        guard let fields = try? Self(checking: bytes, of: byteCount ?? bytes.byteCount) else { return nil }
        self = fields
    }
}

/// What the extension headers of a packet come to.
enum IPv6ChainVerdict {
    /// The packet carries this.
    case upper(IPProtocol, offset: Int, namedAt: Int)
    /// The packet is a fragment.
    case fragment(IPv6FragmentPlace)
    /// The packet dies, and where there is a message its sender is told.
    case refused(DropReason, ICMPv6Message?)
}

/// Where a fragment belongs.
struct IPv6FragmentPlace: BitwiseCopyable {
    /// Where the fragment header stands.
    var headerOffset: Int
    /// Where the field stands that announces the fragment header.
    var namedAt: Int
    /// Where its data lies in the whole payload, in bytes.
    var offset: Int
    var moreFragments: Bool
    var identification: UInt32
    /// What the datagram carries and where, in its first fragment, which holds the whole chain (RFC 7112 §5).
    var upper = IPProtocol.noNextHeader
    var upperOffset = 0
}

extension IPv6Fields {
    /// Walks the extension headers up to what the packet carries, or to its fragment header (RFC 8200 §4).
    ///
    /// Routing headers of every type, 0 among them, are refused while nodes are left to visit, and stepped over
    /// when none is (RFC 5095 §3, RFC 8200 §4.4).
    static func walk(_ bytes: RawSpan, isMulticast: Bool) -> IPv6ChainVerdict {
        guard let view = try? IPv6View(bytes) else { return .refused(.ipTotalLengthWrong, nil) }
        var chain = IPv6ExtensionChain(view)
        do throws(IPv6ExtensionError) {
            var before = chain.offset
            var namedAt = chain.namedAt
            while let header = try chain.next() {
                switch header {
                case .hopByHop(let options), .destinationOptions(let options):
                    if let verdict = judge(options, isMulticast: isMulticast) { return verdict }
                case .routing(let routing):
                    guard routing.segmentsLeft == 0 else {
                        return .refused(.sourceRouteRefused, .parameterProblem(.field, pointer: UInt32(before + 2)))
                    }
                case .fragment(let fragment):
                    guard fragment.isAtomic else {
                        var place = IPv6FragmentPlace(
                            headerOffset: before, namedAt: namedAt, offset: fragment.offset,
                            moreFragments: fragment.moreFragments, identification: fragment.identification)
                        if place.offset == 0 {
                            try chain.finish()
                            place.upper = chain.upperLayer
                            place.upperOffset = chain.offset
                        }
                        return .fragment(place)
                    }
                case .authentication:
                    // Without a security association nobody can vouch for what is behind it.
                    return .refused(.protocolUnreachable, .parameterProblem(.nextHeader, pointer: UInt32(namedAt)))
                case .other:
                    return .refused(.protocolUnreachable, .parameterProblem(.nextHeader, pointer: UInt32(namedAt)))
                }
                before = chain.offset
                namedAt = chain.namedAt
            }
        } catch {
            return .refused(.ipExtensionMalformed, problem(error))
        }
        return .upper(chain.upperLayer, offset: chain.offset, namedAt: chain.namedAt)
    }

    /// Judges the hop-by-hop options at the front of a packet, which every node reads (RFC 8200 §4.3).
    ///
    /// - Returns: where the header ends and whether it carries a router alert, or why the packet dies.
    static func hopByHop(_ bytes: RawSpan, isMulticast: Bool) -> (verdict: IPv6ChainVerdict, hasRouterAlert: Bool) {
        guard let view = try? IPv6View(bytes) else { return (.refused(.ipTotalLengthWrong, nil), false) }
        var chain = IPv6ExtensionChain(view)
        var hasAlert = false
        do throws(IPv6ExtensionError) {
            guard case .hopByHop(let options)? = try chain.next() else {
                return (.refused(.ipExtensionMalformed, nil), false)
            }
            if let verdict = judge(options, isMulticast: isMulticast) { return (verdict, false) }
            var alerts = options
            while let option = try? alerts.next() { if option.routerAlert != nil { hasAlert = true } }
        } catch {
            return (.refused(.ipExtensionMalformed, problem(error)), false)
        }
        return (.upper(chain.upperLayer, offset: chain.offset, namedAt: chain.namedAt), hasAlert)
    }

    /// What the options of one header do to the packet: `nil` when it goes on (RFC 8200 §4.2).
    private static func judge(_ header: IPv6OptionsView, isMulticast: Bool) -> IPv6ChainVerdict? {
        var options = header
        do throws(IPv6OptionError) {
            while let option = try options.next() {
                if option.routerAlert != nil { continue }
                let message = ICMPv6Message.parameterProblem(.option, pointer: UInt32(option.offset))
                switch option.unknownAction {
                case .skip: continue
                case .discard: return .refused(.ipOptionMalformed, nil)
                case .discardAndReport: return .refused(.ipOptionMalformed, message)
                case .discardAndReportUnlessMulticast:
                    return .refused(.ipOptionMalformed, isMulticast ? nil : message)
                }
            }
        } catch {
            return .refused(.ipOptionMalformed, .parameterProblem(.field, pointer: UInt32(error.pointer)))
        }
        return nil
    }

    private static func problem(_ error: IPv6ExtensionError) -> ICMPv6Message {
        let pointer = UInt32(error.pointer)
        return switch error {
        case .firstFragmentIncomplete: .parameterProblem(.firstFragmentIncomplete, pointer: pointer)
        case .hopByHopNotFirst: .parameterProblem(.nextHeader, pointer: pointer)
        case .tooManyHeaders: .parameterProblem(.tooManyExtensions, pointer: pointer)
        case .chainTooLong: .parameterProblem(.chainTooLong, pointer: pointer)
        case .truncated, .authenticationLength: .parameterProblem(.field, pointer: pointer)
        }
    }
}
