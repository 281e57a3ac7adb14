import ChimneyPrimitives
import Testing

/// A key whose hash the test chooses, to make walks long and let them run over the end.
struct CrowdedKey: FlowKey, Hashable {
    var number: UInt32
    var place: UInt32

    func hash(using hasher: FlowHasher) -> UInt64 { UInt64(place) }
}

@Suite struct FlowTableTests {
    /// Random edits agree with a dictionary, with keys that collide as well as with keys that do not.
    @Test func tableBehavesLikeADictionary() {
        for seed in 0..<200 as Range<UInt64> {
            var random = StackRandom(seed: seed)
            var table = FlowTable<CrowdedKey>(flowsMax: 60, using: &random)
            var model: [CrowdedKey: UInt32] = [:]
            let places = UInt32.random(in: 1...64, using: &random)
            for step in 0..<400 as Range<UInt32> {
                let number = UInt32.random(in: 0..<100, using: &random)
                // Places near the end of the array, so that walks wrap around.
                let key = CrowdedKey(number: number, place: .max - number % places)
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    let isRoom = model[key] != nil || model.count < 60
                    let inserted = table.insert(step, for: key)
                    #expect(inserted == isRoom)
                    if isRoom { model[key] = step }
                case 1:
                    let removed = table.remove(key)
                    #expect(removed == model.removeValue(forKey: key), "seed \(seed)")
                default:
                    let found = table[key]
                    #expect(found == model[key], "seed \(seed)")
                }
                #expect(table.count == model.count)
            }
            for number in 0..<100 as Range<UInt32> {
                let key = CrowdedKey(number: number, place: .max - number % places)
                let found = table[key]
                #expect(found == model[key], "seed \(seed)")
            }
        }
    }

    @Test func tableRefusesNewFlowsAtItsBoundAndKeepsTheOld() {
        var random = StackRandom(seed: 1)
        var table = FlowTable<IPv4Flow>(flowsMax: 1_000, using: &random)
        func flow(_ port: Int) -> IPv4Flow {
            IPv4Flow(local: .loopback, localPort: UInt16(port), remote: .allSystems, remotePort: 7)
        }
        let empty = table[flow(1)]
        #expect(empty == nil)
        for port in 0..<1_000 {
            let taken = table.insert(UInt32(port), for: flow(port))
            #expect(taken)
        }
        let refused = table.insert(1, for: flow(1_000))
        let replaced = table.insert(77, for: flow(5))
        #expect(!refused && replaced && table.count == 1_000)
        let found = [table[flow(5)], table[flow(999)], table[flow(1_000)]]
        #expect(found == [77, 999, nil])
        // Removing and inserting for ever leaves nothing behind to step over.
        for port in 0..<20_000 {
            let removed = table.remove(flow(port)) != nil
            let taken = table.insert(1, for: flow(port + 1_000))
            #expect(removed && taken)
        }
        #expect(table.count == 1_000)
    }

    @Test func twoSecretsPutAFlowInDifferentPlaces() {
        var random = StackRandom(seed: 1)
        let (one, other) = (FlowHasher(using: &random), FlowHasher(using: &random))
        let flow = IPv4Flow(local: .loopback, localPort: 1, remote: .allSystems, remotePort: 7)
        #expect(flow.hash(using: one) != flow.hash(using: other))
        var swapped = flow
        swapped.localPort = 7
        swapped.remotePort = 1
        #expect(flow.hash(using: one) != swapped.hash(using: one))
    }
}
