import ChimneyLink
import ChimneyPrimitives
import ChimneyStack
import ChimneyTCP
import ChimneyWire
import Testing

/// Signed segments (RFC 2385).
@Suite struct TCPSignatureTests {
    /// SYNs of Linux, for which its user had set a key.
    private static let signedByLinux = [
        """
        4500004880fb40004006a5a40a0700010a070002a6de00137a5910cb00000000d002faf0144b000001011312c74f293ab7f7e1dbd23165b2cf097a26\
        020405b4010104020103030a
        """,
        """
        6009344c00340640fd070000000000000000000000000001fd070000000000000000000000000002dc6a0013bb7830d300000000d002fd20fa4c0000\
        010113120b96507e4345e5a7dc6a83849f27e10f020405a0010104020103030a
        """,
    ]

    @Test func plainDigestsAreThoseOfTheStandard() {
        func hex(_ text: String) -> String {
            PlainMD5.digest(Array(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        // RFC 1321 §A.5.
        #expect(hex("") == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(hex("message digest") == "f96b697d7cb7938d525a2f31aaf161d0")
        let digits = String(repeating: "1234567890", count: 8)
        #expect(hex(digits) == "57edf4a22be3c955ac49da2e2107b67a")
    }

    @Test(arguments: Self.signedByLinux)
    func kernelsSignTheSameWay(_ recorded: String) throws {
        // SYNs of Linux, for which its user had set a key of these words.
        let digits = Array(recorded)
        let bytes = try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        }
        #expect(Seen(bytes).isSigned(with: Array("the right word".utf8)))
        #expect(!Seen(bytes).isSigned(with: Array("the wrong word".utf8)))
    }

    // MARK: - What is signed

    @Test(arguments: [LinkKind.ip, .ethernet], Family.allCases)
    func everySegmentOfAConnectionIsSigned(over kind: LinkKind, _ family: Family) throws {
        let segment = try Segment(family, kind: kind)
        try segment.signBoth()
        var flags: Set<TCPFlags> = []
        var counted = 0
        func look(_ seen: Seen) {
            #expect(seen.isSigned(), "\(seen.segment)")
            flags.insert(seen.segment.flags)
            counted += 1
        }
        let listener = try segment.right.listenTCP(on: Endpoint(port: 80))
        let client = try segment.left.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
        segment.pump(look)
        let server = try #require(segment.acceptRight(listener))
        let bytes = Dialogue.bytes(200_000)
        var arrived: [UInt8] = []
        var written = 0
        while arrived.count < bytes.count {
            written += try segment.writeLeft(client, bytes[written...])
            segment.pump(look)
            arrived += try segment.readRight(server)
            _ = try segment.writeRight(server, [7])
        }
        #expect(arrived == bytes)
        segment.left.shutdown(client, at: segment.now)
        segment.right.shutdown(server, at: segment.now)
        segment.pump(look)
        #expect(segment.left.isAtEnd(client) == false)
        #expect(try segment.readLeft(client).allSatisfy { $0 == 7 })
        #expect(flags.isSuperset(of: [.syn, [.syn, .ack], .ack, [.fin, .ack]]))
        let sent = segment.left.tcpSummary.counters.signaturesSent + segment.right.tcpSummary.counters.signaturesSent
        #expect(sent == UInt64(counted) && counted > 130)
        let verified = segment.right.tcpSummary.counters.signaturesVerified
        #expect(verified == segment.left.tcpSummary.counters.signaturesSent)
        #expect(segment.right.snapshot(server, at: segment.now)?.isSigned != false)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func bulkIsNeverLeftToBeCut(_ family: Family) throws {
        // What is cut further down would carry the signature of the whole: the other end takes none of it.
        let segment = try Segment(family)
        try segment.signBoth()
        let dialogue = try Dialogue(segment)
        let bytes = Dialogue.bytes(600_000)
        #expect(try dialogue.carry(bytes) == bytes)
        #expect(try dialogue.carry(bytes, toServer: false) == bytes)
        #expect(segment.right.ledger.dropped(.tcpSignatureWrong) == 0)
        #expect(segment.leftSnapshot(dialogue.client)?.isSigned == true)
        #expect(segment.leftSnapshot(dialogue.client)?.recoveryCounters.retransmissions == 0)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func stackSignsWhatItSaysToItself(_ family: Family) throws {
        let segment = try Segment(family)
        try segment.right.sign(.host(family.right), at: segment.now)
        let listener = try segment.right.listenTCP(on: Endpoint(port: 80))
        let client = try segment.right.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
        let server = try #require(segment.acceptRight(listener))
        // More than fits beside its headers in the largest packet there is.
        let bytes = Dialogue.bytes(150_000)
        #expect(try segment.writeRight(client, bytes) == bytes.count)
        var arrived: [UInt8] = []
        for _ in 0..<10 {
            segment.pass(.milliseconds(10))
            arrived += try segment.readRight(server)
        }
        #expect(arrived == bytes)
        #expect(segment.right.tcpSummary.counters.signaturesVerified > 4)
        segment.check()
    }

    @Test(arguments: Family.allCases, [SynCookieMode.off, .always])
    func answersToSYNsAndTheConnectionsAfterThemAreSigned(_ family: Family, _ cookies: SynCookieMode) throws {
        var settings = StackSettings()
        settings.tcp.synCache.cookies = cookies
        let peer = try HandPeer(family, settings: settings)
        try peer.segment.right.sign(.host(family.left), at: peer.segment.now)
        let syn = HandSegment(sequence: 999, flags: .syn, options: [2, 4, 5, 0xB4, 1, 1, 4, 2])
        peer.segment.giveRight(Handmade.signedTCP(family, syn))
        let answer = try #require(peer.segment.interceptRight().last)
        #expect(answer.isSigned() && answer.segment.flags == [.syn, .ack])
        // And again, when nobody acknowledges it.
        if cookies == .off {
            peer.segment.now = peer.segment.now + .seconds(3)
            peer.segment.right.timerFired(at: peer.segment.now)
            let again = try #require(peer.segment.interceptRight().last)
            #expect(again.isSigned() && again.segment.sequence == answer.segment.sequence)
        }
        let ack = HandSegment(sequence: 1_000, ack: answer.segment.sequence &+ 1, data: [1, 2, 3])
        peer.segment.giveRight(Handmade.signedTCP(family, ack))
        let id = try #require(peer.segment.acceptRight(peer.listener))
        #expect(try peer.segment.readRight(id) == [1, 2, 3])
        #expect(peer.segment.interceptRight().last?.isSigned() == true)
        peer.segment.right.abort(id, at: peer.segment.now)
        let reset = try #require(peer.segment.interceptRight().last)
        #expect(reset.isSigned() && reset.segment.flags.contains(.rst))
        peer.segment.check()
    }

    @Test(arguments: Family.allCases)
    func answersToWhatBelongsToNoConnectionAreSigned(_ family: Family) throws {
        let peer = try HandPeer(family)
        try peer.segment.right.sign(.host(family.left), at: peer.segment.now)
        // Nobody listens there, nor is there a connection.
        for made in [
            HandSegment(destinationPort: 81, sequence: 7, flags: .syn), HandSegment(sequence: 7, ack: 4, data: [1]),
        ] {
            peer.segment.giveRight(Handmade.signedTCP(family, made))
            let reset = try #require(peer.segment.interceptRight().last)
            #expect(reset.isSigned() && reset.segment.flags.contains(.rst))
        }
        // Without a signature not even a RST comes back.
        #expect(peer.give { $0.destinationPort = 81 }.isEmpty)
        peer.segment.check()
    }

    @Test(arguments: Family.allCases)
    func flowsThatEndedAnswerSigned(_ family: Family) throws {
        let segment = try Segment(family)
        try segment.signBoth()
        let dialogue = try Dialogue(segment)
        segment.left.close(dialogue.client, at: segment.now)
        segment.pump()
        segment.right.close(dialogue.server, at: segment.now)
        let fin = try #require(segment.interceptRight().last)
        segment.giveLeft(fin.link + fin.bytes)
        #expect(segment.left.tcpSummary.timeWait == 1)
        _ = segment.interceptLeft()
        // The last acknowledgement was lost, and the FIN comes again.
        segment.giveLeft(fin.link + fin.bytes)
        let answer = try #require(segment.interceptLeft().last)
        #expect(answer.isSigned() && answer.segment.flags == .ack)
        // Without its signature it is not answered.
        var bare = fin.segment
        bare.options = []
        let before = segment.left.ledger.dropped(.tcpSignatureMissing)
        segment.giveLeft(Handmade.tcp(family, bare, source: family.right, destination: family.left))
        #expect(segment.left.ledger.dropped(.tcpSignatureMissing) == before + 1)
        #expect(segment.interceptLeft().isEmpty)
        segment.check()
    }

    // MARK: - What is refused

    @Test(arguments: Family.allCases)
    func segmentsWithoutTheRightSignatureAreNamed(_ family: Family) throws {
        let peer = try HandPeer(family)
        // Nobody has a key yet.
        let syn = HandSegment(sequence: 999, flags: .syn)
        #expect(peer.death(of: Handmade.signedTCP(family, syn)) == .tcpSignatureUnexpected)
        try peer.segment.right.sign(.host(family.left), at: peer.segment.now)
        #expect(peer.death(of: Handmade.tcp(family, syn)) == .tcpSignatureMissing)
        #expect(peer.death(of: Handmade.signedTCP(family, syn, key: [1, 2, 3])) == .tcpSignatureWrong)
        #expect(peer.segment.right.tcpSummary.halfOpen == 0)
        #expect(peer.death(of: Handmade.signedTCP(family, syn)) == nil)
        #expect(peer.segment.right.tcpSummary.halfOpen == 1)
        // A key for others is none for it.
        peer.segment.right.setSegmentSigner(nil, at: peer.segment.now)
        try peer.segment.right.sign(.host(family.stranger(1)), at: peer.segment.now)
        #expect(peer.death(of: Handmade.signedTCP(family, syn)) == .tcpSignatureUnexpected)
    }

    @Test(arguments: Family.allCases)
    func whatIsChangedOnTheWayIsNotTaken(_ family: Family) throws {
        let peer = try HandPeer(family)
        try peer.segment.right.sign(.host(family.left), at: peer.segment.now)
        let right = Handmade.signedTCP(
            family, HandSegment(sequence: 7, ack: 4, options: HandSegment.clocks(1, 2), data: [1, 2, 3]))
        #expect(peer.death(of: right) == .tcpNoConnection)
        func changed(at offset: Int) -> Handmade {
            var packet = right
            packet.payload[offset] ^= 1
            // As somebody on the way does who wants it to arrive: the checksum is right again.
            packet.payload.replaceSubrange(16..<18, with: [0, 0])
            let length = Handmade.be(UInt32(packet.payload.count))
            let pseudo = packet.source.bytes + packet.destination.bytes + length + [0, 0, 0, 6]
            packet.payload.replaceSubrange(16..<18, with: Handmade.be(Handmade.checksum(pseudo + packet.payload)))
            return packet
        }
        for offset in 0..<right.payload.count {
            switch offset {
            // The length of the header, the checksum, and which options there are.
            case 12, 16, 17, 20, 21, 22, 23: continue
            // Options are not signed (RFC 2385 §2.0).
            case 40...: continue
            default:
                #expect(peer.death(of: changed(at: offset)) == .tcpSignatureWrong, "\(offset)")
            }
        }
        let last = right.payload.count - 1
        #expect(peer.death(of: changed(at: last)) == .tcpSignatureWrong)
        #expect(peer.death(of: changed(at: 20 + 20 + 4)) == .tcpNoConnection)
    }

    @Test(arguments: Family.allCases)
    func withoutVerificationAllIsTakenAndStillSigned(_ family: Family) throws {
        var settings = StackSettings()
        settings.tcp.verifiesSignatures = false
        let peer = try HandPeer(family, settings: settings)
        let syn = HandSegment(sequence: 999, flags: .syn)
        #expect(peer.death(of: Handmade.signedTCP(family, syn)) == nil)
        peer.segment.right.close(peer.listener, at: peer.segment.now)
        try peer.segment.right.sign(.host(family.left), at: peer.segment.now)
        for packet in [Handmade.tcp(family, syn), .signedTCP(family, syn, key: [9])] {
            peer.segment.giveRight(packet)
            #expect(peer.segment.interceptRight().last?.isSigned() == true)
        }
        #expect(peer.segment.right.ledger.dropped(.portClosed) == 2)
        peer.segment.right.setVerifiesSignatures(true)
        #expect(peer.death(of: Handmade.tcp(family, syn)) == .tcpSignatureMissing)
    }

    @Test(arguments: Family.allCases)
    func connectionToAPeerWithAnotherKeyDoesNotOpen(_ family: Family) throws {
        let segment = try Segment(family)
        try segment.signBoth()
        try segment.left.setSignatureKey(
            try TCPSignatureKey([1]), for: .host(family.right), at: segment.now)
        _ = try segment.right.listenTCP(on: Endpoint(port: 80))
        var settings = TCPSettings()
        settings.synRetriesMax = 2
        let client = try segment.left.connectTCP(to: Endpoint(family.right, 80), settings: settings, at: segment.now)
        segment.pump()
        segment.pass(.seconds(60))
        #expect(segment.left.failure(of: client) == .timedOut)
        #expect(segment.right.ledger.dropped(.tcpSignatureWrong) == 3)
        #expect(segment.right.tcpSummary.halfOpen == 0)
        segment.check()
    }

    // MARK: - Room for options

    @Test(arguments: Family.allCases)
    func besideASignatureThereAreSelectiveAcknowledgementsAndNoTimestamps(_ family: Family) throws {
        let segment = try Segment(family)
        try segment.signBoth()
        _ = try segment.left.connectTCP(to: Endpoint(family.right, 80), at: segment.now)
        let syn = try #require(segment.interceptLeft().last)
        #expect(Set(Signing.kinds(syn.segment.options)) == [2, 3, 4, 19])
        var settings = TCPSettings()
        settings.hasSelectiveAcks = false
        _ = try segment.left.connectTCP(to: Endpoint(family.right, 80), settings: settings, at: segment.now)
        let other = try #require(segment.interceptLeft().last)
        #expect(Set(Signing.kinds(other.segment.options)) == [2, 3, 8, 19])
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func blocksFitBesideTheSignature(_ family: Family) throws {
        let peer = try HandPeer(family)
        try peer.segment.right.sign(.host(family.left), at: peer.segment.now)
        // A peer that wants all of them gets no timestamps.
        let all = [2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0] as [UInt8]
        peer.segment.giveRight(Handmade.signedTCP(family, HandSegment(sequence: 999, flags: .syn, options: all)))
        let answer = try #require(peer.segment.interceptRight().last)
        #expect(Set(Signing.kinds(answer.segment.options)) == [2, 4, 19])
        let ack = answer.segment.sequence &+ 1
        peer.segment.giveRight(Handmade.signedTCP(family, HandSegment(sequence: 1_000, ack: ack)))
        let id = try #require(peer.segment.acceptRight(peer.listener))
        // Three holes, of which two fit.
        for island in [1, 3, 5] as [UInt32] {
            let late = HandSegment(sequence: 1_000 + island * 100, ack: ack, data: [1, 2, 3])
            peer.segment.giveRight(Handmade.signedTCP(family, late))
        }
        let told = try #require(peer.segment.interceptRight().last)
        #expect(told.isSigned() && told.segment.options.count == 40)
        #expect(Signing.kinds(told.segment.options) == [19, 5] && told.segment.options[22...23] == [5, 18])
        // Data that goes with blocks takes the room that is left.
        _ = try peer.segment.writeRight(id, Dialogue.bytes(3_000))
        let data = try #require(peer.segment.interceptRight().first)
        #expect(data.isSigned() && data.bytes.count == 1_500)
        peer.segment.check()
    }

    @Test(arguments: Family.allCases)
    func fullSegmentsFillThePathExactly(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        // Timestamps were agreed on before there was a key.
        try segment.signBoth()
        let bytes = Dialogue.bytes(100_000)
        var largest = 0
        var kinds: Set<UInt8> = []
        try segment.writeLeft(dialogue.client, bytes)
        segment.pump { seen in
            #expect(seen.isSigned())
            kinds.formUnion(Signing.kinds(seen.segment.options))
            largest = max(largest, seen.bytes.count)
        }
        #expect(largest == 1_500 && kinds == [8, 19])
        #expect(try segment.readRight(dialogue.server) == bytes)
        segment.check()
    }

    // MARK: - Keys

    @Test(arguments: Family.allCases)
    func keysComeAndGoOnAnOpenConnection(_ family: Family) throws {
        let dialogue = try Dialogue(try Segment(family))
        let segment = dialogue.segment
        let bytes = Dialogue.bytes(300_000)
        #expect(try dialogue.carry(bytes) == bytes)
        #expect(segment.right.tcpSummary.counters.signaturesVerified == 0)
        try segment.signBoth()
        #expect(segment.leftSnapshot(dialogue.client)?.isSigned == true)
        #expect(try dialogue.carry(bytes) == bytes)
        let verified = segment.right.tcpSummary.counters.signaturesVerified
        #expect(verified > 200)
        #expect(segment.left.removeSignatureKey(for: .host(family.right), at: segment.now) == true)
        #expect(segment.left.removeSignatureKey(for: .host(family.right), at: segment.now) == false)
        // One end alone is not heard until the other forgets, too.
        try segment.writeLeft(dialogue.client, [1, 2, 3])
        segment.pump()
        #expect(segment.right.ledger.dropped(.tcpSignatureMissing) == 1)
        #expect(segment.right.removeSignatureKey(for: .host(family.left), at: segment.now) == true)
        segment.pass(.seconds(2))
        #expect(try segment.readRight(dialogue.server) == [1, 2, 3])
        #expect(try dialogue.carry(bytes, toServer: false) == bytes)
        #expect(segment.right.tcpSummary.counters.signaturesVerified == verified)
        #expect(segment.leftSnapshot(dialogue.client)?.isSigned == false)
        segment.check()
    }

    @Test(arguments: Family.allCases)
    func theLongestPrefixWithAPeerCounts(_ family: Family) throws {
        let peer = try HandPeer(family)
        let syn = HandSegment(sequence: 999, flags: .syn)
        // All hosts of the family, the net of the peer, and the peer itself.
        let all = IPPrefix(family.left, length: 0)
        let net = IPPrefix(family.left, length: family.prefixLength)
        let other = IPPrefix(family.stranger(1), length: family.prefixLength)
        try peer.segment.right.sign(other, with: [5])
        #expect(peer.death(of: Handmade.signedTCP(family, syn, key: [5])) == .tcpSignatureUnexpected)
        try peer.segment.right.sign(all, with: [1])
        try peer.segment.right.sign(net, with: [2])
        try peer.segment.right.sign(.host(family.left), with: [3])
        func taken(_ key: UInt8) -> Bool { peer.death(of: Handmade.signedTCP(family, syn, key: [key])) == nil }
        #expect(taken(3) && !taken(2) && !taken(1))
        peer.segment.right.removeSignatureKey(for: .host(family.left), at: .zero)
        #expect(taken(2) && !taken(3) && !taken(1))
        peer.segment.right.removeSignatureKey(for: net, at: .zero)
        #expect(taken(1) && !taken(2))
        // Another key for the same peers takes the place of the first.
        try peer.segment.right.sign(all, with: [4])
        #expect(taken(4) && !taken(1))
        #expect(peer.segment.right.signaturePeers.map(\.peers) == [other, all].sorted { $0.length > $1.length })
        #expect(peer.segment.right.tcpSummary.signatureKeys == 2)
    }

    @Test func prefixesOfOneFamilyAreNotOfTheOther() throws {
        // Of all hosts of IPv6 none is one of IPv4, though both are kept in one shape.
        let peer = try HandPeer(.ipv4)
        let everyone = try #require(IPPrefix("::/0"))
        try peer.segment.right.sign(everyone)
        #expect(peer.death { $0.flags = .syn } == nil)
        let six = try HandPeer(.ipv6)
        try six.segment.right.sign(try #require(IPPrefix("0.0.0.0/0")))
        #expect(six.death { $0.flags = .syn } == nil)
        #expect(six.segment.right.signaturePeers.map(\.peers.description) == ["0.0.0.0/0"])
    }

    @Test func keysAreBoundedAndRefusedByName() throws {
        var settings = StackSettings()
        settings.tcp.signatureKeysMax = 3
        let segment = try Segment(rightSettings: settings)
        let key = try Signing.key
        let peers = try #require(IPPrefix("10.0.0.0/8"))
        #expect(throws: SignatureKeyError.noSigner) {
            try segment.right.setSignatureKey(key, for: peers, at: .zero)
        }
        try segment.right.sign(peers)
        try segment.right.add([1], for: "10.1.0.0/16")
        try segment.right.add([2], for: "2001:db8::/32")
        #expect(throws: SignatureKeyError.tooManyKeys(max: 3)) { try segment.right.add([3], for: "10.2.0.0/16") }
        #expect(segment.right.signaturePeers.count == 3)
        // One that is there may change.
        try segment.right.add([4, 5], for: "10.1.0.0/16")
        #expect(segment.right.signaturePeers.map(\.keyByteCount) == [2, 29, 1])
        #expect(throws: SignatureKeyError.keyEmpty) { try TCPSignatureKey([]) }
        #expect(try TCPSignatureKey(Array(repeating: 1, count: 80)).byteCount == 80)
        #expect(throws: SignatureKeyError.keyTooLong(max: 80)) { try TCPSignatureKey(Array(repeating: 1, count: 81)) }
        segment.right.setSegmentSigner(nil, at: .zero)
        #expect(segment.right.signaturePeers.isEmpty == true)
    }

    @Test func keysShowThemselvesToNobody() throws {
        let key = try Signing.key
        var text = ""
        dump(key, to: &text)
        text += "\(key) \(String(reflecting: key)) \(String(describing: [key]))"
        #expect(text.contains("a key of 29 bytes") && !text.contains("115") && !text.contains("secret"))
    }

    @Test(arguments: Family.allCases)
    func explanationsTellOfKeys(_ family: Family) throws {
        let peer = try HandPeer(family)
        try peer.segment.right.sign(.host(family.left))
        func words() -> String {
            var query = FlowQuery(to: family.right)
            query.source = family.left
            query.ipProtocol = 6
            query.destinationPort = 80
            query.arrivesOn = peer.segment.rightIndex
            return peer.segment.right.explain(query).steps.map(\.finding).joined()
        }
        #expect(words().contains("/\(family.hostLength) are signed with a key; others are dropped"))
        peer.segment.right.setVerifiesSignatures(false)
        #expect(words().contains("others are taken too"))
        #expect(DropReason.tcpSignatureWrong.explanation.contains("RFC 2385"))
    }
}
