#if os(Linux)
    import ChimneyDrivers
    import ChimneyLink
    import ChimneyPrimitives
    import Testing

    @Suite struct FaultyDriverTests {
        /// A line over a pipe, and what of 10,000 numbered frames comes out at its other end.
        private func passed(_ faults: DriverFaults, arriving: Bool = false) throws -> ([Int], FaultCounters) {
            let pool = PacketPool()
            let pipe = Pipe(kind: .ip)
            let line = FaultyDriver(pipe.left, faults: faults)
            var result: [Int] = []
            for batch in 0..<100 {
                var queue = PacketQueue()
                for number in batch * 100..<(batch + 1) * 100 {
                    guard var packet = pool.allocate() else { continue }
                    _ = unsafe packet.append([UInt32(number)].span.bytes)
                    queue.append(packet)
                }
                var came = PacketQueue()
                if arriving {
                    try pipe.right.transmit(&queue)
                    _ = try line.receive(into: &came, packetsMax: 256, pool: pool, at: .zero)
                } else {
                    try line.transmit(&queue)
                    _ = try pipe.right.receive(into: &came, packetsMax: 1_024, pool: pool, at: .zero)
                }
                while !came.isEmpty {
                    let packet = came.removeFirst()
                    result.append(Int(unsafe packet.bytes.unsafeLoad(fromByteOffset: 0, as: UInt32.self)))
                }
            }
            return (result, line.counters)
        }

        private func faults(_ change: (inout DriverFaults) -> Void) -> DriverFaults {
            var result = DriverFaults()
            change(&result)
            return result
        }

        @Test(arguments: [false, true])
        func lineWithoutFaultsChangesNothing(arriving: Bool) throws {
            #expect(DriverFaults().isEmpty)
            let (frames, counters) = try passed(DriverFaults(), arriving: arriving)
            #expect(frames == Array(0..<10_000))
            #expect(counters == FaultCounters())
        }

        @Test(arguments: [false, true])
        func framesAreLostAsOftenAsAsked(arriving: Bool) throws {
            let (frames, counters) = try passed(faults { $0.loss = 0.1 }, arriving: arriving)
            #expect((800...1_200).contains(Int(counters.lost)))
            #expect(frames.count == 10_000 - Int(counters.lost))
            #expect(frames == frames.sorted())
        }

        @Test(arguments: [false, true])
        func framesAreDoubledAsOftenAsAsked(arriving: Bool) throws {
            let (frames, counters) = try passed(faults { $0.duplication = 0.1 }, arriving: arriving)
            #expect((800...1_200).contains(Int(counters.duplicated)))
            #expect(frames.count == 10_000 + Int(counters.duplicated))
            #expect(Set(frames).count == 10_000)
        }

        @Test(arguments: [false, true])
        func framesAreOvertakenByNoMoreThanTheBound(arriving: Bool) throws {
            let (frames, counters) = try passed(faults { $0.reordering = 0.1 }, arriving: arriving)
            #expect((800...1_200).contains(Int(counters.reordered)))
            #expect(frames != frames.sorted())
            for (place, number) in frames.enumerated() {
                // A frame waits for as many others as may pass it, and those that are held back with it.
                #expect(abs(place - number) <= 2 * DriverFaults.heldMax)
            }
        }

        @Test func equalSeedsMeetWithEqualHarm() throws {
            let one = faults { ($0.loss, $0.reordering, $0.seed) = (0.1, 0.1, 5) }
            var other = one
            #expect(try passed(one).0 == passed(one).0)
            other.seed = 6
            #expect(try passed(one).0 != passed(other).0)
        }
    }
#endif
