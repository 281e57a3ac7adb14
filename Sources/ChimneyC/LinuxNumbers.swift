/// Numbers of Linux that its C library has in headers which Swift does not see, or as types of their own.
enum LinuxNumber {
    // Levels of options.
    static var socketLevel: Int32 { 1 }
    static var ipLevel: Int32 { 0 }
    static var tcpLevel: Int32 { 6 }
    static var udpLevel: Int32 { 17 }
    static var ipv6Level: Int32 { 41 }

    // Types of sockets.
    static var stream: Int32 { 1 }
    static var datagram: Int32 { 2 }
    static var nonBlocking: Int32 { 0o4000 }
    static var closeOnExec: Int32 { 0o2000000 }
    static var readWrite: Int32 { 2 }

    // Flags of messages.
    static var messageOutOfBand: Int32 { 0x1 }
    static var messagePeek: Int32 { 0x2 }
    static var messageTruncated: Int32 { 0x20 }
    static var messageDontWait: Int32 { 0x40 }
    static var messageWaitAll: Int32 { 0x100 }
    static var messageErrorQueue: Int32 { 0x2000 }
    static var messageMore: Int32 { 0x8000 }

    // Requests of ioctl.
    static var readableBytes: UInt { 0x541B }
    static var queuedBytes: UInt { 0x5411 }
    static var unsentBytes: UInt { 0x894B }
    static var setNonBlocking: UInt { 0x5421 }

    // Commands of fcntl.
    static var getDescriptorFlags: Int32 { 1 }
    static var setDescriptorFlags: Int32 { 2 }
    static var getStatusFlags: Int32 { 3 }
    static var setStatusFlags: Int32 { 4 }
}

/// Options of SOL_SOCKET.
enum SocketOption: Int32 {
    case reuseAddress = 2
    case type = 3
    case error = 4
    case broadcast = 6
    case sendBuffer = 7
    case receiveBuffer = 8
    case keepAlive = 9
    case linger = 13
    case receiveTimeout = 20
    case sendTimeout = 21
    case acceptsConnections = 30
    case `protocol` = 38
    case domain = 39
}

/// Options of IPPROTO_TCP.
enum TCPOption: Int32 {
    case noDelay = 1
    case maximumSegment = 2
    case cork = 3
    case keepAliveIdle = 4
    case keepAliveInterval = 5
    case keepAliveCount = 6
    case synCount = 7
    case linger2 = 8
    case info = 11
    case congestion = 13
    case signature = 14
    case userTimeout = 18
    case signatureOfPrefix = 32
}

/// Options of IPPROTO_IP.
enum IPOption: Int32 {
    case typeOfService = 1
    case timeToLive = 2
    case mtuDiscovery = 10
    case mtu = 14
    case multicastInterface = 32
    case multicastTimeToLive = 33
    case multicastLoop = 34
    case addMembership = 35
    case dropMembership = 36
    case unblockSource = 37
    case blockSource = 38
    case addSourceMembership = 39
    case dropSourceMembership = 40
    case multicastAll = 49
}

/// Options of IPPROTO_IPV6.
enum IPv6Option: Int32 {
    case unicastHops = 16
    case multicastInterface = 17
    case multicastHops = 18
    case multicastLoop = 19
    case joinGroup = 20
    case leaveGroup = 21
    case mtuDiscovery = 23
    case mtu = 24
    case onlyIPv6 = 26
    case multicastAll = 29
    case dontFragment = 62
    case trafficClass = 67
}

/// Options about groups that both levels have by one number (RFC 3678).
enum GroupOption: Int32 {
    case join = 42
    case blockSource = 43
    case unblockSource = 44
    case leave = 45
    case joinSource = 46
    case leaveSource = 47
}
