import ChimneyPrimitives
import Testing

@Suite struct AddressTextTests {
    @Test func everyAddressReadsBackAsItWasWritten() {
        var random = StackRandom(seed: 1)
        for _ in 0..<2_000 {
            let four = IPv4Address(bits: UInt32(truncatingIfNeeded: random.next()))
            #expect(IPv4Address(four.description) == four)
            // Zero groups in every place, to meet each way of shortening.
            func half() -> UInt64 {
                (0..<4).reduce(UInt64(0)) { bits, _ in
                    bits << 16 | (Bool.random(using: &random) ? 0 : random.next() & 0xFFFF)
                }
            }
            let six = IPv6Address(high: half(), low: half())
            #expect(IPv6Address(six.description) == six, "\(six)")
            let mac = MACAddress(bits: random.next())
            #expect(MACAddress(mac.description) == mac)
            let endpoint = Endpoint(four, UInt16(truncatingIfNeeded: random.next()))
            #expect(Endpoint(endpoint.description) == endpoint)
            let prefix = IPv4Prefix(four, length: Int.random(in: 0...32, using: &random))
            #expect(IPv4Prefix(prefix.description) == prefix)
        }
    }

    @Test func ipv4IsFourDecimalNumbersAndNothingElse() {
        #expect(IPv4Address("10.0.0.1") == IPv4Address(10, 0, 0, 1))
        #expect(IPv4Address("255.255.255.255") == .limitedBroadcast)
        for text in [
            "", "10", "10.0.1", "10.0.0.1.", ".10.0.0.1", "10.0.0.256", "010.0.0.1", "10.0.0.00", "0x0a.0.0.1",
            "10.0.0.1 ", " 10.0.0.1", "10..0.1", "10.0.0.-1", "10.0.0.+1", "1.2.3.4.5", "10.0.0.١", "99999999999.1.1.1",
        ] {
            #expect(IPv4Address(text) == nil, "\(text)")
        }
    }

    @Test func ipv6IsWrittenAsTheStandardHasIt() {
        // RFC 5952 §4 and §5.
        for (text, canonical) in [
            ("2001:0db8::0001", "2001:db8::1"), ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
            ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:DB8::AAAA", "2001:db8::aaaa"), ("::", "::"),
            ("::1", "::1"), ("1::", "1::"), ("0:0:0:0:0:ffff:c000:201", "::ffff:192.0.2.1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ] {
            #expect(IPv6Address(text)?.description == canonical, "\(text)")
        }
        for text in [
            "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8", "1:", ":1", "1:2:3:4:5:6:7:", "fe80::1%eth0", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3",
            "1.2.3.4::", "::1.2.3.4:5", " ::", ":: ", "1:::2", "::1::",
        ] {
            #expect(IPv6Address(text) == nil, "\(text)")
        }
    }

    @Test func eitherFamilyAndZonesAreRead() {
        #expect(IPAddress("10.0.0.1") == .v4(IPv4Address(10, 0, 0, 1)))
        #expect(IPAddress("::1") == .v6(.loopback) && IPAddress("host") == nil)
        #expect(
            ScopedAddress("fe80::1%eth0")?.zone == "eth0"
                && ScopedAddress("fe80::1%eth0")?.description == "fe80::1%eth0")
        #expect(ScopedAddress("10.0.0.1")?.zone == nil && ScopedAddress("::1")?.description == "::1")
        for text in ["fe80::1%", "10.0.0.1%eth0", "%eth0", ""] { #expect(ScopedAddress(text) == nil, "\(text)") }
    }

    @Test func linkAddressesAreSixBytes() {
        #expect(MACAddress("02:00:00:00:00:01")?.bits == 0x0200_0000_0001)
        #expect(MACAddress("2-0-0-0-0-FF")?.description == "02:00:00:00:00:ff")
        for text in [
            "", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00-00:00:00:01", "002:0:0:0:0:0", "02.00.00.00.00.01",
            "0200:0:0:0:0",
        ] {
            #expect(MACAddress(text) == nil, "\(text)")
        }
    }

    @Test func prefixesHoldTheirAddressesAndNoOthers() {
        let prefix = IPv4Prefix(IPv4Address(10, 7, 0, 9), length: 24)
        #expect(prefix.description == "10.7.0.0/24" && prefix.lastAddress == IPv4Address(10, 7, 0, 255))
        #expect(prefix.contains(IPv4Address(10, 7, 0, 200)) && !prefix.contains(IPv4Address(10, 7, 1, 0)))
        #expect(prefix.contains(IPv4Prefix(IPv4Address(10, 7, 0, 128), length: 25)) && !prefix.contains(IPv4Prefix.all))
        #expect(IPv4Prefix.all.contains(.limitedBroadcast) && IPv4Prefix.all.lastAddress == .limitedBroadcast)
        #expect(IPv6Prefix("2001:db8::/32")?.contains(IPv6Address(high: 0x2001_0DB8_1234_0000, low: 5)) == true)
        #expect(IPv4Prefix.host(.loopback).description == "127.0.0.1/32")
        for text in ["10.7.0.9/24", "10.7.0.0", "10.7.0.0/", "10.7.0.0/33", "10.7.0.0/024", "/24", "10.7.0.0/-1"] {
            #expect(IPv4Prefix(text) == nil, "\(text)")
        }
        let pair = IPv4Prefix.addressAndLength("10.7.0.9/24")
        #expect(pair?.address == IPv4Address(10, 7, 0, 9) && pair?.length == 24)
        #expect(IPv4Prefix.addressAndLength("10.7.0.9/33") == nil)
    }

    @Test func prefixOfEitherFamilyHoldsAddressesOfItsOwn() throws {
        let four = try #require(IPPrefix("10.7.0.0/24")), six = try #require(IPPrefix("2001:db8::/32"))
        #expect(four.isIPv4 && four.length == 24 && four.address == .v4(IPv4Address(10, 7, 0, 0)))
        #expect(!six.isIPv4 && six.length == 32 && six.description == "2001:db8::/32")
        #expect(four.contains(.v4(IPv4Address(10, 7, 0, 9))) && !four.contains(.v4(IPv4Address(10, 7, 1, 9))))
        #expect(six.contains(.v6(IPv6Address(high: 0x2001_0DB8_1234_0000, low: 5))) && !six.contains(.v6(.loopback)))
        #expect(!IPPrefix.v6(.all).contains(.v4(.loopback)) && !IPPrefix.v4(.all).contains(.v6(.loopback)))
        #expect(IPPrefix.host(.v4(.loopback)).length == 32 && IPPrefix.host(.v6(.loopback)).length == 128)
        for text in ["10.7.0.9/24", "10.7.0.0/33", "2001:db8::1/32", "2001:db8::/129", "::", "/0"] {
            #expect(IPPrefix(text) == nil, "\(text)")
        }
        let pair = IPPrefix.addressAndLength("2001:db8::1/32")
        #expect(pair?.address == IPAddress("2001:db8::1") && pair?.length == 32)
    }
}
