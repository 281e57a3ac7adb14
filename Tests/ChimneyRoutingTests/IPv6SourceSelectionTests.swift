import ChimneyPrimitives
import ChimneyRouting
import Testing

/// The rules of RFC 6724 §5, each with the example that its §10.1 gives.
@Suite struct IPv6SourceSelectionTests {
    private func address(_ text: String) throws -> IPv6Address { try #require(IPv6Address(text), "\(text)") }

    /// A candidate on interface 1, with a prefix of 64 bits.
    private func candidate(
        _ text: String, on interface: UInt32 = 1, deprecated: Bool = false, temporary: Bool = false,
        prefixLength: Int = 64
    ) throws -> IPv6SourceCandidate {
        IPv6SourceCandidate(
            try address(text), prefixLength: prefixLength, interface: interface, isDeprecated: deprecated,
            isTemporary: temporary)
    }

    /// Whom a packet by interface 1 names as its sender, in whichever order the candidates stand.
    private func chosen(for destination: String, among candidates: [IPv6SourceCandidate]) throws -> String? {
        let target = try address(destination)
        let first = IPv6SourceSelection.choose(for: target, by: 1, among: candidates)
        let second = IPv6SourceSelection.choose(for: target, by: 1, among: candidates.reversed())
        #expect(first == second, "the order of the candidates decides")
        return first.map(\.description)
    }

    private func chosen(for destination: String, among candidates: [String]) throws -> String? {
        try chosen(for: destination, among: candidates.map { try candidate($0) })
    }

    @Test func sameAddressIsPreferred() throws {
        #expect(try chosen(for: "2001:db8::2", among: ["2001:db8::1", "2001:db8::2"]) == "2001:db8::2")
        // Even a deprecated one, and even of another interface.
        let old = try candidate("2001:db8::2", on: 2, deprecated: true)
        #expect(try chosen(for: "2001:db8::2", among: [candidate("2001:db8::1"), old]) == "2001:db8::2")
    }

    @Test func smallestScopeThatReachesTheDestinationIsPreferred() throws {
        #expect(try chosen(for: "2001:db8:1::1", among: ["2001:db8:3::1", "fe80::1"]) == "2001:db8:3::1")
        #expect(try chosen(for: "ff05::1", among: ["2001:db8:3::1", "fe80::1"]) == "2001:db8:3::1")
        #expect(try chosen(for: "ff02::1", among: ["2001:db8:3::1", "fe80::1"]) == "fe80::1")
        #expect(try chosen(for: "fe80::2", among: ["2001:db8:3::1", "fe80::1"]) == "fe80::1")
        #expect(try chosen(for: "fec0::2", among: ["2001:db8:3::1", "fec0::1", "fe80::1"]) == "fec0::1")
        #expect(try chosen(for: "ff0e::1", among: ["fec0::1", "2001:db8:3::1"]) == "2001:db8:3::1")
        // What does not reach is still better than nothing, the widest first.
        #expect(try chosen(for: "2001:db8:1::1", among: ["fec0::1", "fe80::1"]) == "fec0::1")
        #expect(try chosen(for: "2001:db8:1::1", among: ["fe80::1"]) == "fe80::1")
    }

    @Test func deprecatedAddressesAreAvoided() throws {
        let old = try candidate("2001:db8:1::2", deprecated: true)
        #expect(try chosen(for: "2001:db8:1::1", among: [old, candidate("2001:db8:3::2")]) == "2001:db8:3::2")
        #expect(try chosen(for: "2001:db8:1::1", among: [old]) == "2001:db8:1::2")
        // The scope counts first.
        #expect(try chosen(for: "2001:db8:1::1", among: [old, candidate("fe80::2")]) == "2001:db8:1::2")
    }

    @Test func addressOfTheInterfaceThatSendsIsPreferred() throws {
        let other = try candidate("2001:db8:1::2", on: 2)
        #expect(try chosen(for: "2001:db8:1::1", among: [other, candidate("2001:db8:3::2")]) == "2001:db8:3::2")
        #expect(try chosen(for: "2001:db8:1::1", among: [other]) == "2001:db8:1::2")
    }

    @Test func equalLabelIsPreferred() throws {
        #expect(
            try chosen(for: "2002:c633:6401::1", among: ["2002:c633:6401::d5e3:7953:13eb:22e8", "2001:db8:1::2"])
                == "2002:c633:6401:0:d5e3:7953:13eb:22e8")
        #expect(try chosen(for: "2001:db8:1::1", among: ["2002:c633:6401::1", "2001:db8:9::2"]) == "2001:db8:9::2")
        #expect(try chosen(for: "fd00:1::1", among: ["2001:db8::1", "fd00:2::1"]) == "fd00:2::1")
        #expect(try chosen(for: "2001:db8:1::1", among: ["fd00:2::1", "2001:db8:9::1"]) == "2001:db8:9::1")
        #expect(try chosen(for: "2001:0:1::1", among: ["2001:db8::1", "2001:0:2::1"]) == "2001:0:2::1")
        #expect(try chosen(for: "3ffe::1", among: ["2001:db8::1", "3ffe:1::1"]) == "3ffe:1::1")
    }

    @Test func temporaryAddressesArePreferred() throws {
        let temporary = try candidate("2001:db8:1::d5e3:0:0:1", temporary: true)
        #expect(
            try chosen(for: "2001:db8:1::1", among: [candidate("2001:db8:1::2"), temporary])
                == "2001:db8:1:0:d5e3::1")
        // But not before an equal label.
        let strange = try candidate("2002:c633:6401::d5e3:7953:13eb:22e8", temporary: true)
        #expect(try chosen(for: "2001:db8:1::1", among: [candidate("2001:db8:9::2"), strange]) == "2001:db8:9::2")
    }

    @Test func longestCommonPrefixIsPreferredAsFarAsTheSourcesOwnGoes() throws {
        #expect(try chosen(for: "2001:db8:1::1", among: ["2001:db8:1::2", "2001:db8:3::2"]) == "2001:db8:1::2")
        // Beyond the prefix an interface identifier is like another by chance only: the first of both is taken.
        let pair = try [candidate("2001:db8:1::ff"), candidate("2001:db8:1::2")]
        for candidates in [pair, pair.reversed()] {
            let found = IPv6SourceSelection.choose(for: try address("2001:db8:1::3"), by: 1, among: candidates)
            #expect(found == candidates.first?.address)
        }
    }

    @Test func onlyAddressesOfTheLinkSpeakToItsNeighboursAndToGroups() throws {
        let elsewhere = try [candidate("2001:db8:1::2", on: 2), candidate("fe80::2", on: 2)]
        for destination in ["fe80::9", "ff02::9", "ff05::9", "ff0e::9"] {
            #expect(try chosen(for: destination, among: elsewhere) == nil, "\(destination)")
            #expect(try chosen(for: destination, among: elsewhere + [candidate("2001:db8:3::2")]) == "2001:db8:3::2")
        }
        #expect(try chosen(for: "2001:db8:9::9", among: elsewhere) == "2001:db8:1::2")
    }

    @Test func whatIsNoHostsAddressIsNeverChosen() throws {
        #expect(try chosen(for: "2001:db8:9::9", among: ["::", "::1", "ff02::1"]) == nil)
        #expect(try chosen(for: "::1", among: ["2001:db8:9::9", "::1"]) == "::1")
    }
}
