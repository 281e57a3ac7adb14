public import CChimney
import ChimneyLink
import ChimneyPrimitives
import ChimneyRouting
import ChimneyStack
import Glibc

// Invariant: a packet's memory is the caller's, taken over by `Memory` and there for as long as the call takes; packets are copied
// in and out, never shared with it. Addresses are read by `SocketAddress` alone.

/// An interface whose packets the caller carries: those it sent and the caller did not take yet.
final class Wire {
    let index: InterfaceIndex
    /// Oldest first, each with the time it left as the time of its receipt.
    var packets = PacketQueue()

    init(_ index: InterfaceIndex) { self.index = index }
}

extension CallerStack {
    /// While so many packets of a wire wait to be taken, its interface's queue is left as it is, and drops at its own bound.
    static var wirePacketsMax: Int { Int(CHIMNEY_WIRE_PACKETS_MAX) }

    func wire(_ interface: Int32) throws(Errno) -> Wire {
        guard let wire = wires.first(where: { $0.index.rawValue == UInt32(bitPattern: interface) }) else {
            throw Errno(ENODEV)
        }
        return wire
    }

    /// Moves what was sent to the wires; it leaves now.
    func collectPackets() {
        while let index = stack.nextToTransmit() {
            if let wire = wires.first(where: { $0.index == index }) { fill(wire) }
        }
    }

    private func fill(_ wire: Wire) {
        guard wire.packets.count < Self.wirePacketsMax else { return }
        var sent = PacketQueue()
        stack.takeTransmit(from: wire.index, into: &sent)
        while !sent.isEmpty {
            var packet = sent.removeFirst()
            packet.metadata.receivedAt = now
            wire.packets.append(packet)
        }
    }

    func packetArrived(_ bytes: UnsafeRawBufferPointer, on interface: Int32) throws(Errno) -> Int {
        let wire = try self.wire(interface)
        guard bytes.count <= 65_535 else { throw Errno(EMSGSIZE) }
        guard bytes.count > 0 else { throw Errno(EINVAL) }
        guard var packet = stack.pool.allocate(headroom: 64, count: bytes.count) else { throw Errno(ENOBUFS) }
        guard unsafe packet.append(bytes.bytes) else { throw Errno(ENOBUFS) }
        packet.metadata.receivedAt = now
        var batch = PacketQueue()
        batch.append(packet)
        stack.framesArrived(&batch, on: wire.index, at: now)
        return 0
    }

    func takePacket(
        from interface: Int32, into buffer: UnsafeMutableRawBufferPointer, time: UnsafeMutablePointer<UInt64>?
    ) throws(Errno) -> Int {
        let wire = try self.wire(interface)
        guard !wire.packets.isEmpty else { return 0 }
        let packet = wire.packets.removeFirst()
        let count = packet.totalCount
        guard count <= buffer.count else {
            wire.packets.prepend(packet)
            throw Errno(EMSGSIZE)
        }
        var target = unsafe buffer.mutableBytes
        _ = packet.copyBytes(into: &target)
        if let time = unsafe time { unsafe time.pointee = packet.metadata.receivedAt.nanoseconds }
        // There is room again for what waits.
        fill(wire)
        return count
    }

    // MARK: - Interfaces

    func attach(_ name: String, mtu: Int) throws(Errno) -> Int {
        let description = InterfaceDescription(name: name, kind: .ip, mtu: mtu, ipv6: mtu >= 1_280 ? .manual : .off)
        do throws(InterfaceError) {
            let index = try stack.attach(description, at: now)
            wires.append(Wire(index))
            return Int(index.rawValue)
        } catch { throw Errno(error) }
    }

    func detach(_ interface: Int32) throws(Errno) -> Int {
        let wire = try self.wire(interface)
        do throws(InterfaceError) { try stack.detach(wire.index, at: now) } catch { throw Errno(error) }
        wires.removeAll { $0 === wire }
        return 0
    }

    func setMTU(_ mtu: Int, of interface: Int32) throws(Errno) -> Int {
        let wire = try self.wire(interface)
        do throws(InterfaceError) { try stack.setMTU(wire.index, mtu) } catch { throw Errno(error) }
        return 0
    }

    func setUp(_ isUp: Bool, _ interface: Int32) throws(Errno) -> Int {
        let wire = try self.wire(interface)
        do throws(InterfaceError) { try stack.setUp(wire.index, isUp, at: now) } catch { throw Errno(error) }
        return 0
    }

    func addAddress(_ endpoint: Endpoint, prefixLength: Int, to interface: Int32) throws(Errno) -> Int {
        let index = InterfaceIndex(rawValue: UInt32(bitPattern: interface))
        do throws(AddressError) {
            switch endpoint.address {
            case .v4(let address): try stack.addAddress(address, prefixLength: prefixLength, to: index, at: now)
            case .v6(let address): try stack.addAddress(address, prefixLength: prefixLength, to: index, at: now)
            }
        } catch { throw Errno(error) }
        return 0
    }

    func removeAddress(_ endpoint: Endpoint, from interface: Int32) throws(Errno) -> Int {
        let index = InterfaceIndex(rawValue: UInt32(bitPattern: interface))
        do throws(AddressError) {
            switch endpoint.address {
            case .v4(let address): try stack.removeAddress(address, from: index, at: now)
            case .v6(let address): try stack.removeAddress(address, from: index, at: now)
            }
        } catch { throw Errno(error) }
        return 0
    }

    // MARK: - Routes

    func addRoute(_ prefix: Endpoint, length: Int, gateway: Endpoint?, by interface: Int32) throws(Errno) -> Int {
        let index = UInt32(bitPattern: interface)
        switch (prefix.address, gateway?.address) {
        case (.v4(let address), let gateway):
            guard (0...32).contains(length) else { throw Errno(EINVAL) }
            var hop = IPv4NextHop.connected(on: index)
            if let gateway {
                guard case .v4(let router) = gateway else { throw Errno(EAFNOSUPPORT) }
                hop = .gateway(router, on: index)
            }
            do throws(RouteError<IPv4Address>) {
                try stack.addRoute(IPv4Route(IPv4Prefix(address, length: length), hop))
            } catch { throw Errno(error) }
        case (.v6(let address), let gateway):
            guard (0...128).contains(length) else { throw Errno(EINVAL) }
            var hop = IPv6NextHop.connected(on: index)
            if let gateway {
                guard case .v6(let router) = gateway else { throw Errno(EAFNOSUPPORT) }
                hop = .gateway(router, on: index)
            }
            do throws(RouteError<IPv6Address>) {
                try stack.addRoute(IPv6Route(IPv6Prefix(address, length: length), hop))
            } catch { throw Errno(error) }
        }
        return 0
    }

    func removeRoute(_ prefix: Endpoint, length: Int) throws(Errno) -> Int {
        switch prefix.address {
        case .v4(let address):
            guard (0...32).contains(length) else { throw Errno(EINVAL) }
            do throws(RouteError<IPv4Address>) {
                try stack.removeRoutes(to: IPv4Prefix(address, length: length))
            } catch { throw Errno(error) }
        case .v6(let address):
            guard (0...128).contains(length) else { throw Errno(EINVAL) }
            do throws(RouteError<IPv6Address>) {
                try stack.removeRoutes(to: IPv6Prefix(address, length: length))
            } catch { throw Errno(error) }
        }
        return 0
    }
}

// MARK: - Exports

/// Attaches an interface.
@c @implementation
public func chimney_attach(_ stack: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ mtu: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        guard let name = unsafe name else { throw Errno(EFAULT) }
        return try stack.attach(unsafe String(cString: name), mtu: Int(mtu))
    }
}

/// Detaches an interface.
@c @implementation
public func chimney_detach(_ stack: OpaquePointer?, _ interface: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.detach(interface) }
}

/// Changes the MTU of an interface.
@c @implementation
public func chimney_set_mtu(_ stack: OpaquePointer?, _ interface: CInt, _ mtu: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.setMTU(Int(mtu), of: interface) }
}

/// Switches an interface on or off.
@c @implementation
public func chimney_set_up(_ stack: OpaquePointer?, _ interface: CInt, _ is_up: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.setUp(is_up != 0, interface) }
}

/// Adds an address.
@c @implementation
public func chimney_add_address(
    _ stack: OpaquePointer?, _ interface: CInt, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t,
    _ prefix_length: CInt
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        let endpoint = try unsafe SocketAddress.read(address, length)
        return try stack.addAddress(endpoint, prefixLength: Int(prefix_length), to: interface)
    }
}

/// Removes an address.
@c @implementation
public func chimney_remove_address(
    _ stack: OpaquePointer?, _ interface: CInt, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        try stack.removeAddress(try unsafe SocketAddress.read(address, length), from: interface)
    }
}

/// Adds a route.
@c @implementation
public func chimney_add_route(
    _ stack: OpaquePointer?, _ interface: CInt, _ prefix: UnsafePointer<sockaddr>?, _ length: socklen_t,
    _ prefix_length: CInt, _ gateway: UnsafePointer<sockaddr>?, _ gateway_length: socklen_t
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        let destination = try unsafe SocketAddress.read(prefix, length)
        let router = unsafe gateway == nil ? nil : try unsafe SocketAddress.read(gateway, gateway_length)
        return try stack.addRoute(destination, length: Int(prefix_length), gateway: router, by: interface)
    }
}

/// Removes the routes to a prefix.
@c @implementation
public func chimney_remove_route(
    _ stack: OpaquePointer?, _ prefix: UnsafePointer<sockaddr>?, _ length: socklen_t, _ prefix_length: CInt
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        try stack.removeRoute(try unsafe SocketAddress.read(prefix, length), length: Int(prefix_length))
    }
}

/// Hands in a packet.
@c @implementation
public func chimney_packet_in(
    _ stack: OpaquePointer?, _ interface: CInt, _ packet: UnsafeRawPointer?, _ length: Int
) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in
        try unsafe stack.packetArrived(try unsafe Memory.toRead(packet, length), on: interface)
    }
}

/// Takes a packet.
@c @implementation
public func chimney_packet_out(
    _ stack: OpaquePointer?, _ interface: CInt, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int,
    _ time: UnsafeMutablePointer<UInt64>?
) -> Int {
    unsafe call(stack) { stack throws(Errno) in
        try unsafe stack.takePacket(from: interface, into: try unsafe Memory.toWrite(buffer, capacity), time: time)
    }
}

/// How many packets wait.
@c @implementation
public func chimney_packets_waiting(_ stack: OpaquePointer?, _ interface: CInt) -> CInt {
    unsafe callInt(stack) { stack throws(Errno) in try stack.wire(interface).packets.count }
}
