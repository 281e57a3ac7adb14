public import ChimneyPrimitives
public import ChimneyStack

/// A program on a node of a lab: it acts when it starts, when a socket has news and when its deadline has come.
///
/// It uses the stack of its node directly; the lab carries on what it leaves there once it returns.
public protocol LabApplication: AnyObject {
    /// When ``timerFired(on:at:)`` shall be called; nil for never. Asked for after every call of the others.
    var deadline: Instant? { get }
    /// The lab runs for the first time with this application.
    func started(on node: LabNode, at now: Instant)
    /// A socket that was given to ``Lab/listen(_:with:on:)`` has datagrams or an error.
    func becameReadable(_ socket: SocketID, on node: LabNode, at now: Instant)
    /// The deadline has come; may be called early.
    func timerFired(on node: LabNode, at now: Instant)
    /// A TCP connection of the application opened, can be read or written again, or ended.
    func connectionHasNews(_ connection: TCPConnectionID, on node: LabNode, at now: Instant)
    /// A TCP listener of the application has connections to accept.
    func listenerHasConnections(_ listener: TCPListenerID, on node: LabNode, at now: Instant)
    /// Frames arrived at the node; only for applications that look for echo answers.
    func framesArrived(on node: LabNode, at now: Instant)
}

extension LabApplication {
    /// No deadline.
    public var deadline: Instant? { nil }
    /// Does nothing.
    public func started(on node: LabNode, at now: Instant) {}
    /// Does nothing.
    public func becameReadable(_ socket: SocketID, on node: LabNode, at now: Instant) {}
    /// Does nothing.
    public func timerFired(on node: LabNode, at now: Instant) {}
    /// Does nothing.
    public func connectionHasNews(_ connection: TCPConnectionID, on node: LabNode, at now: Instant) {}
    /// Does nothing.
    public func listenerHasConnections(_ listener: TCPListenerID, on node: LabNode, at now: Instant) {}
    /// Does nothing.
    public func framesArrived(on node: LabNode, at now: Instant) {}
}

/// An application, where it runs and for when its next event is scheduled.
struct RunningApplication {
    let application: any LabApplication
    let node: LabNode
    var scheduled = Instant.never
    var isStarted = false
}

extension Lab {
    /// Puts an application on a node; it starts when the lab next runs.
    public func run(_ application: some LabApplication, on node: LabNode) {
        applications.append(RunningApplication(application: application, node: node))
    }

    /// Opens a UDP socket whose news go to an application.
    ///
    /// - Throws: ``LabError/socket(_:)`` with what the stack said.
    public func listen(
        _ endpoint: Endpoint, with application: some LabApplication, on node: LabNode
    ) throws(LabError) -> SocketID {
        let socket: SocketID
        do {
            socket = try node.stack.openUDP()
        } catch {
            throw .socket("\(error)")
        }
        do {
            try node.stack.bind(socket, to: endpoint)
        } catch {
            node.stack.close(socket)
            throw .socket("\(error)")
        }
        let position = applications.firstIndex { $0.application === application && $0.node === node }
        node.readers[socket] = position ?? applications.count
        if position == nil { run(application, on: node) }
        return socket
    }
}
