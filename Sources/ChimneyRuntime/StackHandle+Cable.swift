#if os(Linux)
    public import ChimneyLink
    import ChimneyPrimitives
    public import ChimneyStack

    extension StackHandle {
        /// Joins two stacks of one shard by a cable in memory: an interface of each, up and without an address.
        ///
        /// The two may be one stack. Detaching one end leaves the other up, with nobody behind it.
        ///
        /// - Parameters:
        ///   - description: this stack's interface; kind, MTU and capabilities are the cable's.
        ///   - other: the other stack.
        ///   - otherDescription: its interface.
        ///   - kind: what frames begin with.
        ///   - mtu: the largest network packet.
        /// - Returns: the index of each interface.
        /// - Throws: `InterfaceError` or ``ShardError``; nothing is attached.
        public func connect(
            _ description: InterfaceDescription, to other: StackHandle, _ otherDescription: InterfaceDescription,
            kind: LinkKind = .ethernet, mtu: Int = 1_500
        ) async throws -> (here: InterfaceIndex, there: InterfaceIndex) {
            guard shard === other.shard else { throw ShardError.differentShards }
            return try await onShard { cell, shard in
                guard !other.cell.isRemoved else { throw ShardError.stackRemoved }
                let cable = Pipe(kind: kind, mtu: mtu)
                let here = try shard.attach(cable.left, description, to: cell)
                do {
                    return (here, try shard.attach(cable.right, otherDescription, to: other.cell))
                } catch {
                    try shard.detach(here, from: cell)
                    throw error
                }
            }
        }
    }
#endif
