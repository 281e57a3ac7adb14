import ChimneyPrimitives
import ChimneyWire

extension DHCPClient {
    /// The first message of an exchange: for the address from before, or to find servers.
    mutating func startExchange(_ now: Instant, using random: inout StackRandom, output: inout DHCPOutput) {
        exchange.transaction = UInt32(truncatingIfNeeded: random.next())
        exchange.sent = 0
        if reboots, let wish {
            exchange.asked = now
            phase = .rebooting(wish)
            sendReboot(for: wish, now, using: &random, output: &output)
        } else {
            phase = .selecting(offers: [])
            sendDiscover(now, using: &random, output: &output)
        }
    }

    /// Looks for servers (RFC 2131 §4.4.1).
    mutating func sendDiscover(_ now: Instant, using random: inout StackRandom, output: inout DHCPOutput) {
        exchange.seconds = UInt16(clamping: Int64((now - exchange.began).seconds))
        var message = message(.discover)
        if let wish { add(.requestedAddress, wish, to: &message) }
        addCommon(to: &message)
        broadcast(message, from: .any, output: &output)
        sent(now, using: &random)
    }

    /// Asks for what a server offered.
    mutating func request(
        _ terms: DHCPTerms, _ now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) {
        phase = .requesting(terms)
        exchange.sent = 0
        exchange.asked = now
        sendRequest(for: terms, now, using: &random, output: &output)
    }

    /// Names the server that is chosen and the address; the other servers see that they are not
    /// (RFC 2131 §4.3.2, SELECTING).
    mutating func sendRequest(
        for terms: DHCPTerms, _ now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) {
        var message = message(.request)
        add(.requestedAddress, terms.lease.address, to: &message)
        add(.serverIdentifier, terms.lease.server, to: &message)
        addCommon(to: &message)
        broadcast(message, from: .any, output: &output)
        sent(now, using: &random)
    }

    /// Asks whether the address from before still is ours, naming no server (RFC 2131 §4.3.2, INIT-REBOOT).
    mutating func sendReboot(
        for address: IPv4Address, _ now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) {
        exchange.seconds = UInt16(clamping: Int64((now - exchange.began).seconds))
        var message = message(.request)
        add(.requestedAddress, address, to: &message)
        addCommon(to: &message)
        broadcast(message, from: .any, output: &output)
        sent(now, using: &random)
    }

    /// Asks the server, and later every server, for more time; each question is an exchange of its own, so that
    /// the new lease counts from the question that was answered (RFC 2131 §4.4.5).
    mutating func askForMore(
        _ lease: DHCPLease, _ now: Instant, using random: inout StackRandom, output: inout DHCPOutput
    ) {
        if phase == .bound { exchange.began = now }
        exchange.transaction = UInt32(truncatingIfNeeded: random.next())
        exchange.asked = now
        exchange.seconds = UInt16(clamping: Int64((now - exchange.began).seconds))
        let isRebinding = now >= lease.rebindsAt
        phase = isRebinding ? .rebinding : .renewing
        var message = message(.request)
        message.clientAddress = lease.address
        message.wantsBroadcast = false
        addCommon(to: &message)
        output.messages.append(
            DHCPTransmission(
                interface: interface, source: lease.address,
                destination: isRebinding ? .limitedBroadcast : lease.server, message: message))
        let end = isRebinding ? lease.expiresAt : lease.rebindsAt
        let half = TimeSpan(nanoseconds: (end - now).nanoseconds / 2)
        due = min(now + max(half, settings.renewIntervalMin), end)
    }

    /// Tells the server that another host has the address (RFC 2131 §4.4.4).
    mutating func sendDecline(of lease: DHCPLease, using random: inout StackRandom, output: inout DHCPOutput) {
        exchange.transaction = UInt32(truncatingIfNeeded: random.next())
        exchange.seconds = 0
        var message = message(.decline)
        message.wantsBroadcast = false
        add(.requestedAddress, lease.address, to: &message)
        add(.serverIdentifier, lease.server, to: &message)
        addIdentifier(to: &message)
        broadcast(message, from: .any, output: &output)
    }

    /// Gives the address back (RFC 2131 §4.4.6).
    mutating func sendRelease(of lease: DHCPLease, using random: inout StackRandom, output: inout DHCPOutput) {
        exchange.transaction = UInt32(truncatingIfNeeded: random.next())
        exchange.seconds = 0
        var message = message(.release)
        message.wantsBroadcast = false
        message.clientAddress = lease.address
        add(.serverIdentifier, lease.server, to: &message)
        addIdentifier(to: &message)
        output.messages.append(
            DHCPTransmission(
                interface: interface, source: lease.address, destination: lease.server, message: message))
    }

    private mutating func sent(_ now: Instant, using random: inout StackRandom) {
        exchange.sent = min(exchange.sent + 1, 64)
        due = now + backoff(exchange.sent, using: &random)
    }

    private func message(_ type: DHCPv4MessageType) -> DHCPv4Message {
        var message = DHCPv4Message(type, transaction: exchange.transaction, hardware: mac)
        message.seconds = exchange.seconds
        message.wantsBroadcast = settings.wantsBroadcast
        return message
    }

    private func broadcast(_ message: DHCPv4Message, from source: IPv4Address, output: inout DHCPOutput) {
        output.messages.append(
            DHCPTransmission(
                interface: interface, source: source, destination: .limitedBroadcast, message: message))
    }

    /// What every search and request carries; the list of options is the same in all of them (RFC 2131 §3.5).
    private func addCommon(to message: inout DHCPv4Message) {
        addIdentifier(to: &message)
        add(
            .maximumMessageSize,
            [UInt8(settings.datagramBytesMax >> 8), UInt8(settings.datagramBytesMax & 0xFF)], to: &message)
        // Routes by prefix come before the routers they take the place of (RFC 3442).
        let wanted: [DHCPv4OptionCode] = [
            .subnetMask, .classlessRoutes, .router, .nameServer, .domainName, .interfaceMTU, .leaseTime, .renewalTime,
            .rebindingTime,
        ]
        add(.parameterRequestList, wanted.map(\.rawValue), to: &message)
        if let name = settings.hostName { add(.hostName, Array(name.utf8), to: &message) }
    }

    private func addIdentifier(to message: inout DHCPv4Message) {
        add(.clientIdentifier, identifier, to: &message)
    }

    private func add(_ code: DHCPv4OptionCode, _ address: IPv4Address, to message: inout DHCPv4Message) {
        add(code, (0..<4).map { UInt8(truncatingIfNeeded: address.bits >> UInt32(24 - 8 * $0)) }, to: &message)
    }

    /// The settings are held to lengths of which all fit, so that no option is refused.
    private func add(_ code: DHCPv4OptionCode, _ data: [UInt8], to message: inout DHCPv4Message) {
        do throws(DHCPv4OptionsError) {
            try message.options.append(code, data)
        } catch {
            assertionFailure("options of bounded length fit")
        }
    }
}
