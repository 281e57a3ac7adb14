import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import Testing

/// Answers of a host with several addresses.
@Suite struct UDPAnswerTests {
    /// Two stacks whose right one also has a second address of each family, and that address.
    private func link() throws -> (link: DiscoveryLink, second: [IPAddress]) {
        let link = try DiscoveryLink()
        try link.address()
        let second = IPv6Address(high: DiscoveryLink.rightAddress.high, low: 9)
        try link.right.addAddress(second, prefixLength: 64, to: link.rightIndex, at: link.now)
        try link.left.addAddress(IPv4Address(10, 0, 0, 1), prefixLength: 24, to: link.leftIndex, at: link.now)
        try link.right.addAddress(IPv4Address(10, 0, 0, 2), prefixLength: 24, to: link.rightIndex, at: link.now)
        try link.right.addAddress(IPv4Address(10, 0, 0, 9), prefixLength: 24, to: link.rightIndex, at: link.now)
        link.pass(.seconds(5))
        return (link, [.v4(IPv4Address(10, 0, 0, 9)), .v6(second)])
    }

    @Test func answerComesFromTheAddressThatWasAsked() throws {
        let (link, second) = try link()
        let server = try link.right.openUDP()
        try link.right.bind(server, to: Endpoint(port: 7))
        for address in second {
            let client = try link.left.openUDP()
            try link.left.connect(client, to: Endpoint(address, 7))
            for round in UInt8(1)...3 {
                try link.left.send(client, [round], at: link.now)
                link.pump()
                let datagram = link.right.receive(server)
                #expect(datagram.destination.address == address)
                try link.right.answer(server, datagram, with: datagram.bytes, at: link.now)
                link.pump()
                #expect(link.left.receiveAll(client) == [[round]], "the connected socket takes it")
            }
            // Sent without being an answer, it comes from the address that is chosen.
            let port = link.left.localEndpoint(client)?.port ?? 0
            let peer = Endpoint(
                address.isIPv4 ? .v4(IPv4Address(10, 0, 0, 1)) : .v6(DiscoveryLink.leftAddress), port)
            let before = link.left.ledger.dropped(.portClosed)
            try link.right.send(server, [4], to: peer, at: link.now)
            link.pump()
            #expect(link.left.receiveAll(client) == [] && link.left.ledger.dropped(.portClosed) == before + 1)
        }
        #expect(link.left.conservation.isKept && link.right.conservation.isKept)
    }

    @Test func whatCameToAGroupIsAnsweredFromAnAddressOfOurs() throws {
        let (link, _) = try link()
        let server = try link.right.listen(to: 7, at: .v6(.allNodes), on: link.rightIndex, at: link.now)
        let client = try link.left.openUDP()
        let group = Endpoint(IPv6Address.allNodes, 7, zone: link.leftIndex.rawValue)
        try link.left.send(client, [1], to: group, at: link.now)
        link.pump()
        let datagram = link.right.receive(server)
        #expect(datagram.destination.address.isMulticast)
        try link.right.answer(server, datagram, with: datagram.bytes, at: link.now)
        link.pump()
        let answer = link.left.receive(client)
        #expect(answer.source.mapped.isLinkLocal)
    }

    @Test func answerFromAClosedSocketIsRefused() throws {
        let (link, second) = try link()
        let server = try link.right.openUDP()
        let client = try link.left.openUDP()
        try link.right.bind(server, to: Endpoint(port: 7))
        try link.left.send(client, [1], to: Endpoint(second[1], 7), at: link.now)
        link.pump()
        let datagram = link.right.receive(server)
        link.right.close(server)
        #expect(throws: SendError.closed) {
            try link.right.answer(server, datagram, with: datagram.bytes, at: link.now)
        }
    }
}
