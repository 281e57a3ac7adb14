#if os(Linux)
    import ChimneyCapture
    import ChimneyLink
    import ChimneyPrimitives
    import ChimneyStack

    extension Shard {

        func receiveAll() {
            // A port stays in the list as long as it may have more frames than a round takes.
            var kept = 0
            for index in readyPorts.indices {
                let port = readyPorts[index]
                receive(port)
                if port.mayHaveMore {
                    readyPorts[kept] = port
                    kept += 1
                }
            }
            readyPorts.removeLast(readyPorts.count - kept)
            if hasPolledPorts { for port in polledPorts { receive(port) } }
            if hasFullPorts { for port in fullPorts { port.cell.touch() } }
        }

        /// How long the thread sleeps at most while a device without a descriptor has not taken everything.
        static var fullPortSpan: TimeSpan { .milliseconds(1) }

        func receive(_ port: DevicePort) {
            guard port.isPlugged else {
                port.mayHaveMore = false
                return
            }
            var batch = PacketQueue()
            do throws(LinkDriverError) {
                // Twice what came last: a single frame is answered before the device is asked for a second.
                let asked = min(max(1, port.lastCount &* 2), settings.framesPerRoundMax)
                let count = try port.driver.receive(into: &batch, packetsMax: asked, pool: pool, at: now)
                port.lastCount = count
                port.mayHaveMore = port.descriptor != nil && count >= asked
                if count > 0 {
                    hasProgress = true
                    port.faultCount = 0
                    // Frames from before it was switched off may still come for a while.
                    if port.isDown, now - port.downSince > .milliseconds(100) { deviceCameUp(port) }
                    if port.isCaptured {
                        for tap in port.captures { tap.framesPassed(batch, .inbound, at: now) }
                    }
                    port.cell.stack.framesArrived(&batch, on: port.index, at: now)
                    port.cell.touch()
                } else if port.faultCount >= DevicePort.faultsMax {
                    deviceVanished(port, errno: 0)
                }
            } catch {
                port.mayHaveMore = false
                failed(port, error)
            }
        }

        func transmit(_ cell: StackCell) {
            for port in cell.ports where port.isUnfinished && !port.isBlocked { drain(port) }
            while let index = cell.stack.nextToTransmit() {
                // An interface without a device, such as one whose device is gone, is down: nothing waits on it.
                guard let port = cell.ports.first(where: { $0.index == index }) else { continue }
                // Those of an unfinished port stay in the stack until the device has taken what came before them.
                if !port.isUnfinished { drain(port) }
            }
        }

        /// Hands the device what waits for it: first what it did not take before, and only then what the stack has, whose queue
        /// is bounded.
        func drain(_ port: DevicePort) {
            if port.isUnfinished {
                handOver(port)
                guard port.isPlugged, port.backlog.isEmpty else { return }
                setUnfinished(port, false)
            }
            port.cell.stack.takeTransmit(from: port.index, into: &port.backlog)
            if port.isCaptured { for tap in port.captures { tap.framesPassed(port.backlog, .outbound, at: now) } }
            handOver(port)
            if !port.backlog.isEmpty { setUnfinished(port, true) }
        }

        private func handOver(_ port: DevicePort) {
            let before = port.backlog.count
            guard before > 0 else { return }
            do throws(LinkDriverError) {
                try port.driver.transmit(&port.backlog)
                if port.isDown { deviceCameUp(port) }
                // A device may also leave a rest without a word.
                if !port.backlog.isEmpty { failed(port, .wouldBlock) }
            } catch {
                failed(port, error)
            }
            if port.backlog.count < before, port.descriptor == nil { hasProgress = true }
        }

        private func setUnfinished(_ port: DevicePort, _ isUnfinished: Bool) {
            port.isUnfinished = isUnfinished
            guard port.descriptor == nil else { return }
            if isUnfinished { fullPorts.append(port) } else { fullPorts.removeAll { $0 === port } }
        }

        func failed(_ port: DevicePort, _ error: LinkDriverError) {
            switch error {
            case .wouldBlock:
                guard let descriptor = port.descriptor, !port.backlog.isEmpty else { return }
                port.isBlocked = true
                poller.setWatchesWriting(descriptor, token: port.token, true)
            case .deviceDown:
                port.cell.stack.transmitFailed(&port.backlog, on: port.index, at: now)
                if !port.isDown {
                    port.isDown = true
                    port.downSince = now
                    report(.deviceDown(stack: port.cell.stack.name, interface: port.index.rawValue))
                }
            case .deviceGone(let code):
                deviceVanished(port, errno: code)
            case .failed(let code):
                port.faultCount += 1
                port.cell.stack.transmitFailed(&port.backlog, on: port.index, at: now)
                if port.faultCount >= DevicePort.faultsMax { deviceVanished(port, errno: code) }
            }
        }

        func deviceCameUp(_ port: DevicePort) {
            port.isDown = false
            report(.deviceUp(stack: port.cell.stack.name, interface: port.index.rawValue))
        }

        func deviceVanished(_ port: DevicePort, errno code: Int32) {
            let cell = port.cell
            cell.stack.transmitFailed(&port.backlog, on: port.index, at: now)
            // The interface exists as long as its port does.
            try? cell.stack.deviceVanished(port.index, at: now)
            unplug(port)
            cell.isStale = true
            cell.touch()
            report(.deviceGone(stack: cell.stack.name, interface: port.index.rawValue, errno: code))
        }

        /// Takes a device out of everything the shard looks at; its driver goes once nobody holds it.
        func unplug(_ port: DevicePort) {
            let position = Int(UInt32(truncatingIfNeeded: port.token))
            guard ports[position] === port else { return }
            if let descriptor = port.descriptor { poller.forget(descriptor) }
            ports[position] = nil
            port.isPlugged = false
            polledPorts.removeAll { $0 === port }
            if hasFullPorts { fullPorts.removeAll { $0 === port } }
            capturing.removeAll { $0 === port }
            port.cell.ports.removeAll { $0 === port }
            for tap in port.captures { tap.flush() }
            port.captures = []
        }
    }
#endif
