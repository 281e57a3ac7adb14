#if os(Linux)
    import ChimneyLink
    package import ChimneyPrimitives
    package import ChimneyStack

    /// What wants to know that a socket has news; called on the shard's thread.
    package protocol SocketListener: AnyObject {
        /// Datagrams or an error wait in the socket.
        func socketHasNews(at now: Instant)
        /// The stack and its sockets are gone.
        func stackWasRemoved()
    }

    /// A stack on its shard, with its devices and the listeners of its sockets; touched by the shard's thread only.
    package final class StackCell {
        package var stack: VirtualStack
        package unowned let shard: Shard
        /// Whether `stack` is lent to a caller's closure, which must then not reach it in another way.
        package var isLent = false
        /// Whether the stack is still on its shard.
        package var isRemoved = false
        /// Looked up by socket only, never walked.
        private var listeners: [SocketID: any SocketListener] = [:]
        var ports: [DevicePort] = []
        /// Whether the cell is in the shard's list of those to look after in this round.
        var isTouched = false
        /// Whether the published snapshot may be out of date.
        var isStale = true
        let position: Int
        let published: PublishedSnapshot

        init(stack: consuming VirtualStack, shard: Shard, position: Int, published: PublishedSnapshot) {
            self.stack = stack
            self.shard = shard
            self.position = position
            self.published = published
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
        }

        /// Tells listeners what happened since they were last told.
        func announce(at now: Instant) {
            guard stack.hasAnnounced else { return }
            for socket in stack.takeAnnounced() { listeners[socket]?.socketHasNews(at: now) }
        }

        /// Tells all listeners that their sockets are gone, in no particular order.
        func dismissListeners() {
            let all = listeners
            listeners = [:]
            for listener in all.values { listener.stackWasRemoved() }
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
        var backlog = PacketQueue()
        /// Whether the device waits to be writable, or to be switched on.
        var isBlocked = false
        var isDown = false
        /// When it was found switched off.
        var downSince = Instant.zero
        /// Whether more frames may wait than the last round took.
        var mayHaveMore = false
        /// How many frames the last read gave.
        var lastCount = 0
        /// Failures in a row.
        var faultCount = 0
        var captures: [CaptureTap] = []

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
