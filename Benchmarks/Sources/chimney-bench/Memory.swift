import ChimneyLink
import ChimneyPrimitives
import ChimneyStack

/// What idle stacks with one interface, an address and a bound socket cost in resident memory.
func benchMemory() throws {
    let pool = PacketPool()
    for count in [1, 1_000] {
        let stacks = StackArray()
        let before = residentByteCount()
        for number in 0..<count { try stacks.add(number, pool) }
        let each = Double(residentByteCount() - before) / Double(count)
        report("idle-stack-x\(count)", each, "bytes each", ",\"bound\":65536")
        guard count == 1 || each <= 65_536 else { throw BenchError.tooLarge(Int(each)) }
    }
}

/// Stacks cannot be copied, so a list of them is a chain.
private final class StackArray {
    private final class Cell {
        var stack: VirtualStack
        let next: Cell?

        init(_ stack: consuming VirtualStack, next: Cell?) {
            self.stack = stack
            self.next = next
        }
    }

    private var head: Cell?

    func add(_ number: Int, _ pool: PacketPool) throws {
        let random = StackRandom(seed: UInt64(number))
        var stack = VirtualStack(name: "s\(number)", pool: pool, random: random)
        let index = try stack.attach(
            InterfaceDescription(name: "eth0", mac: MACAddress(bits: 0x0200_0000_0000 + UInt64(number) + 1)))
        try stack.addAddress(
            IPv4Address(bits: 0x0A00_0001 + UInt32(number) * 4), prefixLength: 30, to: index, at: .zero)
        let socket = try stack.openUDP()
        try stack.bind(socket, to: Endpoint(port: 7))
        var queue = PacketQueue()
        while let index = stack.nextToTransmit() { stack.takeTransmit(from: index, into: &queue) }
        head = Cell(stack, next: head)
    }

    deinit {
        // Link by link, so that a long chain does not end in a deep recursion.
        var cell = head
        head = nil
        while let current = cell { cell = current.next }
    }
}
