package import ChimneyPrimitives
import ChimneyWire

extension DHCPClient {
    /// A datagram from port 67 to port 68 arrived.
    ///
    /// - Parameters:
    ///   - payload: what is behind the UDP header.
    ///   - now: the time.
    ///   - random: where chance comes from.
    ///   - output: what is to be done.
    /// - Returns: why it was of no use, or `nil` when it was.
    package mutating func messageArrived(
        _ payload: RawSpan, at now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) -> DHCPDrop? {
        do throws(DHCPDrop) {
            let message = try view(payload)
            guard message.isReply else { throw .notReply }
            guard message.hardware == mac else { throw .notForUs }
            guard isAwaiting else { throw .unexpected }
            guard message.transaction == exchange.transaction else { throw .wrongTransaction }
            switch message.type {
            case .offer: try offerArrived(message, now, using: &random, output: &output)
            case .acknowledge: try grantArrived(message, now, using: &random, output: &output)
            case .refuse: try refusalArrived(message, now, using: &random, output: &output)
            case .discover, .request, .decline, .release, .inform: throw .notReply
            }
            return nil
        } catch {
            return error
        }
    }

    @_lifetime(copy payload)
    private func view(_ payload: RawSpan) throws(DHCPDrop) -> DHCPv4View {
        do throws(DHCPv4Error) { return try DHCPv4View(payload) } catch { throw DHCPDrop(error) }
    }

    /// Whether a question was asked to which an answer may come.
    private var isAwaiting: Bool {
        switch phase {
        case .selecting, .requesting, .rebooting, .renewing, .rebinding: true
        case .stopped, .starting, .checking, .bound: false
        }
    }

    /// A server offers an address (RFC 2131 §4.4.1).
    private mutating func offerArrived(
        _ message: DHCPv4View, _ now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) throws(DHCPDrop) {
        guard case .selecting(var offers) = phase else { throw .unexpected }
        let offer = try DHCPTerms(message, settings: settings)
        if offer.lease.address == wish || settings.offerWait == .zero {
            return request(offer, now, using: &random, output: &output)
        }
        if let place = offers.firstIndex(where: { $0.lease.server == offer.lease.server }) {
            offers[place] = offer
        } else {
            guard offers.count < settings.offersMax else { throw .tooManyOffers }
            offers.append(offer)
        }
        if offers.count == 1 { due = min(due, now + settings.offerWait) }
        phase = .selecting(offers: offers)
    }

    /// A server grants an address, or more time for it.
    private mutating func grantArrived(
        _ message: DHCPv4View, _ now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) throws(DHCPDrop) {
        let terms = try DHCPTerms(message, settings: settings)
        switch phase {
        case .stopped, .starting, .selecting, .checking, .bound:
            throw .unexpected
        case .requesting(let chosen):
            guard terms.lease.server == chosen.lease.server else { throw .otherServer }
            guard terms.lease.address == chosen.lease.address else { throw .otherAddress }
        case .rebooting(let address):
            guard terms.lease.address == address else { throw .otherAddress }
        case .renewing:
            guard terms.lease.server == lease?.server else { throw .otherServer }
            guard terms.lease.address == lease?.address else { throw .otherAddress }
        case .rebinding:
            guard terms.lease.address == lease?.address else { throw .otherAddress }
        }
        let granted = terms.lease(from: exchange.asked, using: &random)
        guard granted.expiresAt > now else { throw .leaseTooShort }
        let isNew = lease == nil
        lease = granted
        wish = granted.address
        reboots = false
        settle(at: granted)
        if isNew {
            output.events.append(DHCPEvent(interface: interface, kind: .granted(granted)))
        } else if isProven {
            // Before the proof there is nothing to renew: it tells of the lease as it is then.
            output.events.append(DHCPEvent(interface: interface, kind: .renewed(granted)))
        }
    }

    /// A server says that the address is not ours: the search begins anew (RFC 2131 §3.1.4, §3.2.3, §4.4.5).
    private mutating func refusalArrived(
        _ message: DHCPv4View, _ now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) throws(DHCPDrop) {
        let server = try server(of: message)
        switch phase {
        case .stopped, .starting, .selecting, .checking, .bound:
            throw .unexpected
        case .requesting(let chosen):
            guard server == chosen.lease.server else { throw .otherServer }
        case .renewing:
            guard server == lease?.server else { throw .otherServer }
        case .rebooting, .rebinding:
            break
        }
        lose(.refused, output: &output)
        wish = nil
        restart(now, using: &random)
    }

    private func server(of message: DHCPv4View) throws(DHCPDrop) -> IPv4Address {
        let server: IPv4Address?
        do throws(DHCPv4Error) { server = try message.address(.serverIdentifier) } catch { throw DHCPDrop(error) }
        guard let server else { throw .noServerIdentifier }
        guard server.isHost else { throw .badServerIdentifier }
        return server
    }
}
