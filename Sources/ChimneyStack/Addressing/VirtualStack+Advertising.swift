public import ChimneyAddressing
public import ChimneyLink
import ChimneyNeighbors
public import ChimneyPrimitives
import ChimneyWire

extension VirtualStack {
    /// Tells the hosts of a link that this stack is a router, what the link's prefixes are and more (RFC 4861 §6.2);
    /// `nil` ends it with a farewell.
    ///
    /// It begins as soon as the link-local address of the interface is known to be its own.
    /// - Throws: ``AdvertisingError``; nothing is changed.
    public mutating func setAdvertisements(
        _ advertised: RouterAdvertiserSettings?, on index: InterfaceIndex, at now: Instant
    ) throws(AdvertisingError) {
        beginRound(at: now)
        guard let port = ports.position(of: index), ports[port].kind == .ethernet, ports[port].ipv6 != .off else {
            throw .noSuchInterface
        }
        guard let advertised else {
            ports[port].advertiser?.stop(at: now, using: &random, output: &advertiserOutput)
            settleDiscovery()
            rescheduleAddressing()
            return
        }
        do throws(RouterAdvertiserError) {
            if ports[port].advertiser == nil {
                ports[port].advertiser = try RouterAdvertiser(
                    interface: index.rawValue, mac: ports[port].mac, settings: advertised)
            } else {
                try ports[port].advertiser?.setSettings(advertised, at: now, using: &random)
            }
        } catch { throw .settings(error) }
        startAdvertising(port)
        settleDiscovery()
        rescheduleAddressing()
    }

    /// Lets the router of an interface speak, once there is an address to speak from.
    mutating func startAdvertising(_ port: SlotID) {
        guard let source = ports[port].linkLocalAddress else { return }
        ports[port].advertiser?.start(from: source, at: now, using: &random)
    }

    /// A router solicitation arrived: why it was of no use, or `nil`.
    mutating func solicitationArrived(_ message: RawSpan, _ fields: IPv6Fields, _ port: SlotID) -> DropReason? {
        guard ports[port].advertiser != nil else { return .ndpNotRouter }
        let drop = ports[port].advertiser?.solicitationArrived(
            message, from: fields.source, hopLimit: fields.hopLimit, at: now, using: &random,
            output: &advertiserOutput)
        rescheduleAddressing()
        guard let drop else { return nil }
        return drop == .notListening ? .ndpNotRouter : drop.reason
    }

    mutating func settle(_ host: SolicitingHost) {
        ndp.linkAddressLearned(
            host.address, mac: host.mac, isRouter: false, on: host.interface, at: now, using: &random,
            output: &ndpOutput)
    }

    /// Moves the engines of addressing whose time has come.
    mutating func addressingTimersFired() {
        guard addressingDue <= now else { return }
        for position in 0..<ports.count {
            let port = ports.id(at: position)
            ports[port].discovery?.timerFired(at: now, using: &random, output: &discoveryOutput)
            ports[port].advertiser?.timerFired(at: now, using: &random, output: &advertiserOutput)
            ports[port].dhcp?.timerFired(at: now, using: &random, output: &dhcpOutput)
        }
        settleDHCP()
        rescheduleAddressing()
    }

    /// Finds the next time at which one of them is due.
    mutating func rescheduleAddressing() {
        addressingDue = .never
        for position in 0..<ports.count {
            let port = ports.id(at: position)
            addressingDue = min(
                addressingDue, ports[port].discovery?.deadline ?? .never, ports[port].advertiser?.deadline ?? .never,
                ports[port].dhcp?.deadline ?? .never)
        }
    }
}

/// Why router advertisements were refused.
public enum AdvertisingError: Error, Hashable, Sendable {
    /// The stack has no such Ethernet interface that speaks IPv6.
    case noSuchInterface
    /// The settings are not what a router may say.
    case settings(RouterAdvertiserError)
}
