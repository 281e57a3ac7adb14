public import ChimneyPrimitives
public import ChimneyStack

/// A service over UDP that a node offers: echo, discard or characters.
public final class LabService: LabApplication {
    /// The services there are.
    public enum Kind: String, CaseIterable, Sendable, Hashable {
        /// Sends every datagram back (RFC 862).
        case echo
        /// Throws every datagram away (RFC 863).
        case discard
        /// Answers every datagram with 0 to 512 characters (RFC 864).
        case chargen
    }

    /// Which service it is.
    public let kind: Kind
    /// Datagrams that came.
    public private(set) var received: UInt64 = 0
    /// Datagrams that were sent back.
    public private(set) var answered: UInt64 = 0

    private var random: StackRandom
    private var position: UInt8 = 0

    init(kind: Kind, random: consuming StackRandom) {
        self.kind = kind
        self.random = random
    }

    /// Answers what waits in the socket.
    public func becameReadable(_ socket: SocketID, on node: LabNode, at now: Instant) {
        _ = node.stack.takeError(socket)
        while node.stack.receivableCount(socket) > 0 {
            let datagram = node.stack.receive(socket)
            received += 1
            // An answer to a service port could be answered for ever (RFC 862 says nothing; CERT CA-1996-01 does).
            let source = datagram.source
            guard source.port >= 1_024 else { continue }
            switch kind {
            case .discard: continue
            case .echo:
                if (try? node.stack.send(socket, datagram.bytes, to: source, at: now)) != nil { answered += 1 }
            case .chargen:
                let characters = nextCharacters()
                let sent: Void? = try? node.stack.send(socket, characters.span.octets, to: source, at: now)
                if sent != nil { answered += 1 }
            }
        }
    }

    /// The printing characters in lines of 72, each line one further round the ring (RFC 864).
    private func nextCharacters() -> [UInt8] {
        var characters: [UInt8] = []
        let count = Int.random(in: 0...512, using: &random)
        characters.reserveCapacity(count)
        while characters.count < count {
            for column in 0..<72 where characters.count < count {
                characters.append(32 + UInt8((Int(position) + column) % 95))
            }
            if characters.count < count { characters.append(10) }
            position = (position + 1) % 95
        }
        return characters
    }
}

extension Lab {
    /// Offers a service on a node.
    ///
    /// - Throws: ``LabError/socket(_:)`` when the port is taken.
    @discardableResult
    public func offer(_ kind: LabService.Kind, port: UInt16, on node: LabNode) throws(LabError) -> LabService {
        let random = StackRandom(seed: derivedSeed(seed, "service", "\(node.name)/\(port)"))
        let service = LabService(kind: kind, random: random)
        node.servedPorts.insert(port)
        _ = try listen(Endpoint(port: port), with: service, on: node)
        return service
    }
}
