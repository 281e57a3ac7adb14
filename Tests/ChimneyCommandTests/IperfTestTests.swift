#if Tools
    import ChimneyPrimitives
    import Foundation
    import Testing

    @testable import ChimneyCommand

    /// A test of iperf3 as its server sees it, driven by bytes.
    private struct World {
        var test: IperfTest
        var now = Instant.zero + .seconds(5)

        init() { test = IperfTest(congestionControls: ["reno", "cubic"], at: Instant.zero + .seconds(5)) }

        mutating func say(_ bytes: [UInt8]) -> [IperfTest.Action] { test.received(bytes, at: now) }

        mutating func say(_ state: IperfState) -> [IperfTest.Action] { say([state.byte]) }

        mutating func say(json: String) -> [IperfTest.Action] { say(Self.framed(json)) }

        mutating func wait(_ span: TimeSpan, moved: Int = 0) -> [IperfTest.Action] {
            now = now + span
            return test.timePassed(at: now, moved: moved)
        }

        mutating func connect(_ count: Int) -> [IperfTest.Action] {
            (0..<count).flatMap { _ in test.streamConnected(at: now) }
        }

        /// Tells figures when they are asked for.
        mutating func go(on actions: [IperfTest.Action]) {
            if actions.contains(.end) { _ = test.ended(IperfResults([]), at: now) }
        }

        static func framed(_ json: String) -> [UInt8] {
            let text = Array(json.utf8)
            return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: text.count >> $0) } + text
        }

        /// A test that runs.
        static func running(_ json: String = #"{"tcp":true,"time":10,"parallel":1}"#) -> Self {
            var world = Self()
            _ = world.say(json: json)
            _ = world.connect(world.test.missingCount)
            return world
        }

        /// A test whose client waits for the word to send its results.
        static func ended(_ json: String = #"{"tcp":true,"time":10,"reverse":true}"#) -> Self {
            var world = running(json)
            _ = world.say(.testEnd)
            if world.test.stage == .settling { while world.wait(.milliseconds(25), moved: 7) != [.end] {} }
            let figures = IperfStreamFigures(sends: true, bytes: 1_000, retransmits: 3, span: .seconds(2))
            var results = IperfResults([figures])
            results.congestionControl = "cubic"
            _ = world.test.ended(results, at: world.now)
            return world
        }
    }

    private func failure(_ actions: [IperfTest.Action]) -> IperfFault? {
        guard case .over(.failed(let fault))? = actions.last else { return nil }
        return fault
    }

    private func told(_ code: UInt8) -> IperfTest.Action { .send([0xFE, 0, 0, 0, code, 0, 0, 0, 0]) }

    @Suite struct IperfTestTests {
        @Test func clientSendsInTheOrderOfTheProtocol() throws {
            var world = World()
            #expect(IperfTest.greeting == .send([9]))
            var parameters = IperfParameters()
            parameters.streams = 2
            parameters.seconds = 10
            let json = #"{"tcp":true,"omit":0,"time":10,"num":0,"parallel":2,"len":131072,"client_version":"3.12"}"#
            // Bytes may come one at a time.
            let bytes = World.framed(json)
            for byte in bytes.dropLast() { #expect(world.say([byte]) == []) }
            #expect(world.say([bytes[bytes.count - 1]]) == [.take(parameters), .send([10])])
            #expect(world.test.missingCount == 2)
            #expect(world.connect(1) == [])
            #expect(world.connect(1) == [.send([1, 2]), .begin])
            #expect(world.connect(1) == [])
            #expect(world.say(.testEnd) == [.rest])
            // What was sent before is still under way.
            #expect(world.wait(.milliseconds(20), moved: 100) == [])
            #expect(world.wait(.milliseconds(20), moved: 200) == [])
            #expect(world.wait(.milliseconds(20), moved: 200) == [.end])
            let figures = [120, 80].map { IperfStreamFigures(sends: false, bytes: $0, span: .seconds(1)) }
            let own = IperfResults(figures)
            #expect(own.streams.map(\.id) == [1, 3] && own.streams.map(\.retransmits) == [-1, -1])
            #expect(world.test.ended(own, at: world.now) == [.send([13])])
            let answer = world.say(json: #"{"streams":[{"id":1,"bytes":120,"retransmits":0},{"id":3,"bytes":80}]}"#)
            guard case .send(let text)? = answer.first else { throw IperfFault.resultsMalformed }
            #expect(answer.count == 1 && text.last == 14)
            #expect(text.prefix(4).reduce(0) { $0 << 8 | Int($1) } == text.count - 5)
            let last = world.say(.done)
            guard case .over(.completed(let report))? = last.last else { throw IperfFault.resultsMalformed }
            #expect(report.own == own && report.client.streams.map(\.bytes) == [120, 80])
            #expect(report.description == "received 200 bytes at 0 Mbit/s, the client counted 200")
            #expect(world.test.stage == .over && world.say([1]) == [] && world.wait(.seconds(99)) == [])
        }

        @Test func reverseTestsEndAtOnceAndTellWhatWasSent() throws {
            var world = World.running(#"{"tcp":true,"time":1,"reverse":true}"#)
            #expect(world.test.parameters.sends == [true])
            #expect(world.say(.testEnd) == [.rest, .end])
            var results = IperfResults([
                IperfStreamFigures(sends: true, bytes: 1_000, retransmits: 3, span: .seconds(2))
            ])
            results.congestionControl = "cubic"
            results.userPercent = 20
            results.systemPercent = 5
            #expect(world.test.ended(results, at: world.now) == [.send([13])])
            guard case .send(let text)? = world.say(json: #"{"streams":[]}"#).first else {
                throw IperfFault.resultsMalformed
            }
            let json = try #require(
                try JSONSerialization.jsonObject(with: Data(text.dropFirst(4).dropLast())) as? [String: Any])
            #expect(json["congestion_used"] as? String == "cubic" && json["sender_has_retransmits"] as? Int == 1)
            #expect(json["cpu_util_total"] as? Double == 25 && json["cpu_util_system"] as? Double == 5)
            let stream = try #require((json["streams"] as? [[String: Any]])?.first)
            #expect(stream["id"] as? Int == 1 && stream["bytes"] as? Int == 1_000 && stream["retransmits"] as? Int == 3)
            #expect(stream["start_time"] as? Double == 0 && stream["end_time"] as? Double == 2)
        }

        @Test func bothDirectionsComeInTheOrderOfTheirConnections() {
            let world = World.running(#"{"tcp":true,"time":1,"parallel":2,"bidirectional":true}"#)
            #expect(world.test.parameters.sends == [false, false, true, true] && world.test.stage == .running)
        }

        private static var refusals: [(json: String, fault: IperfFault, code: UInt8)] {
            [
                (#"{"udp":true}"#, IperfFault.notTCP("UDP"), 13), (#"{"sctp":true}"#, .notTCP("SCTP"), 13),
                (#"{"tcp":true,"parallel":129}"#, .streams(129), 6), (#"{"tcp":true,"parallel":0}"#, .streams(0), 6),
                (#"{"tcp":true,"parallel":-1e300}"#, .streams(-1_000_000_000_000_000), 6),
                (#"{"tcp":true,"time":86401}"#, .duration(86_401), 5), (#"{"tcp":true,"omit":61}"#, .omit(61), 12),
                (#"{"tcp":true,"len":1048577}"#, .block(1_048_577), 7), (#"{"tcp":true,"len":0}"#, .block(0), 7),
                (#"{"tcp":true,"window":1e10}"#, .window(10_000_000_000), 8),
                (#"{"tcp":true,"TOS":256}"#, .typeOfService(256), 21),
                (#"{"reverse":true,"bidirectional":true}"#, .directions, 25),
                (#"{"tcp":true,"congestion":"dctcp"}"#, .congestionControl("dctcp"), 134),
                ("{", .parametersMalformed, 114), ("[]", .parametersMalformed, 114), ("", .parametersMalformed, 114),
                (#"{"parallel":"many"}"#, .parametersMalformed, 114),
                (#"{"parallel":1e999}"#, .parametersMalformed, 114), ("\0\u{1}", .parametersMalformed, 114),
                (String(repeating: "[", count: 100_000), .parametersMalformed, 114),
            ]
        }

        @Test(arguments: Self.refusals)
        func parametersThatCannotBeAreRefusedByTheirNumber(json: String, fault: IperfFault, code: UInt8) {
            var world = World()
            let actions = world.say(json: json)
            #expect(actions == [told(code), .over(.failed(fault))])
            #expect(world.test.stage == .over)
        }

        @Test func parametersAreTakenAsTheyAre() throws {
            let json =
                #"{"tcp":true,"omit":1,"MSS":1000,"nodelay":true,"parallel":1,"window":204800,"len":1,"bandwidth":1e8,"#
                + #""fqrate":5,"pacing_timer":1000,"burst":3,"TOS":16,"flowlabel":5,"title":"a","extra_data":"x","#
                + #""get_server_output":1,"zerocopy":1,"congestion":"reno","num":5}"#
            let parameters = try IperfParameters(reading: Array(json.utf8), congestionControls: ["reno"])
            #expect(parameters.windowBytes == 204_800 && parameters.blockBytes == 1 && parameters.noDelay)
            #expect(parameters.bitsPerSecond == 100_000_000 && parameters.typeOfService == 16)
            #expect(parameters.congestionControl == "reno" && parameters.omitSeconds == 1 && parameters.seconds == 0)
        }

        @Test func textsBeyondTheirBoundAreRefusedBeforeTheyCome() {
            var world = World()
            #expect(world.say([0, 2, 0, 0]) == [])
            world = World()
            #expect(world.say([0, 2, 0, 1]) == [told(114), .over(.failed(.parametersTooLong(131_073)))])
            world = World()
            #expect(failure(world.say([255, 255, 255, 255])) == .parametersTooLong(4_294_967_295))
            world = World.ended()
            #expect(world.say([0, 2, 0, 1]) == [told(117), .over(.failed(.resultsTooLong(131_073)))])
        }

        @Test(arguments: ["", "{}", #"{"streams":[{"id":1}]}"#, #"{"streams":[{"id":1,"bytes":-5}]}"#, "\u{FE}"])
        func resultsThatCannotBeReadAreRefused(json: String) {
            var world = World.ended()
            #expect(world.say(json: json) == [told(117), .over(.failed(.resultsMalformed))])
        }

        @Test func wordsOutOfTurnEndTheTest() {
            let makers: [(IperfTest.Stage, () -> World)] = [
                (
                    .streams,
                    {
                        var world = World(); _ = world.say(json: #"{"tcp":true}"#); return world
                    }
                ),
                (.running, { .running() }),
                (
                    .settling,
                    {
                        var world = World.running(); _ = world.say(.testEnd); return world
                    }
                ),
                (
                    .figures,
                    {
                        var world = World.running(#"{"reverse":true}"#); _ = world.say(.testEnd); return world
                    }
                ),
                (
                    .farewell,
                    {
                        var world = World.ended(); _ = world.say(json: #"{"streams":[]}"#); return world
                    }
                ),
            ]
            for (stage, make) in makers {
                #expect(make().test.stage == stage)
                for byte in UInt8.min...UInt8.max {
                    var world = make()
                    let actions = world.say([byte])
                    switch (byte, stage) {
                    case (4, .running): #expect(failure(actions) == nil)
                    case (16, .farewell): #expect(failure(actions) == nil && world.test.stage == .over)
                    case (12, _), (16, _): #expect(actions == [.over(.failed(.clientTerminated))])
                    case (_, _): #expect(actions == [told(110), .over(.failed(.state(byte, stage)))])
                    }
                }
                var world = make()
                #expect(world.test.controlEnded() == [.over(.failed(.controlEnded(stage)))])
            }
        }

        @Test func silenceEndsEveryStage() {
            var world = World()
            #expect(world.wait(.milliseconds(9_999)) == [])
            #expect(failure(world.wait(.milliseconds(1))) == .silence(.parameters, .seconds(10)))
            world = World()
            _ = world.say(json: #"{"tcp":true}"#)
            #expect(failure(world.wait(.seconds(10))) == .silence(.streams, .seconds(10)))
            world = World.running(#"{"tcp":true,"time":86400}"#)
            #expect(world.wait(.seconds(119), moved: 1) == [])
            #expect(world.wait(.seconds(2), moved: 2) == [])
            #expect(failure(world.wait(.seconds(119), moved: 2)) == nil)
            #expect(failure(world.wait(.seconds(1), moved: 2)) == .silence(.running, .seconds(120)))
            world = World.ended()
            #expect(failure(world.wait(.seconds(10))) == .silence(.results, .seconds(10)))
            world = World.ended()
            _ = world.say(json: #"{"streams":[]}"#)
            #expect(failure(world.wait(.seconds(10))) == .silence(.farewell, .seconds(10)))
        }

        @Test func testsEndByThemselvesAfterTheirTime() {
            var world = World.running(#"{"tcp":true,"time":10,"omit":5}"#)
            for second in 1..<45 {
                let actions = world.wait(.seconds(1), moved: second)
                #expect(actions == (second == 5 ? [.forget] : []))
            }
            #expect(failure(world.wait(.seconds(1), moved: 45)) == .endless)
            // What the client never ceases to send is waited for a second at most.
            world = World.running()
            _ = world.say(.testEnd)
            for step in 1..<50 { #expect(world.wait(.milliseconds(20), moved: step) == []) }
            #expect(world.wait(.milliseconds(20), moved: 50) == [.end])
        }

        @Test func connectionsThatEndEarlyEndTheTestUnlessTheClientSaysWhy() {
            var world = World.running()
            world.test.streamEnded(1, at: world.now)
            world.test.streamEnded(2, at: world.now)
            #expect(failure(world.wait(.milliseconds(999))) == nil)
            #expect(failure(world.wait(.milliseconds(1), moved: 5)) == .streamEnded(1))
            world = World.running()
            world.test.streamEnded(1, at: world.now)
            #expect(world.say(.clientTerminate) == [.over(.failed(.clientTerminated))])
            world = World.running()
            _ = world.say(.testEnd)
            world.test.streamEnded(1, at: world.now)
            #expect(world.wait(.milliseconds(20)) == [.end])
        }

        @Test func cookiesArePrintableAndEndInZero() throws {
            let letters = [UInt8](repeating: 97, count: 36)
            #expect(try IperfCookie(letters + [0]) == IperfCookie(letters + [0]))
            #expect(try IperfCookie(letters + [0]) != IperfCookie(letters.dropLast() + [98, 0]))
            for bytes in [[], letters, letters + [97], letters + [0, 0], letters.dropLast() + [10, 0], [0] + letters] {
                #expect(throws: IperfFault.cookie) { try IperfCookie(bytes) }
            }
        }

        @Test(arguments: 0..<8 as Range<UInt64>)
        func randomBytesEndATestInAFaultAndNeverTrap(seed: UInt64) {
            var random = StackRandom(seed: seed)
            for _ in 0..<200 {
                var world: World
                switch Int.random(in: 0..<3, using: &random) {
                case 0: world = World()
                case 1: world = .running()
                default: world = .ended()
                }
                for _ in 0..<20 {
                    let most: UInt8 = Bool.random(using: &random) ? 20 : 255
                    let count = Int.random(in: 0..<9, using: &random)
                    world.go(on: world.say((0..<count).map { _ in UInt8.random(in: 0...most, using: &random) }))
                    world.go(on: world.wait(.milliseconds(500)))
                }
                for _ in 0..<3 { world.go(on: world.wait(.seconds(200), moved: 1)) }
                #expect(world.test.stage == .over)
            }
        }
    }
#endif
