public import ChimneyPrimitives
public import ChimneyWire

/// A multicast router as far as its link sees it: it asks which groups are wanted and keeps the answers.
///
/// It has no stack, sends nothing but queries and forwards nothing, so that what it believes is a measure for what hosts
/// tell (RFC 9776 §6, RFC 9777 §7).
public final class LabQuerier: LabStation {
    /// The name, unique in the lab.
    public let name: String
    /// The link address of its frames.
    public let mac: MACAddress
    /// The addresses that its queries come from; a family without one is not spoken.
    public let ipv4: IPv4Address?
    /// Link-local, as hosts demand (RFC 9777 §5.1.14).
    public let ipv6: IPv6Address?

    /// When the versions were set last.
    private(set) var changedAt = Instant.zero
    private var igmp: MembershipRouter<IPv4Address>?
    private var mld: MembershipRouter<IPv6Address>?
    private var frames: [[UInt8]] = []

    package init(
        name: String, mac: MACAddress, ipv4: IPv4Address?, ipv6: IPv6Address?, igmp: QuerierSettings,
        mld: QuerierSettings, at now: Instant
    ) {
        self.name = name
        self.mac = mac
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        changedAt = now
        self.igmp = ipv4.map { _ in MembershipRouter(igmp, at: now) }
        self.mld = ipv6.map { _ in MembershipRouter(mld, at: now) }
    }

    /// How it asks over IGMP; nil when it does not.
    public var igmpSettings: QuerierSettings? { igmp?.settings }
    /// How it asks over MLD; nil when it does not.
    public var mldSettings: QuerierSettings? { mld?.settings }
    /// What it counted over IGMP.
    public var igmpCounters: QuerierCounters { igmp?.counters ?? QuerierCounters() }
    /// What it counted over MLD.
    public var mldCounters: QuerierCounters { mld?.counters ?? QuerierCounters() }

    /// What it believes of IPv4's groups at a time that no event of the lab lies before, in order.
    public func ipv4Groups(at now: Instant) -> [BelievedGroup<IPv4Address>] { igmp?.believed(at: now) ?? [] }
    /// What it believes of IPv6's groups at a time that no event of the lab lies before, in order.
    public func ipv6Groups(at now: Instant) -> [BelievedGroup<IPv6Address>] { mld?.believed(at: now) ?? [] }

    /// The earliest time of both families.
    public var deadline: Instant? {
        let due = min(igmp?.deadline ?? .never, mld?.deadline ?? .never)
        return due == .never ? nil : due
    }

    func setVersion(_ version: MembershipVersion, of family: LabFamily, at now: Instant) {
        changedAt = now
        switch family {
        case .ipv4: igmp?.setVersion(version, at: now)
        case .ipv6: mld?.setVersion(max(.v2, version), at: now)
        }
        collect()
    }

    /// Reads reports and leaves; everything else is not for it.
    public func frameArrived(_ frame: RawSpan, at now: Instant) {
        guard let view = try? EthernetView(frame), view.destination.isMulticast else { return }
        if view.etherType == .ipv4 { ipv4Arrived(view.payload, at: now) }
        if view.etherType == .ipv6 { ipv6Arrived(view.payload, at: now) }
        collect()
    }

    /// Asks what is due.
    public func timerFired(at now: Instant) {
        igmp?.timerFired(at: now)
        mld?.timerFired(at: now)
        collect()
    }

    /// The queries.
    public func takeFrames() -> [[UInt8]] {
        defer { frames = [] }
        return frames
    }

    // MARK: - Packets

    private func ipv4Arrived(_ bytes: RawSpan, at now: Instant) {
        guard let packet = try? IPv4View(bytes), packet.protocol == .igmp else { return }
        guard packet.isChecksumValid, !packet.isFragment, packet.timeToLive == 1 else {
            igmp?.countMalformed()
            return
        }
        igmp?.messageArrived(packet.payload, from: packet.source, to: packet.destination, at: now)
    }

    /// Behind the hop-by-hop header of a router alert alone (RFC 9777 §5).
    private func ipv6Arrived(_ bytes: RawSpan, at now: Instant) {
        guard let packet = try? IPv6View(bytes), packet.nextHeader == .hopByHop else { return }
        let payload = packet.payload
        guard payload.byteCount > MLDRouterAlert.byteCount, payload.uint8(at: 0) == IPProtocol.icmpv6.rawValue,
            payload.uint8(at: 1) == 0
        else { return }
        let message = payload.extracting(MLDRouterAlert.byteCount..<payload.byteCount)
        guard IPv6Address.membershipKind(ofType: message.uint8(at: 0)) != nil else { return }
        // A report without a link-local source may come from anywhere (RFC 9777 §5.2.13).
        guard packet.hopLimit == 1, packet.source.isLinkLocal else {
            mld?.countMalformed()
            return
        }
        mld?.messageArrived(message, from: packet.source, to: packet.destination, at: now)
    }

    private func collect() {
        for query in igmp?.queries ?? [] { append(query) }
        for query in mld?.queries ?? [] { append(query) }
        igmp?.queries = []
        mld?.queries = []
    }

    /// TTL 1 and a router alert, which version 1 does not have (RFC 9776 §4).
    private func append(_ query: MembershipQuery<IPv4Address>) {
        guard let source = ipv4 else { return }
        let (message, alert) = (IGMPMessage.query(query), query.version > .v1 ? 4 : 0)
        let header = IPv4Header(
            source: source, destination: query.destination, protocol: .igmp, payloadByteCount: message.byteCount,
            timeToLive: 1, typeOfService: 0xC0, optionsByteCount: alert)
        guard let header else { return }
        var frame = [UInt8](repeating: 0, count: 14 + header.byteCount + message.byteCount)
        var elements = frame.mutableSpan
        var span = elements.mutableOctets
        EthernetHeader(destination: MACAddress(group: query.destination), source: mac, etherType: .ipv4)
            .write(into: &span)
        if alert > 0 { span.store(UInt32(0x9404_0000), at: 34) }
        header.write(into: &span, at: 14)
        message.write(into: &span, at: 14 + header.byteCount, source: source, destination: query.destination)
        frames.append(frame)
    }

    /// Hop limit 1 and a router alert (RFC 9777 §5).
    private func append(_ query: MembershipQuery<IPv6Address>) {
        guard let source = ipv6 else { return }
        let message = MLDMessage.query(query)
        let byteCount = MLDRouterAlert.byteCount + message.byteCount
        let header = IPv6Header(
            source: source, destination: query.destination, nextHeader: .hopByHop, payloadByteCount: byteCount,
            hopLimit: 1)
        guard let header else { return }
        var frame = [UInt8](repeating: 0, count: 54 + byteCount)
        var elements = frame.mutableSpan
        var span = elements.mutableOctets
        EthernetHeader(destination: MACAddress(group: query.destination), source: mac, etherType: .ipv6)
            .write(into: &span)
        header.write(into: &span, at: 14)
        MLDRouterAlert.write(into: &span, at: 54)
        message.write(
            into: &span, at: 54 + MLDRouterAlert.byteCount, source: source, destination: query.destination)
        frames.append(frame)
    }
}

extension Lab {
    /// Plugs a querier into a link, with the addresses its queries come from; it begins at once.
    ///
    /// - Throws: ``LabError``; ``LabError/addressMalformed(_:)`` for an IPv6 address that is not link-local, and for none at all.
    @discardableResult
    public func addQuerier(
        _ name: String, on link: LabLink, addresses: [IPAddress], igmp: QuerierSettings = .init(),
        mld: QuerierSettings = .init()
    ) throws(LabError) -> LabQuerier {
        var (ipv4, ipv6): (IPv4Address?, IPv6Address?)
        for address in addresses {
            switch address {
            case .v4(let address): ipv4 = address
            case .v6(let address):
                guard address.isLinkLocal else { throw .addressMalformed("\(address)") }
                ipv6 = address
            }
        }
        guard ipv4 != nil || ipv6 != nil else { throw .addressMalformed("") }
        for settings in [igmp, mld] {
            guard settings.queryInterval >= .seconds(1), settings.lastMemberInterval >= .milliseconds(100),
                settings.responseInterval >= .milliseconds(100), (1...7).contains(settings.robustness)
            else {
                throw .outOfRange(what: "querier", expected: "intervals of a second and 100 ms, robustness 1 to 7")
            }
        }
        var mld = mld
        mld.version = max(.v2, mld.version)
        let mac = freeMAC(for: name)
        let querier = LabQuerier(
            name: name, mac: mac, ipv4: ipv4, ipv6: ipv6, igmp: igmp, mld: mld, at: now)
        try plug(querier, into: link)
        macAddresses.insert(mac)
        return querier
    }

    /// The querier of that name.
    ///
    /// - Throws: ``LabError/noSuchNode(_:)``.
    public func querier(_ name: String) throws(LabError) -> LabQuerier {
        guard let position = stationPositions[name], let querier = stations[position].station as? LabQuerier else {
            throw .noSuchNode(name)
        }
        return querier
    }

    /// The queriers, in the order they were added.
    public var queriers: [LabQuerier] { stations.compactMap { $0.station as? LabQuerier } }

    /// A querier asks in another version from now on, and at once.
    func setQuerier(_ name: String, _ family: LabFamily, _ version: MembershipVersion) throws(LabError) {
        let querier = try querier(name)
        querier.setVersion(version, of: family, at: now)
        guard let position = stationPositions[name] else { return }
        settle(stations[position], position)
    }
}
