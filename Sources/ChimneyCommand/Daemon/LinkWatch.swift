import ChimneyControl
import ChimneyLink
import ChimneyPrimitives
import ChimneyRuntime
import ChimneyWire
import Synchronization

/// What a link carried of groups: the datagrams sent to them, and the messages about who is in them.
///
/// Frames come in on the shard's thread and are asked for on another; a lock stands between the two.
final class LinkWatch: Sendable {
    private struct State {
        var datagrams: [MulticastTester.Flow: FlowSight] = [:]
        var messages: [MembershipSight] = []
    }

    private let state = Mutex(State())
    private let isEthernet: Bool
    private let ownMAC: MACAddress
    private let ownAddresses: [IPAddress]

    /// The most messages kept; beyond it the older half makes room.
    static var messagesMax: Int { 32_768 }
    /// The most flows that are counted; datagrams of others are not.
    static var flowsMax: Int { 16_384 }

    /// A watch of an interface: whether its frames are those of Ethernet, and what of them is our own.
    init(isEthernet: Bool, mac: MACAddress, addresses: [IPAddress]) {
        self.isEthernet = isEthernet
        ownMAC = mac
        ownAddresses = addresses
    }

    /// Takes in a frame that passed.
    func framePassed(_ frame: RawSpan, at now: Instant) {
        var sight = Sight(frame, isEthernet: isEthernet)
        guard let source = sight.source, let destination = sight.destination else { return }
        sight.isOutbound = isEthernet ? sight.sourceMAC == ownMAC : ownAddresses.contains(source)
        if let message = sight.message(of: frame, from: source, to: destination, at: now) {
            state.withLock { state in
                if state.messages.count >= Self.messagesMax { state.messages.removeFirst(Self.messagesMax / 2) }
                state.messages.append(message)
            }
        } else if sight.ipProtocol == 17, destination.isMulticast, !sight.isOutbound {
            count(MulticastTester.Flow(source: source, group: destination), sight.hopLimit, at: now)
        }
    }

    private func count(_ flow: MulticastTester.Flow, _ hopLimit: UInt8, at now: Instant) {
        state.withLock { state in
            if state.datagrams[flow] != nil {
                state.datagrams[flow]?.count += 1
                state.datagrams[flow]?.last = now.seconds
                state.datagrams[flow]?.timeToLive = Int(hopLimit)
            } else if state.datagrams.count < Self.flowsMax {
                state.datagrams[flow] = FlowSight(
                    source: "\(flow.source)", group: "\(flow.group)", at: now.seconds, timeToLive: Int(hopLimit))
            }
        }
    }

    /// The datagrams to groups that came in, in order of their flows.
    var datagrams: [FlowSight] {
        state.withLock { $0.datagrams }.sorted { $0.key < $1.key }.map(\.value)
    }

    /// The messages that passed since then, oldest first.
    func messages(since seconds: Double) -> [MembershipSight] {
        state.withLock { $0.messages }.filter { $0.seconds >= seconds }
    }

    func reset() { state.withLock { $0 = State() } }
}

/// Where in a frame its packet lies, and what its headers say.
private struct Sight {
    private(set) var sourceMAC = MACAddress.zero
    private(set) var source: IPAddress?
    private(set) var destination: IPAddress?
    private(set) var ipProtocol: UInt8 = 0
    private(set) var hopLimit: UInt8 = 0
    /// Where the payload of the packet begins and ends in its frame.
    private var start = 0
    private var end = 0
    var isOutbound = false

    init(_ frame: RawSpan, isEthernet: Bool) {
        guard isEthernet else {
            readIP(frame, at: 0)
            return
        }
        guard frame.byteCount >= 18 else { return }
        sourceMAC = MACAddress(bits: UInt64(frame.uint16(at: 6)) << 32 | UInt64(frame.uint32(at: 8)))
        let isTagged = frame.uint16(at: 12) == 0x8100
        let type = frame.uint16(at: isTagged ? 16 : 12)
        if type == 0x0800 || type == 0x86DD { readIP(frame, at: isTagged ? 18 : 14) }
    }

    private mutating func readIP(_ frame: RawSpan, at offset: Int) {
        guard frame.byteCount > offset else { return }
        let packet = frame.extracting(offset..<frame.byteCount)
        switch packet.uint8(at: 0) >> 4 {
        case 4: readIPv4(packet, at: offset)
        case 6: readIPv6(packet, at: offset)
        default: break
        }
    }

    private mutating func readIPv4(_ packet: RawSpan, at offset: Int) {
        guard let view = try? IPv4View(packet), view.fragmentOffset == 0 else { return }
        source = .v4(view.source)
        destination = .v4(view.destination)
        ipProtocol = view.protocol.rawValue
        hopLimit = view.timeToLive
        start = offset + view.headerByteCount
        end = offset + Int(view.totalLength)
    }

    private mutating func readIPv6(_ packet: RawSpan, at offset: Int) {
        guard let view = try? IPv6View(packet) else { return }
        var chain = IPv6ExtensionChain(view)
        do throws(IPv6ExtensionError) {
            while try chain.next() != nil {}
        } catch {
            return
        }
        guard !chain.isLaterFragment else { return }
        source = .v6(view.source)
        destination = .v6(view.destination)
        ipProtocol = chain.upperLayer.rawValue
        hopLimit = view.hopLimit
        start = offset + chain.offset
        end = offset + view.totalLength
    }

    /// The message about membership that the packet carries.
    func message(of frame: RawSpan, from source: IPAddress, to destination: IPAddress, at now: Instant)
        -> MembershipSight?
    {
        guard start < end, end <= frame.byteCount else { return nil }
        let payload = frame.extracting(start..<end)
        let isIGMP = source.isIPv4 && ipProtocol == 2
        guard isIGMP || !source.isIPv4 && ipProtocol == 58 else { return nil }
        var sight = MembershipSight(
            seconds: now.seconds, isOutbound: isOutbound, source: "\(source)", destination: "\(destination)", kind: "")
        let isRead = isIGMP ? sight.read(IPv4Address.self, payload) : sight.read(IPv6Address.self, payload)
        return isRead ? sight : nil
    }
}

extension MembershipSight {
    /// Takes in what a message says; `false` when it is none.
    fileprivate mutating func read<Address: MembershipAddress>(_ family: Address.Type, _ bytes: RawSpan) -> Bool {
        guard let view = try? MembershipMessageView<Address>(bytes),
            let known = Address.membershipKind(ofType: view.rawType)
        else { return false }
        let isMLD = Address.bitWidth > 32
        switch known {
        case .query: kind = isMLD ? "mldquery" : "query"
        case .reportV1: kind = "v1report"
        case .reportV2: kind = isMLD ? "mld1report" : "v2report"
        case .leave: kind = isMLD ? "mld1done" : "leave"
        case .reportV3: kind = isMLD ? "mld2report" : "v3report"
        }
        guard let content = try? view.content() else { return true }
        switch content {
        case .query(let view):
            group = "\(view.group)"
            let offset = isMLD ? 1 : 0
            let code = isMLD ? Int(bytes.uint16(at: 4)) : Int(bytes.uint8(at: 1))
            var query = Query(version: Int(view.version.rawValue) - offset, responseCode: code)
            if view.version == .v3 {
                query.suppresses = view.suppressesRouters
                query.robustness = view.robustness ?? 0
                query.intervalCode = Int(bytes.uint8(at: Address.shortByteCount + 1))
                query.sources = Self.text(of: view.sources)
            }
            self.query = query
        case .reportV1(let address), .reportV2(let address), .leave(let address): group = "\(address)"
        case .reportV3(let view):
            var view = view
            var list: [Record] = []
            while let record = view.next() {
                let name = record.kind.map(Self.name) ?? "\(record.bytes.uint8(at: 0))"
                list.append(Record(kind: name, group: "\(record.group)", sources: Self.text(of: record.sources)))
            }
            records = list
        }
        return true
    }

    private static func text<Address: MembershipAddress>(of list: SourceListView<Address>) -> [String] {
        (0..<list.count).map { "\(list[$0])" }
    }

    private static func name(of kind: GroupRecordKind) -> String {
        switch kind {
        case .isInclude: "IS_IN"
        case .isExclude: "IS_EX"
        case .toInclude: "TO_IN"
        case .toExclude: "TO_EX"
        case .allow: "ALLOW"
        case .block: "BLOCK"
        }
    }
}

extension Instant {
    /// Seconds since the clock began.
    var seconds: Double { (self - .zero).seconds }
}
