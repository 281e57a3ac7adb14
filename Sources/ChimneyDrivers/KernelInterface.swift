#if os(Linux)
    import CChimneyLinux
    public import ChimneyPrimitives
    import Glibc

    /// An interface of the Linux kernel, by name: what a configuration asks the other side of a TAP to be.
    public struct KernelInterface: Hashable, Sendable {
        /// The name, 1 to 15 bytes.
        public let name: String

        /// The interface of this name, whether it exists or not.
        public init(name: String) throws(DriverOpenError) {
            let bytes = Array(name.utf8)
            guard (1...15).contains(bytes.count), name != ".", name != "..",
                bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F && $0 != 0x3A && $0 != 0x25 })
            else { throw .nameInvalid(name) }
            self.name = name
        }

        /// The kernel's number for it, which another interface of the same name would not have.
        public var index: Int32 {
            get throws(DriverOpenError) { try unsafe ask("SIOCGIFINDEX") { unsafe chimney_if_index($0, $1) } }
        }

        /// The largest packet it carries.
        public var mtu: Int {
            get throws(DriverOpenError) { Int(try unsafe ask("SIOCGIFMTU") { unsafe chimney_if_mtu($0, $1) }) }
        }

        /// Sets the largest packet it carries.
        public func setMTU(_ mtu: Int) throws(DriverOpenError) {
            _ = try unsafe ask("SIOCSIFMTU") { unsafe chimney_if_set_mtu($0, $1, Int32(clamping: mtu)) }
        }

        /// Its link address, `nil` when it is no Ethernet interface.
        public var mac: MACAddress? {
            get throws(DriverOpenError) {
                let (type, mac) = try hardware
                return type == 1 || type == 772 ? mac : nil
            }
        }

        /// Its ARPHRD type and link address.
        var hardware: (type: Int32, mac: MACAddress) {
            get throws(DriverOpenError) {
                var bits: UInt64 = 0
                let type = try unsafe ask("SIOCGIFHWADDR") { unsafe chimney_if_mac($0, $1, &bits) }
                return (type, MACAddress(bits: bits))
            }
        }

        /// Sets its link address.
        public func setMAC(_ mac: MACAddress) throws(DriverOpenError) {
            _ = try unsafe ask("SIOCSIFHWADDR") { unsafe chimney_if_set_mac($0, $1, mac.bits) }
        }

        /// Whether it is switched on.
        public var isUp: Bool {
            get throws(DriverOpenError) { try unsafe ask("SIOCGIFFLAGS") { unsafe chimney_if_flags($0, $1) } & 1 != 0 }
        }

        /// Switches it on or off.
        public func setUp(_ isUp: Bool) throws(DriverOpenError) {
            let flags = try unsafe ask("SIOCGIFFLAGS") { unsafe chimney_if_flags($0, $1) }
            _ = try unsafe ask("SIOCSIFFLAGS") { unsafe chimney_if_set_flags($0, $1, isUp ? flags | 1 : flags & ~1) }
        }

        /// Makes this its IPv4 address.
        ///
        /// - Parameters:
        ///   - address: the kernel's own address on the link.
        ///   - prefixLength: how many leading bits the subnet shares.
        ///   - peer: the other end of a point-to-point device.
        /// - Throws: ``DriverOpenError`` when the kernel refuses.
        public func setAddress(
            _ address: IPv4Address, prefixLength: Int, peer: IPv4Address? = nil
        ) throws(DriverOpenError) {
            let mask: UInt32 = prefixLength <= 0 ? 0 : ~0 << UInt32(32 - min(prefixLength, 32))
            _ = try unsafe ask("SIOCSIFADDR") {
                unsafe chimney_if_set_address($0, $1, address.bits, mask, peer?.bits ?? 0)
            }
        }

        /// Gives it one more IPv6 address, which the kernel probes before it uses it; one that it has already stays.
        ///
        /// - Parameters:
        ///   - address: the kernel's own address on the link.
        ///   - prefixLength: how many leading bits the subnet shares.
        /// - Throws: ``DriverOpenError`` when the kernel refuses, as it does where its IPv6 is switched off.
        public func addAddress(_ address: IPv6Address, prefixLength: Int) throws(DriverOpenError) {
            let result = chimney_if_add_address6(try index, address.high, address.low, UInt32(clamping: prefixLength))
            switch -result {
            case EEXIST: return
            // The privilege to open the device is there; what is missing is the interface's IPv6.
            case EACCES: throw .system(call: "SIOCSIFADDR", errno: EACCES)
            default: try check(result, "SIOCSIFADDR")
            }
        }

        /// Deletes it, whoever holds it.
        public func delete() throws(DriverOpenError) {
            try check(chimney_if_delete(try index), "RTM_DELLINK")
        }

        private func ask(
            _ call: String, _ body: (Int32, UnsafePointer<CChar>) -> Int32
        ) throws(DriverOpenError) -> Int32 {
            let socket = chimney_inet_socket()
            guard socket >= 0 else { throw .system(call: "socket", errno: -socket) }
            // Invariant: the name lives as long as the call; the kernel copies it.
            let result = unsafe name.withCString { unsafe body(socket, $0) }
            close(socket)
            return try check(result, call)
        }

        /// A system call's result, or the error that a negative one is.
        @discardableResult
        func check(_ result: Int32, _ call: String) throws(DriverOpenError) -> Int32 {
            switch -result {
            case ENODEV, ENXIO: throw .noSuchDevice(name)
            case EBUSY: throw .busy(name)
            case EPERM, EACCES: throw .notPermitted(name)
            case 1...: throw .system(call: call, errno: -result)
            default: return result
            }
        }
    }
#endif
