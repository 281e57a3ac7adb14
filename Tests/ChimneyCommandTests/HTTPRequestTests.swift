#if Tools
    import ChimneyPrimitives
    import Testing

    @testable import ChimneyCommand

    @Suite struct HTTPRequestTests {
        /// All events of a text, which comes in pieces of a size.
        private func events(_ text: String, pieces: Int = .max) throws(HTTPFault) -> [HTTPRequestReader.Event] {
            var reader = HTTPRequestReader()
            var events: [HTTPRequestReader.Event] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                reader.append(Array(rest.prefix(pieces)))
                rest = rest.dropFirst(pieces)
                while let event = try reader.next() {
                    // Pieces of a body are one, however they came.
                    if case .body(let more) = event, case .body(let before)? = events.last {
                        events[events.count - 1] = .body(before + more)
                    } else {
                        events.append(event)
                    }
                }
            }
            return events
        }

        @Test(arguments: [1, 2, 3, 7, 1_000])
        func requestsFollowEachOther(pieces: Int) throws {
            let text =
                "GET /a?b=c HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"
                + "\r\nPUT /crc32 HTTP/1.1\r\nhost:x\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\nhello"
                + "POST /crc32 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n"
                + "0\r\nTrailer: 1\r\n\r\nHEAD / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: a, Close\r\n\r\n"
            let get = HTTPRequest(method: "GET", path: "/a", keepsAlive: true)
            let put = HTTPRequest(
                method: "PUT", path: "/crc32", keepsAlive: true, expectsContinue: true, body: .bytes(5))
            let post = HTTPRequest(method: "POST", path: "/crc32", keepsAlive: true, body: .chunks)
            let head = HTTPRequest(method: "HEAD", path: "/", keepsAlive: false)
            let last = HTTPRequest(method: "GET", path: "/", keepsAlive: false)
            #expect(
                try events(text, pieces: pieces) == [
                    .request(get), .end, .request(put), .body(Array("hello".utf8)), .end, .request(post),
                    .body(Array("abc0123456789".utf8)), .end, .request(head), .end, .request(last), .end,
                ])
        }

        private static var wrongs: [(text: String, fault: HTTPFault)] {
            [
                ("GET\r\n\r\n", HTTPFault.malformed), ("GET / HTTP/1.1\r\n\r\n", .malformed),
                ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", .malformed), ("GET x HTTP/1.1\r\nHost: x\r\n\r\n", .malformed),
                ("G(T / HTTP/1.1\r\nHost: x\r\n\r\n", .malformed), ("GET / HTTP/1.1\nHost: x\n\n", .malformed),
                ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", .malformed),
                ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", .version),
                ("GET / FTP/1.1\r\nHost: x\r\n\r\n", .malformed), ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", .malformed),
                ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", .malformed),
                ("GET / HTTP/1.1\r\nHost: x\0\r\n\r\n", .malformed), ("GET / HTTP/1.1\r\nHost\r\n\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", .bodyTooLong),
                ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627777\r\n\r\n", .bodyTooLong),
                ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", .coding),
                ("PUT / HTTP/1.1\r\nHost: x\r\nExpect: gold\r\n\r\n", .expectation),
                ("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", .malformed),
                ("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", .bodyTooLong),
                ("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7FFFFFFFFFFFFFF\r\n", .bodyTooLong),
            ]
        }

        @Test(arguments: Self.wrongs)
        func whatIsNoRequestIsNamed(text: String, fault: HTTPFault) {
            #expect(throws: fault) { try events(text) }
            #expect(throws: fault) { try events(text, pieces: 1) }
        }

        @Test func headsAndTrailersAndChunkLinesAreBounded() throws {
            let most = HTTPRequestReader.headBytesMax
            let start = "GET / HTTP/1.1\r\nHost: x\r\n"
            func head(_ count: Int) -> String {
                "\(start)A: \(String(repeating: "a", count: count - start.utf8.count - 7))\r\n\r\n"
            }
            #expect(try events(head(most)).count == 2)
            #expect(throws: HTTPFault.headTooLong) { try events(head(most + 1)) }
            #expect(throws: HTTPFault.headTooLong) { try events(String(repeating: "G", count: most + 2)) }
            let chunked = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            #expect(throws: HTTPFault.malformed) { try events(chunked + String(repeating: "0", count: 300)) }
            let trailer = String(repeating: "A: b\r\n", count: most / 6 + 1)
            #expect(throws: HTTPFault.headTooLong) { try events("\(chunked)0\r\n\(trailer)\r\n") }
        }

        @Test func pathsAreAnswered() {
            func answer(_ method: String, _ path: String) -> HTTPAnswer {
                HTTPAnswer.to(HTTPRequest(method: method, path: path, keepsAlive: true))
            }
            #expect(
                answer("GET", "/bytes/17").content == .pattern(17) && answer("HEAD", "/bytes/0").content == .pattern(0))
            #expect(answer("GET", "/bytes/1099511627776").content == .pattern(1 << 40))
            for path in [
                "/bytes/1099511627777", "/bytes/", "/bytes/-1", "/bytes/x", "/bytes/99999999999999999999", "/x",
            ] {
                #expect(answer("GET", path).status == "404 Not Found", "\(path)")
            }
            #expect(answer("PUT", "/crc32").content == .checksum && answer("POST", "/crc32").content == .checksum)
            #expect(answer("GET", "/crc32").field == "Allow: PUT, POST")
            #expect(answer("PUT", "/").status == "405 Method Not Allowed" && answer("PUT", "/bytes/1").field != nil)
            let head = String(decoding: answer("GET", "/bytes/17").head(contentBytes: 17, closes: true), as: UTF8.self)
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.hasSuffix("\r\n\r\n"))
            #expect(head.contains("\r\nContent-Length: 17\r\n") && head.contains("\r\nConnection: close\r\n"))
        }

        @Test func checksumIsTheOneOfGzip() {
            // The check value of the catalogue of CRCs.
            for pieces in 1...9 {
                var sum = CRC32()
                var rest = Array("123456789".utf8)[...]
                while !rest.isEmpty {
                    sum.add(Array(rest.prefix(pieces)))
                    rest = rest.dropFirst(pieces)
                }
                #expect(sum.value == 0xCBF4_3926)
            }
            #expect(CRC32().value == 0)
        }

        @Test func patternIsTheSameInWhateverPieces() {
            var whole = BytePattern()
            var pieces = BytePattern()
            let bytes = whole.next(300_000)
            #expect(bytes == pieces.next(1) + pieces.next(65_536) + pieces.next(234_463))
            // 100,003 is 0x186A3.
            #expect(bytes[100_003] == 0xA3 ^ 0x86 ^ 0x01 && bytes[..<3] == [0, 1, 2])
        }
    }
#endif
