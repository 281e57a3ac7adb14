#if os(Linux)
    import CChimneyLinux
    import ChimneyCapture
    import ChimneyLink
    package import ChimneyPrimitives
    import ChimneyStack

    // What handles and sockets call on the shard's thread.
    extension Shard {
        /// Takes note of a stack to look after at the end of the round.
        func touched(_ cell: StackCell) { touchedCells.append(cell) }

        /// The most deadlines that are armed at a time.
        package var alarmsMax: Int { wheel.timersMax }

        /// Arms a deadline; `nil` when there are as many as there may be.
        package func arm(_ target: any Alarmed, name: UInt64, at deadline: Instant) -> UInt32? {
            let timer: UInt32
            if let free = freeAlarms.popLast() {
                timer = free
            } else {
                guard alarms.count < wheel.timersMax else { return nil }
                timer = UInt32(alarms.count)
                alarms.append(nil)
            }
            alarms[Int(timer)] = Alarm(target: target, name: name)
            wheel.arm(timer, at: deadline)
            return timer
        }

        /// Has a target called again, for what tries until it succeeds: at a time, or where there are as many deadlines as there
        /// may be in the next round already.
        ///
        /// - Returns: what ``disarm(_:)`` takes; `nil` for a call in the next round, which comes as long as the stack is there.
        package func callAgain(_ target: any Alarmed, of cell: StackCell, name: UInt64, at deadline: Instant) -> UInt32?
        {
            if let timer = arm(target, name: name, at: deadline) { return timer }
            // Invariant: both are touched on the shard's thread only, which runs the command.
            nonisolated(unsafe) let target = target
            nonisolated(unsafe) let cell = cell
            runLater { [self] in
                if unsafe !cell.isRemoved { unsafe target.alarmFired(name, at: now) }
            }
            return nil
        }

        /// Disarms a deadline that has not passed.
        package func disarm(_ timer: UInt32) {
            guard alarms[Int(timer)] != nil else { return }
            wheel.cancel(timer)
            alarms[Int(timer)] = nil
            freeAlarms.append(timer)
        }

        func addCell(
            name: String, settings: StackSettings, random given: StackRandom?, published: PublishedSnapshot
        ) throws(ShardError) -> StackCell {
            guard !isStopping else { throw .stopped }
            for cell in cells where cell?.stack.name == name { throw .nameInUse(name) }
            let stack = VirtualStack(name: name, settings: settings, pool: pool, random: given ?? random.split())
            let position = cells.firstIndex { $0 == nil } ?? cells.count
            let cell = StackCell(stack: stack, shard: self, position: position, published: published)
            if position == cells.count {
                cells.append(cell)
                deadlines.append(.never)
            } else {
                cells[position] = cell
            }
            publish(cell)
            return cell
        }

        func removeCell(_ cell: StackCell) {
            guard !cell.isRemoved else { return }
            for port in cell.ports { unplug(port) }
            cell.isRemoved = true
            cell.dismissListeners()
            cells[cell.position] = nil
            deadlines[cell.position] = .never
            // Everything the stack held goes now: whoever still holds the cell holds an empty stack.
            cell.stack = VirtualStack(name: cell.stack.name, pool: pool, random: random.split())
        }

        func removeAll() {
            for cell in cells {
                if let cell { removeCell(cell) }
            }
            touchedCells = []
            readyPorts = []
        }

        func attach(
            _ driver: any LinkDriver, _ description: InterfaceDescription, to cell: StackCell
        ) throws -> InterfaceIndex {
            var description = description
            description.kind = driver.kind
            description.mtu = driver.mtu
            description.capabilities = driver.capabilities
            description.groupAddressesMax = driver.groupAddressesMax ?? .max
            if driver.kind == .ethernet, description.mac == .zero {
                // Locally administered, of one station.
                let drawn = random.next() & 0xFCFF_FFFF_FFFF | 0x0200_0000_0000
                description.mac = driver.mac ?? MACAddress(bits: drawn)
            }
            let index = try cell.stack.attach(description, at: now)
            let position = ports.firstIndex { $0 == nil } ?? ports.count
            portGeneration &+= 1
            let port = DevicePort(
                driver: driver, index: index, cell: cell, token: UInt64(portGeneration) << 32 | UInt64(position))
            if let descriptor = port.descriptor {
                let code = poller.watch(descriptor, token: port.token)
                guard code >= 0 else {
                    try cell.stack.detach(index, at: now)
                    throw ShardError.system(call: "epoll_ctl", errno: -code)
                }
            } else {
                polledPorts.append(port)
            }
            if position == ports.count { ports.append(port) } else { ports[position] = port }
            cell.ports.append(port)
            cell.isStale = true
            cell.touch()
            return index
        }

        func detach(_ index: InterfaceIndex, from cell: StackCell) throws(InterfaceError) {
            if let port = cell.ports.first(where: { $0.index == index }) {
                cell.stack.transmitFailed(&port.backlog, on: index, at: now)
                unplug(port)
            }
            try cell.stack.detach(index, at: now)
            cell.isStale = true
            cell.touch()
        }

        func beginCapture(
            on index: InterfaceIndex, of cell: StackCell, snapBytes: Int, filter: (@Sendable (RawSpan) -> Bool)?,
            sink: @escaping @Sendable ([UInt8]) -> Void
        ) throws(InterfaceError) -> UInt64 {
            guard let port = cell.ports.first(where: { $0.index == index }) else { throw .noSuchInterface }
            captureCount += 1
            let name = cell.stack.interfaces.first { $0.index == index }?.name
            port.captures.append(
                CaptureTap(
                    number: captureCount,
                    interface: .init(name: name, linkType: port.driver.kind == .ethernet ? .ethernet : .rawIP),
                    epochNanoseconds: chimney_realtime() &- chimney_monotonic(), snapBytes: snapBytes, filter: filter,
                    sink: sink))
            if !capturing.contains(where: { $0 === port }) { capturing.append(port) }
            // The file's header goes out in this round, so that an idle interface gives a capture, too.
            for tap in port.captures { tap.flush() }
            return captureCount
        }

        func endCapture(_ number: UInt64) {
            for port in capturing {
                for tap in port.captures where tap.number == number { tap.flush() }
                port.captures.removeAll { $0.number == number }
            }
            capturing.removeAll { $0.captures.isEmpty }
        }
    }
#endif
