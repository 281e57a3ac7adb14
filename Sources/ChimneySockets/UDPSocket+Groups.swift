#if os(Linux)
    public import ChimneyLink
    public import ChimneyPrimitives
    import ChimneyRuntime
    public import ChimneyStack

    /// Groups: the calls of RFC 3678, and what BSD and Linux have for each.
    ///
    /// A socket receives what is sent to its port and to a group that it joined, from sources that its filter for the group
    /// admits, and nothing that only others joined (see `UDPOptions.receivesAllGroups`). It is in each group once for each
    /// interface. Where no interface is named, the one is meant that datagrams to the group would leave by. All groups are
    /// left when the socket is closed.
    ///
    /// On an error, nothing has changed; `ErrorName` tells what programs of BSD and Linux know it by.
    extension UDPSocket {
        /// Joins a group: for all sources, or for one more source.
        ///
        /// `IP_ADD_MEMBERSHIP`, `IPV6_JOIN_GROUP` and `MCAST_JOIN_GROUP`; with a source, `IP_ADD_SOURCE_MEMBERSHIP` and
        /// `MCAST_JOIN_SOURCE_GROUP`.
        ///
        /// - Returns: the interface on which the group is joined.
        /// - Throws: ``UDPError/group(_:)``; ``UDPError/closed``.
        @discardableResult
        public func join(
            _ group: IPAddress, from source: IPAddress? = nil, on interface: InterfaceChoice = .route
        ) async throws(UDPError) -> InterfaceIndex {
            try await change { stack, member, now throws(GroupError) in
                let index = try stack.interface(for: group, on: interface, as: member)
                try stack.join(group, from: source, on: .index(index), as: member, at: now)
                return index
            }
        }

        /// Leaves a group, however it was joined, or does without one of the sources it was joined for.
        ///
        /// `IP_DROP_MEMBERSHIP`, `IPV6_LEAVE_GROUP` and `MCAST_LEAVE_GROUP`; with a source, `IP_DROP_SOURCE_MEMBERSHIP` and
        /// `MCAST_LEAVE_SOURCE_GROUP`. With the last source the group is left.
        ///
        /// - Throws: ``UDPError/group(_:)``; ``UDPError/closed``.
        public func leave(
            _ group: IPAddress, from source: IPAddress? = nil, on interface: InterfaceChoice = .route
        ) async throws(UDPError) {
            try await change { stack, member, now throws(GroupError) in
                try stack.leave(group, from: source, on: interface, as: member, at: now)
            }
        }

        /// Does without one source of a group that was joined for all sources (`IP_BLOCK_SOURCE`, `MCAST_BLOCK_SOURCE`).
        ///
        /// - Throws: ``UDPError/group(_:)``; ``UDPError/closed``.
        public func block(
            _ source: IPAddress, of group: IPAddress, on interface: InterfaceChoice = .route
        ) async throws(UDPError) {
            try await change { stack, member, now throws(GroupError) in
                try stack.block(source, of: group, on: interface, as: member, at: now)
            }
        }

        /// Receives a source again that was blocked (`IP_UNBLOCK_SOURCE`, `MCAST_UNBLOCK_SOURCE`).
        ///
        /// - Throws: ``UDPError/group(_:)``; ``UDPError/closed``.
        public func unblock(
            _ source: IPAddress, of group: IPAddress, on interface: InterfaceChoice = .route
        ) async throws(UDPError) {
            try await change { stack, member, now throws(GroupError) in
                try stack.unblock(source, of: group, on: interface, as: member, at: now)
            }
        }

        /// Sets the filter for a group, whatever it was: joins with it, changes it, or leaves with `GroupFilter.none`
        /// (`IP_MSFILTER`, `MCAST_MSFILTER`, `setsourcefilter`).
        ///
        /// - Throws: ``UDPError/group(_:)``; ``UDPError/closed``.
        /// - Complexity: one walk over the old list and the new one.
        public func setFilter(
            _ filter: GroupFilter, of group: IPAddress, on interface: InterfaceChoice = .route
        ) async throws(UDPError) {
            try await change { stack, member, now throws(GroupError) in
                try stack.setFilter(filter, of: group, on: interface, as: member, at: now)
            }
        }

        /// The filter for a group; for one that is not joined it throws (`getsourcefilter`).
        ///
        /// - Throws: ``UDPError/group(_:)``; ``UDPError/closed``.
        public func filter(
            of group: IPAddress, on interface: InterfaceChoice = .route
        ) async throws(UDPError) -> GroupFilter {
            try await onShard { [id] cell throws(UDPError) in
                do throws(GroupError) {
                    return try cell.stack.filter(of: group, on: interface, as: .socket(id))
                } catch {
                    throw UDPError(error)
                }
            }
        }

        /// The groups the socket is in: of each family in the order of joining, IPv4 first.
        ///
        /// - Throws: ``UDPError``; a closed socket is in none.
        public var memberships: [GroupMembershipSnapshot] {
            get async throws(UDPError) {
                try await onShard { [id] cell throws(UDPError) in cell.stack.memberships(of: .socket(id)) }
            }
        }

        /// Gives the socket bounds of its own, in each family; `nil` stands for those of the stack.
        ///
        /// A lower bound takes nothing away (`IP_MAX_MEMBERSHIPS`, and what Linux calls `igmp_max_memberships` and
        /// `igmp_max_msf`).
        ///
        /// - Throws: ``UDPError/closed``.
        public func setMembershipBounds(
            membershipsMax: Int? = nil, sourcesPerFilterMax: Int? = nil
        ) async throws(UDPError) {
            try await onShard { [id] cell throws(UDPError) in
                do throws(GroupError) {
                    try cell.stack.setMembershipBounds(
                        membershipsMax: membershipsMax, sourcesPerFilterMax: sourcesPerFilterMax, of: .socket(id))
                } catch {
                    throw UDPError(error)
                }
            }
        }

        /// Joins a group for as long as `body` runs: however it ends, by an error or a cancelled task too, the group, or with a
        /// source that source of it, is left.
        ///
        /// - Throws: ``UDPError`` where joining fails, and what `body` throws.
        public func withMembership<Value>(
            of group: IPAddress, from source: IPAddress? = nil, on interface: InterfaceChoice = .route,
            isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
        ) async throws -> Value {
            let index = try await join(group, from: source, on: interface)
            let result: Result<Value, any Error>
            do {
                result = .success(try await body())
            } catch {
                result = .failure(error)
            }
            // What the body left or closed is not left again.
            try? await leave(group, from: source, on: .index(index))
            return try result.get()
        }

        /// Changes some of the socket's options and keeps the others.
        ///
        /// Those for groups are `multicastTimeToLive` (`IP_MULTICAST_TTL`), `multicastLoops` (`IP_MULTICAST_LOOP`),
        /// `multicastInterface` (`IP_MULTICAST_IF`) and `receivesAllGroups` (`IP_MULTICAST_ALL`).
        ///
        /// - Throws: ``UDPError/closed``.
        public func changeOptions(_ change: @escaping @Sendable (inout UDPOptions) -> Void) async throws(UDPError) {
            try await onShard { [id] cell throws(UDPError) in
                guard var options = cell.stack.options(of: id) else { throw .closed }
                change(&options)
                cell.stack.setOptions(options, of: id)
            }
        }

        /// One change of a membership.
        private func change<Value: Sendable>(
            _ body:
                @escaping @Sendable (
                    _ stack: inout VirtualStack, _ member: GroupMember, _ now: Instant
                ) throws(GroupError) -> Value
        ) async throws(UDPError) -> Value {
            try await onShard { [id] cell throws(UDPError) in
                cell.touch()
                do throws(GroupError) {
                    return try body(&cell.stack, .socket(id), cell.shard.now)
                } catch {
                    throw UDPError(error)
                }
            }
        }
    }
#endif
