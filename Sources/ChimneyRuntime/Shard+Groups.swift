#if os(Linux)
    import ChimneyLink
    import ChimneyPrimitives
    import ChimneyStack

    extension Shard {
        /// Tells the devices of a stack what to let in from now on.
        func setFilters(of cell: StackCell) {
            while let index = cell.stack.nextFilterChange() {
                // A device that is gone, or never was, is told nothing; one that lets everything in need not be.
                guard let port = cell.ports.first(where: { $0.index == index }),
                    port.driver.groupAddressesMax != nil
                else { continue }
                for change in cell.stack.takeFilterChanges(of: index) where port.isPlugged { tell(port, change) }
            }
        }

        private func tell(_ port: DevicePort, _ change: LinkFilterChange) {
            do throws(LinkDriverError) {
                guard try !port.driver.setFilter(change), case .admit(let group) = change else { return }
                port.cell.stack.filterRefused(group, on: port.index, at: now)
            } catch {
                switch error {
                case .deviceGone(let code): return deviceVanished(port, errno: code)
                case .failed(let code): filterFailed(port, change, errno: code)
                case .deviceDown, .wouldBlock: filterFailed(port, change, errno: 0)
                }
            }
        }

        /// A group that the device does not take comes in with all the others.
        private func filterFailed(_ port: DevicePort, _ change: LinkFilterChange, errno code: Int32) {
            report(.filterFailed(stack: port.cell.stack.name, interface: port.index.rawValue, errno: code))
            if case .admit(let group) = change { port.cell.stack.filterRefused(group, on: port.index, at: now) }
        }

        func reportMemberships(of cell: StackCell) {
            let name = cell.stack.name
            for event in cell.stack.takeMembershipEvents() { report(.membership(stack: name, event)) }
            let missed = cell.stack.takeMissedMembershipEvents()
            if missed > 0 { report(.membershipsMissed(stack: name, count: missed)) }
        }
    }
#endif
