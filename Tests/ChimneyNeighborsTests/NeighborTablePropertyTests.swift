import ChimneyPrimitives
import Testing

@testable import ChimneyNeighbors

@Suite struct NeighborTablePropertyTests {
    /// Packets in = sent + dropped by reason + held, and every bound holds, whatever happens when.
    @Test func noPacketIsLostAndNoBoundIsPassedUnderRandomEvents() throws {
        for seed in 0..<120 as Range<UInt64> {
            var settings = NeighborSettings()
            settings.entriesMax = 12
            settings.resolvingMax = 5
            settings.pendingPacketsMax = 3
            settings.pendingBytesMax = 1_500
            settings.acceptUnsolicited = UnsolicitedPolicy.allCases[Int(seed % 3)]
            let fixture = TableFixture(settings, seed: seed)
            var chance = StackRandom(seed: seed &+ 1_000)
            func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &chance) }
            var given = 0
            var returned = 0
            var handles: [NeighborHandle] = []
            for step in 0..<400 {
                let address = IPv4Address(10, 0, 0, UInt8(pick(24)))
                let mac = MACAddress(bits: 0x0200_0000_0000 | UInt64(pick(3) + 1))
                switch pick(12) {
                case 0...3:
                    let answer = fixture.resolve(address)
                    guard case .hold(let handle) = answer else { break }
                    handles.append(handle)
                    fixture.hold(1 + pick(400), for: handle)
                    given += 1
                case 4:
                    guard let handle = handles.randomElement(using: &chance) else { break }
                    fixture.hold(10, for: handle)
                    given += 1
                case 5: _ = fixture.claim(address, mac, .answer)
                case 6: _ = fixture.claim(address, mac, .question)
                case 7: _ = fixture.claim(address, mac, .unsolicited)
                case 8:
                    if let handle = handles.randomElement(using: &chance) {
                        fixture.table.confirmed(handle, at: fixture.now)
                    }
                case 9 where pick(4) == 0:
                    try? fixture.setPermanent(address, to: mac)
                case 10 where pick(4) == 0:
                    fixture.table.remove(address, on: 1, output: &fixture.output)
                case 11 where pick(10) == 0:
                    fixture.flush(.all)
                default:
                    fixture.advance(.milliseconds(Int64(pick(4_000))))
                    if let deadline = fixture.table.deadline { #expect(deadline > fixture.now) }
                }
                returned += fixture.fates().count
                _ = fixture.solicitations()
                let lines = fixture.listing()
                #expect(given == returned + fixture.table.packetsWaiting, "seed \(seed) step \(step)")
                #expect(fixture.pool.inUse == fixture.table.packetsWaiting, "seed \(seed) step \(step)")
                #expect(lines.count == fixture.table.count && lines.count <= 12, "seed \(seed) step \(step)")
                #expect(lines.count { $0.state == .incomplete } == fixture.table.resolvingCount)
                #expect(fixture.table.resolvingCount <= 5, "seed \(seed) step \(step)")
                #expect(fixture.table.bytesWaiting <= 1_500, "seed \(seed) step \(step)")
                #expect(lines.allSatisfy { $0.packetsWaiting <= 3 })
                #expect(lines.map(\.packetsWaiting).reduce(0, +) == fixture.table.packetsWaiting)
                for line in lines {
                    #expect(line.packetsWaiting == 0 || line.state == .incomplete, "seed \(seed) step \(step)")
                    #expect((line.mac == nil) == (line.state == .incomplete || line.state == .failed))
                }
            }
            for _ in 0..<2_000 where fixture.table.deadline != nil { fixture.advance(.seconds(5)) }
            returned += fixture.fates().count
            #expect(given == returned, "seed \(seed): silence lets every packet go")
            #expect(fixture.table.deadline == nil)
            #expect(fixture.listing().allSatisfy { $0.state == .permanent })
        }
    }

    @Test func theIndexFindsWhatAPlainArrayFinds() {
        for seed in 0..<50 as Range<UInt64> {
            var chance = StackRandom(seed: seed)
            var index = NeighborIndex()
            var hashes = [UInt32?](repeating: nil, count: 64)
            for _ in 0..<500 {
                let number = Int.random(in: 0..<64, using: &chance)
                if let hash = hashes[number] {
                    index.remove(number, hash: hash)
                    hashes[number] = nil
                } else {
                    // Few distinct hashes, so that runs collide and wrap.
                    let hash = UInt32.random(in: 0..<8, using: &chance) &* 31
                    index.insert(number, hash: hash)
                    hashes[number] = hash
                }
                for (number, hash) in hashes.enumerated() {
                    guard let hash else { continue }
                    #expect(index.first(hash, where: { $0 == number }) == number, "seed \(seed)")
                }
                #expect(index.count == hashes.count { $0 != nil })
            }
        }
    }

    @Test func theHeapGivesDeadlinesInOrder() {
        for seed in 0..<50 as Range<UInt64> {
            var chance = StackRandom(seed: seed)
            var heap = DeadlineHeap()
            var model = [Instant?](repeating: nil, count: 40)
            for _ in 0..<500 {
                let number = Int.random(in: 0..<40, using: &chance)
                let due =
                    Bool.random(using: &chance)
                    ? Instant(nanoseconds: .random(in: 0..<20, using: &chance)) : nil
                heap.set(number, to: due)
                model[number] = due
                #expect(heap.deadline(of: number) == due)
                let first = model.compactMap { $0 }.min()
                #expect(heap.first == first, "seed \(seed)")
                guard let first else { continue }
                #expect(heap.due(at: first) == model.firstIndex { $0 == first }, "seed \(seed)")
            }
        }
    }
}
