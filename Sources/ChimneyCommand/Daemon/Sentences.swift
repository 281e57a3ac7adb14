import ChimneyAddressing
import ChimneyLink
import ChimneyNeighbors
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack

/// What went wrong, as one sentence for a person.
enum Sentence {
    static func of(_ error: InterfaceError) -> String {
        switch error {
        case .table(.tooManyInterfaces(let most)): "the stack has \(most) interfaces, which is its most"
        case .table(.nameInUse(let name, _)): "another interface is called \(name)"
        case .table(.invalidName(let name)): "\"\(name)\" is not a name for an interface"
        case .table(.noSuchInterface): "the interface does not exist"
        case .table(.tooManyGroups(let most)): "the interface is in \(most) groups, which is its most"
        case .mtuOutOfRange(let bytes): "an MTU of \(bytes) is outside 68 to 65535"
        case .mtuTooSmallForIPv6(let bytes): "an MTU of \(bytes) is below the 1280 that IPv6 needs"
        case .noSuchFIB(let fib, let count): noSuchTable(fib, count)
        case .macInvalid(let mac): "\(mac) is not a link address that an interface may have"
        case .noSuchInterface: "the interface does not exist or cannot be changed so"
        }
    }

    static func of(_ error: AddressError) -> String {
        switch error {
        case .noSuchInterface: "the interface does not exist"
        case .addressInvalid(let address): "\(address) is not an address that a host may have there"
        case .prefixLengthOutOfRange(let length):
            "a prefix length of \(length) is outside 0 to 32, or 0 to 128 for IPv6"
        case .addressInUse(let address): "an interface of this stack has \(address) already"
        case .tooManyAddresses(let most): "the interface has \(most) addresses, which is its most"
        case .noSuchAddress(let address): "the interface does not have \(address)"
        case .ipv6Disabled: "the interface does not speak IPv6"
        case .noRoom: "the routing table has no room for the address's route"
        }
    }

    static func of(_ error: AdvertisingError) -> String {
        switch error {
        case .noSuchInterface: "the interface is no Ethernet that speaks IPv6"
        case .settings(.interval): "the interval is outside 4 to 1800 seconds"
        case .settings(.lifetime(let seconds)):
            "a lifetime of \(seconds) s is neither 0 nor from the interval up to 9000 s"
        case .settings(.reachableTime): "neighbours count as reachable for an hour at most"
        case .settings(.mtu(let mtu)): "an MTU of \(mtu) is below the 1280 that IPv6 needs"
        case .settings(.prefix(let prefix)): "\(prefix) is not a prefix that routers tell of"
        case .settings(.prefixLifetimes(let prefix)):
            "addresses of \(prefix) would be preferred for longer than they are valid"
        case .settings(.tooLarge(let most)): "the advertisement would exceed \(most) bytes"
        }
    }

    static func of<Address: StackFamily>(_ error: RouteError<Address>) -> String {
        switch error {
        case .noSuchTable(let fib, let count): noSuchTable(fib, count)
        case .exists(let route): "there is such a route to \(route.prefix) already"
        case .notFound(let prefix): "there is no such route to \(prefix)"
        case .invalidGateway(let gateway): "\(gateway) cannot be a gateway"
        case .noInterface: "the route's interface does not exist"
        case .tooManyRoutes(let most): "the routing table has \(most) routes, which is its most"
        case .tooManyNextHops(let most): "the routing table has \(most) next hops, which is its most"
        case .tooManyRoutesToPrefix(let prefix, let most): "\(prefix) has \(most) routes, which is its most"
        }
    }

    static func of(_ error: NeighborError) -> String {
        switch error {
        case .tableFull(let most): "the neighbour table has \(most) entries, which is its most"
        case .notUnicast(let mac): "\(mac) is not the link address of one neighbour"
        case .notHost: "the address is not that of one host"
        case .unknownInterface: "the interface has no neighbours"
        }
    }

    static func of(_ error: EchoError) -> String {
        switch error {
        case .tooManySockets(let most): "the stack has \(most) echo sockets, which is its most"
        case .closed: "the echo socket was closed"
        case .messageTooLong(let most): "an echo request has at most \(most) bytes of data"
        case .noRoute(let destination): "no route leads to \(destination)"
        case .noBuffer: "the packet pool is at its bound"
        }
    }

    static func of(_ error: SocketError) -> String {
        switch error {
        case .portUnreachable: "port unreachable"
        case .protocolUnreachable: "protocol unreachable"
        case .hostUnreachable: "host unreachable"
        case .networkUnreachable: "network unreachable"
        case .prohibited: "prohibited by a filter on the way"
        case .messageTooLong(_, let mtu): "too long for a path MTU of \(mtu)"
        case .timeExceeded: "time to live exceeded, or a fragment was lost"
        case .parameterProblem: "a header field was refused on the way"
        }
    }

    static func of(_ error: OpenError) -> String {
        switch error {
        case .tooManySockets(let most): "the stack has \(most) sockets, which is its most"
        case .noSuchFIB(let fib, let count): noSuchTable(fib, count)
        }
    }

    static func of(_ error: BindError) -> String {
        switch error {
        case .closed: "the socket was closed"
        case .alreadyBound(let endpoint): "the socket is bound to \(endpoint) already"
        case .addressInUse(let endpoint): "another socket is bound to \(endpoint)"
        case .addressNotOurs(let address): "\(address) is not an address of the stack"
        case .noFreePort: "every port is taken"
        }
    }

    static func of(_ error: ListenError) -> String {
        switch error {
        case .tooManyListeners(let most): "the stack has \(most) listeners, which is its most"
        case .noSuchFIB(let fib, let count): noSuchTable(fib, count)
        case .addressNotOurs(let address): "\(address) is not an address of the stack"
        case .addressInUse(let endpoint): "another listener is bound to \(endpoint)"
        case .noFreePort: "every port is taken"
        }
    }

    static func of(_ error: SignatureKeyError) -> String {
        switch error {
        case .noSigner: "there is nothing that makes digests"
        case .keyEmpty: "the key is empty"
        case .keyTooLong(let most): "the key has more than \(most) bytes"
        case .tooManyKeys(let most): "the stack has \(most) keys, which is its most"
        }
    }

    private static func noSuchTable(_ fib: Int, _ count: Int) -> String {
        count == 1
            ? "there is no routing table \(fib); the only one is 0"
            : "there is no routing table \(fib); they are numbered 0 to \(count - 1)"
    }
}
