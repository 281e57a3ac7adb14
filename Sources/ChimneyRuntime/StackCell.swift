#if os(Linux)
    import ChimneyLink
    package import ChimneyPrimitives
    package import ChimneyStack

    /// What wants to know that a socket has news; called on the shard's thread.
    package protocol SocketListener: AnyObject {
        /// Something happened to the socket: there is something to take from it, room in it, or an error.
        func socketHasNews(at now: Instant)
        /// The stack and its sockets are gone.
        func stackWasRemoved()
    }

    /// A stack on its shard, with its devices and the listeners of its sockets; touched by the shard's thread only.
    package final class StackCell {
        /// The stack, for one access at a time: `isInUse` says when there is one that changes it.
        @inlinable
        package var stack: VirtualStack {
            @inline(__always) _read { yield confined.value }
            @inline(__always) _modify {
                use.value = true
                defer { use.value = false }
                yield &confined.value
            }
        }
        @usableFromInline let confined: Confined<VirtualStack>
        @usableFromInline let use = Confined(false)
        package unowned let shard: Shard
        /// Whether the stack is in the middle of its work, or lent to a caller's closure.
        ///
        /// What it calls then, such as modules that watch connections, congestion controls of users and the closure, must not
        /// reach it in another way.
        @inlinable
        package var isInUse: Bool {
            @inline(__always) get { use.value }
        }
        /// Whether the stack is still on its shard.
        package var isRemoved = false
        /// Looked up by socket only, never walked.
        private var listeners: [SocketID: any SocketListener] = [:]
        /// The listener told last: news mostly is for the same again.
        private var lastTold: (socket: SocketID, listener: any SocketListener)?
        /// Memory for the sockets that have news.
        private var announced: [SocketID] = []
        /// By the number of the connection or listener.
        private var connectionListeners = NumberedListeners<TCPConnectionID>()
        private var acceptListeners = NumberedListeners<TCPListenerID>()
        private var announcedConnections: [TCPConnectionID] = []
        private var announcedAccepts: [TCPListenerID] = []
        var ports: [DevicePort] = []
        /// Whether the cell is in the shard's list of those to look after in this round.
        var isTouched = false
        /// Whether the published snapshot may be out of date.
        var isStale = true
        let position: Int
        let published: PublishedSnapshot

        init(stack: consuming VirtualStack, shard: Shard, position: Int, published: PublishedSnapshot) {
            confined = Confined(stack)
            self.shard = shard
            self.position = position
            self.published = published
        }

        /// Runs `body` with the stack: cheaper than one access after another.
        @inlinable
        @inline(__always)
        package func withStack<Result>(_ body: (inout VirtualStack) -> Result) -> Result {
            use.value = true
            defer { use.value = false }
            // Invariant: the stack lives as long as its cell.
            return unsafe body(&confined.place.pointee)
        }

        /// Tells the shard to look after the stack at the end of this round: its answers, news and deadline.
        package func touch() {
            if !isTouched {
                isTouched = true
                shard.touched(self)
            }
        }

        /// Registers who is told of a socket's news; `nil` for nobody.
        package func setListener(_ listener: (any SocketListener)?, for socket: SocketID) {
            listeners[socket] = listener
            lastTold = nil
        }

        /// Registers who is told of a connection's news; `nil` for nobody.
        package func setListener(_ listener: (any SocketListener)?, for connection: TCPConnectionID) {
            connectionListeners.set(listener, for: connection, at: connection.number)
        }

        /// Registers who is told that connections wait to be accepted; `nil` for nobody.
        package func setListener(_ listener: (any SocketListener)?, for accepting: TCPListenerID) {
            acceptListeners.set(listener, for: accepting, at: accepting.number)
        }

        /// Whether anything happened that listeners were not told of.
        var hasNews: Bool { stack.hasAnnounced || stack.hasTCPNews }

        /// Tells listeners what happened since they were last told.
        func announce(at now: Instant) {
            if stack.hasAnnounced {
                var sockets: [SocketID] = []
                swap(&sockets, &announced)
                stack.takeAnnounced(into: &sockets)
                for socket in sockets { listener(of: socket)?.socketHasNews(at: now) }
                swap(&sockets, &announced)
            }
            if stack.hasTCPNews { announceTCP(at: now) }
        }

        private func announceTCP(at now: Instant) {
            var accepts: [TCPListenerID] = []
            swap(&accepts, &announcedAccepts)
            stack.takeAnnouncedListeners(into: &accepts)
            for id in accepts { acceptListeners.find(id, at: id.number)?.socketHasNews(at: now) }
            swap(&accepts, &announcedAccepts)
            var connections: [TCPConnectionID] = []
            swap(&connections, &announcedConnections)
            stack.takeAnnouncedConnections(into: &connections)
            for id in connections { connectionListeners.find(id, at: id.number)?.socketHasNews(at: now) }
            swap(&connections, &announcedConnections)
        }

        private func listener(of socket: SocketID) -> (any SocketListener)? {
            if let lastTold, lastTold.socket == socket { return lastTold.listener }
            guard let listener = listeners[socket] else { return nil }
            lastTold = (socket, listener)
            return listener
        }

        /// Tells all listeners that their sockets are gone, in no particular order.
        func dismissListeners() {
            let all = listeners
            listeners = [:]
            lastTold = nil
            for listener in all.values { listener.stackWasRemoved() }
            for listener in acceptListeners.takeAll() { listener.stackWasRemoved() }
            for listener in connectionListeners.takeAll() { listener.stackWasRemoved() }
        }

        /// Runs a command on the shard's thread when the stack is not in use: what begins or ends a wait, or a socket's life, may
        /// come in the middle of the stack's work.
        package func runWhenFree(_ command: @escaping @Sendable () -> Void) {
            // Invariant: whether the stack is in use is read on the shard's thread only.
            if shard.isCurrent, !isInUse { command() } else { shard.runLater(command) }
        }
    }

    /// Who is told of news, by the numbers that identities carry; no more than the stack has of them.
    struct NumberedListeners<ID: Equatable> {
        private var entries: [(id: ID, listener: any SocketListener)?] = []

        mutating func set(_ listener: (any SocketListener)?, for id: ID, at number: Int) {
            if let listener {
                while entries.count <= number { entries.append(nil) }
                entries[number] = (id, listener)
            } else if number < entries.count, entries[number]?.id == id {
                entries[number] = nil
            }
        }

        func find(_ id: ID, at number: Int) -> (any SocketListener)? {
            guard number < entries.count, let entry = entries[number], entry.id == id else { return nil }
            return entry.listener
        }

        mutating func takeAll() -> [any SocketListener] {
            defer { entries = [] }
            return entries.compactMap { $0?.listener }
        }
    }

    /// A device of a stack, with what it has not yet taken.
    final class DevicePort {
        let driver: any LinkDriver
        let index: InterfaceIndex
        let descriptor: Int32?
        unowned let cell: StackCell
        /// What the poller names it by.
        let token: UInt64
        /// Frames the stack handed over and the device did not take yet.
        var backlog: PacketQueue {
            @inline(__always) _read { yield confinedBacklog.value }
            @inline(__always) _modify { yield &confinedBacklog.value }
        }
        private let confinedBacklog = Confined(PacketQueue())
        /// Whether the device waits to be writable, or to be switched on.
        var isBlocked = false
        /// Whether frames wait that the device did not take, here or in the stack behind these.
        var isUnfinished = false
        /// Whether a shard has the port.
        var isPlugged = true
        var isDown = false
        /// When it was found switched off.
        var downSince = Instant.zero
        /// Whether more frames may wait than the last round took.
        var mayHaveMore = false
        /// How many frames the last read gave.
        var lastCount = 0
        /// Failures in a row.
        var faultCount = 0
        var captures: [CaptureTap] = [] { didSet { isCaptured = !captures.isEmpty } }
        private(set) var isCaptured = false

        /// Failures in a row after which a device counts as gone.
        static var faultsMax: Int { 64 }

        init(driver: any LinkDriver, index: InterfaceIndex, cell: StackCell, token: UInt64) {
            self.driver = driver
            self.index = index
            self.cell = cell
            self.token = token
            descriptor = driver.descriptor
        }
    }
#endif
