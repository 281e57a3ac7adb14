"""Frames that no honest kernel sends, put on the wire by a packet socket.

craft.py DEVICE MAC OURS udp-checksum|ip-checksum|not-ours|truncated|fragment|solicitation

They go to the chimney whose MAC and address are given, 10.7.0.2 or fd07::2. The fragment comes from another host than
the rest, for a datagram of the kernel's own that happened to have the same identification would be refused with it.
"""

import socket
import struct
import sys


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class IPv4:
    kernel, third, elsewhere = "10.7.0.1", "10.7.0.3", "10.99.0.1"
    ether_type = b"\x08\x00"

    @staticmethod
    def number(address):
        return socket.inet_aton(address)

    @classmethod
    def packet(cls, destination, payload, *, protocol=17, sender=None, missing=0, fragment=False, hops=64, damage=0):
        source = cls.number(sender or cls.kernel)
        length, flags = 20 + len(payload) + missing, 0x2000 if fragment else 0
        header = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, length, 4711, flags, hops, protocol, 0, source, cls.number(destination))
        return header[:10] + struct.pack("!H", checksum(header) ^ damage) + header[12:] + payload


class IPv6:
    kernel, third, elsewhere = "fd07::1", "fd07::3", "fd99::1"
    ether_type = b"\x86\xdd"

    @staticmethod
    def number(address):
        return socket.inet_pton(socket.AF_INET6, address)

    @classmethod
    def packet(cls, destination, payload, *, protocol=17, sender=None, missing=0, fragment=False, hops=64, damage=0):
        if fragment:
            payload = struct.pack("!BBHI", protocol, 0, 1, 4711) + payload
            protocol = 44
        header = struct.pack("!IHBB", 6 << 28, len(payload) + missing, protocol, hops)
        return header + cls.number(sender or cls.kernel) + cls.number(destination) + payload


def with_checksum(family, destination, protocol, data, at, damage=0):
    """The data with the checksum of its pseudo-header and itself, two bytes at this place."""
    addresses = family.number(family.kernel) + family.number(destination)
    value = checksum(addresses + struct.pack("!II", len(data), protocol) + data) ^ damage
    return data[:at] + struct.pack("!H", value) + data[at + 2 :]


def udp(family, destination, payload, damage=0):
    head = struct.pack("!HHHH", 4000, 7, 8 + len(payload), 0)
    return with_checksum(family, destination, 17, head + payload, 6, damage)


def solicitation(ours):
    """A neighbour solicitation as a router off the link might send it: its hop limit is not 255 (RFC 4861 section 7.1.1)."""
    message = struct.pack("!BBHI", 135, 0, 0, 0) + IPv6.number(ours)
    return IPv6.packet(ours, with_checksum(IPv6, ours, 58, message, 2), protocol=58, hops=64)


def main():
    device, mac, ours, what = sys.argv[1:5]
    family = IPv6 if ":" in ours else IPv4
    far = family.elsewhere
    packet = {
        "udp-checksum": lambda: family.packet(ours, udp(family, ours, b"damaged", damage=0x1234)),
        "ip-checksum": lambda: family.packet(ours, udp(family, ours, b"damaged"), damage=0x1234),
        "not-ours": lambda: family.packet(far, udp(family, far, b"for someone else")),
        "truncated": lambda: family.packet(ours, udp(family, ours, b"short"), missing=900),
        "fragment": lambda: family.packet(ours, udp(family, ours, bytes(1440)), sender=family.third, fragment=True),
        "solicitation": lambda: solicitation(ours),
    }.get(what)
    if packet is None:
        sys.exit(f"there is no frame '{what}'")
    with open(f"/sys/class/net/{device}/address") as file:
        source = bytes.fromhex(file.read().strip().replace(":", ""))
    frame = bytes.fromhex(mac.replace(":", "")) + source + family.ether_type + packet()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((device, 0))
        s.send(frame.ljust(60, b"\0"))


main()
