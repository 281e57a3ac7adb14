/// Why a packet died.
///
/// Every packet that enters a stack and is neither delivered, forwarded nor
/// consumed increments exactly one of these.
public enum DropReason: UInt8, CaseIterable, Sendable, Hashable {
    // The frame.
    case frameTruncated, frameNotForUs, etherTypeUnknown, vlanUnknown, interfaceDown, interfaceGone
    // The IP header.
    case ipTruncated, ipVersionWrong, ipHeaderLengthWrong, ipTotalLengthWrong, ipChecksumBad, ipOptionMalformed
    case ipExtensionMalformed, ipv6Disabled
    case sourceRouteRefused, sourceAddressInvalid, destinationAddressInvalid, addressNotOurs, forwardingDisabled
    // Forwarding and output.
    case ttlExpired, noRoute, routeBlackhole, routeReject, routeProhibited, fragmentationNeeded
    case broadcastNotForwarded, linkBroadcastNotForwarded, neighborUnresolved, neighborQueueFull, neighborTableFull
    case transmitQueueFull, transmitDeviceGone, noBuffer, noSourceAddress
    case beyondScope, largePacketMalformed
    // Fragments.
    case fragmentMalformed, fragmentOverlap, fragmentDuplicate, fragmentOversized, fragmentTimeout, fragmentEvicted
    case fragmentTooMany
    // ARP.
    case arpMalformed, arpNotForUs, arpBadSender, arpConflict, arpOffLink, arpRateLimited, arpPermanent, arpUnsolicited
    // Neighbour discovery and router discovery.
    case ndpMalformed, ndpHopLimit, ndpBadSource, ndpBadTarget, ndpNotForUs, ndpConflict, ndpLooped, ndpUnsolicited
    case ndpPermanent, ndpRateLimited, ndpNotRouter, ndpNotHost, dhcpRefused
    // ICMP.
    case icmpTruncated, icmpChecksumBad, icmpTypeUnknown, icmpEchoIgnored, icmpQuoteMalformed, icmpRedirectRefused
    case icmpNoSocket
    // Transports.
    case protocolUnreachable, udpTruncated, udpLengthWrong, udpChecksumBad, udpChecksumMissing, portClosed,
        socketBufferFull
    case broadcastNoReceiver
    // TCP.
    case tcpNotUnicast, tcpMalformed, tcpOptionMalformed, tcpChecksumBad, tcpNoConnection, tcpTimeWait
    case tcpBacklogFull, tcpTableFull, tcpAckUnacceptable, tcpOutsideWindow, tcpOldTimestamp, tcpTimestampMissing
    case tcpChallenged, tcpDuplicate, tcpReassemblyFull, tcpWindowClosed, tcpReaderGone, tcpNotSynchronizing
    case tcpPacketsShort, tcpSignatureMissing, tcpSignatureWrong, tcpSignatureUnexpected
    // Groups.
    case linkGroupNotJoined, multicastNoMember, multicastSourceFiltered, multicastNoReceiver
    case membershipMalformed, membershipChecksumBad, membershipHopLimit, membershipAlertMissing, membershipBadSource
    case membershipBadGroup, membershipLooped, membershipForRouters, membershipNotAwaited

    /// The sentence `explain` prints.
    public var explanation: String {
        switch self {
        case .frameTruncated: "the frame is shorter than its link header"
        case .frameNotForUs: "the frame's destination MAC is neither ours, nor broadcast, nor a group's"
        case .etherTypeUnknown: "no protocol of this stack has that EtherType"
        case .vlanUnknown: "no interface of this stack has that VLAN"
        case .interfaceDown: "the interface is down"
        case .interfaceGone: "the interface was detached while the packet waited"
        case .ipTruncated: "the packet is shorter than an IP header"
        case .ipVersionWrong: "the version field contradicts the protocol that the packet came as"
        case .ipHeaderLengthWrong: "the header length is below 20 bytes or beyond the packet"
        case .ipTotalLengthWrong: "the length in the IP header is below the header's own or beyond the packet"
        case .ipExtensionMalformed:
            "an IPv6 extension header runs out of its bounds, is out of order, or is one too many"
        case .ipv6Disabled: "the interface does not speak IPv6 by setting"
        case .ipChecksumBad: "the IPv4 header checksum is wrong"
        case .ipOptionMalformed: "an IP option runs out of its bounds, or is unknown and says to discard the packet"
        case .sourceRouteRefused: "the packet asks for source routing, which is refused (RFC 7126, RFC 5095)"
        case .sourceAddressInvalid: "the source address may not appear on a wire"
        case .destinationAddressInvalid: "the destination address may not appear on a wire"
        case .addressNotOurs: "the destination is not an address of ours and this host does not forward"
        case .forwardingDisabled: "forwarding is switched off on this interface"
        case .ttlExpired: "the time to live reached zero"
        case .noRoute: "no route leads to the destination"
        case .routeBlackhole: "the route to the destination is a blackhole"
        case .routeReject: "the route to the destination answers unreachable"
        case .routeProhibited: "the route to the destination answers prohibited"
        case .fragmentationNeeded: "the packet exceeds the MTU of its way out and says not to fragment"
        case .broadcastNotForwarded: "directed broadcasts are not forwarded (RFC 2644)"
        case .linkBroadcastNotForwarded: "a unicast packet in a link-layer broadcast is not forwarded (RFC 1812 §5.3.4)"
        case .neighborUnresolved: "the next hop did not answer address resolution"
        case .neighborQueueFull: "too many packets wait for the next hop's link address"
        case .neighborTableFull: "the neighbour table has no room for another next hop"
        case .transmitQueueFull: "the interface's transmit queue is full"
        case .transmitDeviceGone: "the device behind the interface is gone"
        case .noBuffer: "the packet pool is at its bound"
        case .noSourceAddress:
            "no address of the interface is in use that could send the packet or ask for its next hop"
        case .beyondScope: "the source address has a meaning on its own link only, so the packet is not forwarded"
        case .largePacketMalformed: "the packet is to be cut into segments, which its headers do not allow"
        case .fragmentMalformed: "a fragment's length or offset contradicts the datagram"
        case .fragmentOverlap: "a fragment overlaps another one, so the whole datagram is refused"
        case .fragmentDuplicate: "the same fragment arrived before"
        case .fragmentOversized: "the fragments would make a datagram above 65,535 bytes"
        case .fragmentTimeout: "the other fragments did not arrive in time"
        case .fragmentEvicted: "reassembly was at its bound and gave up its oldest datagram"
        case .fragmentTooMany: "the datagram came in more fragments than one datagram may have"
        case .arpMalformed: "the ARP message is not Ethernet and IPv4, or is truncated"
        case .arpNotForUs: "the ARP message asks for someone else's address"
        case .arpBadSender: "the ARP sender's addresses are not a host's"
        case .arpConflict: "the ARP sender claims an address of ours"
        case .arpOffLink: "the ARP sender's address is not on this link"
        case .arpRateLimited: "too many ARP messages"
        case .arpPermanent: "the ARP message contradicts an entry the operator set"
        case .arpUnsolicited: "an ARP reply nobody asked for"
        case .ndpMalformed: "the discovery message is truncated, or has an option that cannot be"
        case .ndpHopLimit: "the discovery message crossed a router: its hop limit is not 255"
        case .ndpBadSource: "the discovery message comes from an address that may not send it"
        case .ndpBadTarget: "the discovery message is about an address that is not a host's"
        case .ndpNotForUs: "the discovery message asks for someone else's address"
        case .ndpConflict: "the sender claims or wants an address of ours"
        case .ndpLooped: "the discovery message is our own, come back"
        case .ndpUnsolicited: "a neighbour advertisement nobody asked for, which changes nothing"
        case .ndpPermanent: "the discovery message contradicts an entry the operator set"
        case .ndpRateLimited: "too many discovery messages"
        case .ndpNotRouter: "this stack does not answer router solicitations on the interface"
        case .ndpNotHost: "this stack does not listen to router advertisements on the interface"
        case .dhcpRefused: "the message to the DHCP client is malformed, another's, or not awaited"
        case .icmpTruncated: "the ICMP message is shorter than its type demands"
        case .icmpChecksumBad: "the ICMP checksum is wrong"
        case .icmpTypeUnknown: "the ICMP type is unknown or not answered (RFC 1122 §3.2.2)"
        case .icmpEchoIgnored: "echo requests to this address are not answered by setting"
        case .icmpQuoteMalformed: "the packet quoted in an ICMP error cannot be ours"
        case .icmpRedirectRefused: "the redirect does not come from the gateway in use or names no neighbour"
        case .icmpNoSocket: "no socket waits for this ICMP message"
        case .protocolUnreachable: "no protocol of this stack has that IP protocol number"
        case .udpTruncated: "the datagram is shorter than a UDP header"
        case .udpLengthWrong: "the UDP length contradicts the IP length"
        case .udpChecksumBad: "the UDP checksum is wrong"
        case .udpChecksumMissing: "the datagram has no checksum, which IPv6 demands (RFC 8200 §8.1)"
        case .portClosed: "no socket is bound to the destination port"
        case .socketBufferFull: "the socket's receive buffer is full"
        case .broadcastNoReceiver: "no socket on that port takes broadcasts"
        case .tcpNotUnicast: "the TCP segment was sent to a broadcast address or a group"
        case .tcpMalformed: "the segment is shorter than the TCP header it should have"
        case .tcpOptionMalformed: "a TCP option runs out of its bounds, or has a length that it cannot have"
        case .tcpChecksumBad: "the TCP checksum is wrong"
        case .tcpNoConnection: "there is no such connection"
        case .tcpTimeWait: "the connection ended not long ago, and the segment says nothing new"
        case .tcpBacklogFull: "too many connections of the listener wait to be accepted, or are half open"
        case .tcpTableFull: "the stack has as many connections as it may"
        case .tcpAckUnacceptable: "the segment acknowledges nothing, or what was never sent"
        case .tcpOutsideWindow: "nothing of the segment lies in the receive window"
        case .tcpOldTimestamp: "the segment's timestamp is older than one before (RFC 7323 §5)"
        case .tcpTimestampMissing: "the segment has no timestamp though both ends agreed on them"
        case .tcpChallenged: "the segment may be forged, so the peer is asked whether it meant it (RFC 5961)"
        case .tcpDuplicate: "all data of the segment was there already"
        case .tcpPacketsShort: "the shard has few packets left, and what the connection has was not read"
        case .tcpReassemblyFull: "the data came out of order and there is no room to keep it"
        case .tcpWindowClosed: "the data came when the receive window was closed"
        case .tcpReaderGone: "nobody will read the data, so the connection was reset"
        case .tcpNotSynchronizing: "the segment is none that could answer our SYN"
        case .tcpSignatureMissing: "the segment is not signed, though there is a key for its sender (RFC 2385)"
        case .tcpSignatureWrong: "the segment is not signed with the key that there is for its sender (RFC 2385)"
        case .tcpSignatureUnexpected: "the segment is signed, and there is no key for its sender (RFC 2385)"
        case .linkGroupNotJoined: "no group or protocol of the interface wants the frame's link group"
        case .multicastNoMember: "this host is not a member of the group on the interface"
        case .multicastSourceFiltered: "every socket in the group on that port refuses the source"
        case .multicastNoReceiver: "the group is joined, and no socket that joined it has the port"
        case .membershipMalformed: "the IGMP or MLD message is truncated, or of no known type or length"
        case .membershipChecksumBad: "the checksum of the IGMP message is wrong"
        case .membershipHopLimit: "the IGMP or MLD message crossed a router: its TTL or hop limit is not 1"
        case .membershipAlertMissing: "the query carries no router alert"
        case .membershipBadSource: "the IGMP or MLD message comes from an address that may not send it"
        case .membershipBadGroup: "the query or report is about no group, or went to a group it does not belong to"
        case .membershipLooped: "the IGMP or MLD message is our own, come back"
        case .membershipForRouters: "a report or leave that only routers act on"
        case .membershipNotAwaited: "the query is about a group that is not joined, or the report suppresses nothing"
        }
    }
}
