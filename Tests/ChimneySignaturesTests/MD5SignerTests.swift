#if Signatures
    import ChimneySignatures
    import ChimneyStack
    import Testing

    @Suite struct MD5SignerTests {
        private func digest(_ pieces: [String]) throws -> SegmentDigest {
            let signer = try #require(MD5Signer.standard)
            return signer.digest { add in
                for piece in pieces {
                    let bytes = Array(piece.utf8)
                    unsafe add(bytes.span.bytes)
                }
            }
        }

        @Test func digestsAreThoseOfTheStandard() throws {
            // RFC 1321 §A.5.
            #expect(try digest([]) == SegmentDigest(high: 0xD41D_8CD9_8F00_B204, low: 0xE980_0998_ECF8_427E))
            let message = SegmentDigest(high: 0xF96B_697D_7CB7_938D, low: 0x525A_2F31_AAF1_61D0)
            #expect(try digest(["message digest"]) == message)
            #expect(try digest(["mess", "", "age digest"]) == message)
            let digits = String(repeating: "1234567890", count: 8)
            #expect(try digest([digits]) == SegmentDigest(high: 0x57ED_F4A2_2BE3_C955, low: 0xAC49_DA2E_2107_B67A))
        }
    }
#endif
