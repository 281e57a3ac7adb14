import ChimneyLink
import ChimneyRouting
import ChimneyStack
import ChimneyTCP
import Glibc

extension Errno {
    /// The number of a name.
    init(_ name: ErrorName) {
        switch name {
        case .accessDenied: self.init(EACCES)
        case .addressInUse: self.init(EADDRINUSE)
        case .addressNotAvailable: self.init(EADDRNOTAVAIL)
        case .familyNotSupported: self.init(EAFNOSUPPORT)
        case .badDescriptor: self.init(EBADF)
        case .brokenPipe: self.init(EPIPE)
        case .connectionAborted: self.init(ECONNABORTED)
        case .connectionRefused: self.init(ECONNREFUSED)
        case .connectionReset: self.init(ECONNRESET)
        case .destinationRequired: self.init(EDESTADDRREQ)
        case .hostUnreachable: self.init(EHOSTUNREACH)
        case .invalidArgument: self.init(EINVAL)
        case .messageTooLong: self.init(EMSGSIZE)
        case .networkDown: self.init(ENETDOWN)
        case .networkUnreachable: self.init(ENETUNREACH)
        case .notConnected: self.init(ENOTCONN)
        case .notPermitted: self.init(EPERM)
        case .noSuchEntry: self.init(ENOENT)
        case .timedOut: self.init(ETIMEDOUT)
        case .tooManyFiles: self.init(ENFILE)
        case .noBufferSpace: self.init(ENOBUFS)
        case .noSuchDevice: self.init(ENODEV)
        case .protocolNotAvailable: self.init(ENOPROTOOPT)
        case .protocolError: self.init(EPROTO)
        }
    }

    init(_ error: InterfaceError) {
        switch error {
        case .noSuchInterface: self.init(ENODEV)
        case .table(let error): self.init(error)
        case .mtuOutOfRange, .mtuTooSmallForIPv6, .noSuchFIB, .macInvalid: self.init(EINVAL)
        }
    }

    private init(_ error: InterfaceTableError) {
        switch error {
        case .noSuchInterface: self.init(ENODEV)
        case .nameInUse: self.init(EEXIST)
        case .tooManyInterfaces, .tooManyGroups: self.init(ENOBUFS)
        case .invalidName: self.init(EINVAL)
        }
    }

    init(_ error: AddressError) {
        switch error {
        case .noSuchInterface: self.init(ENODEV)
        case .addressInUse: self.init(EEXIST)
        case .noSuchAddress: self.init(EADDRNOTAVAIL)
        case .tooManyAddresses, .noRoom: self.init(ENOBUFS)
        case .ipv6Disabled: self.init(EAFNOSUPPORT)
        case .addressInvalid, .prefixLengthOutOfRange: self.init(EINVAL)
        }
    }

    init<Address>(_ error: RouteError<Address>) {
        switch error {
        case .noInterface: self.init(ENODEV)
        case .exists: self.init(EEXIST)
        case .notFound: self.init(ESRCH)
        case .tooManyRoutes, .tooManyNextHops, .tooManyRoutesToPrefix: self.init(ENOBUFS)
        case .noSuchTable, .invalidGateway: self.init(EINVAL)
        }
    }
}
