"""Frames that no honest kernel sends, put on the wire by a packet socket.

craft.py DEVICE MAC udp-checksum|ip-checksum|not-ours|truncated|fragment

They go from 10.7.0.1 to 10.7.0.2, the chimney whose MAC is given. The fragment comes from 10.7.0.3, for a datagram of
the kernel's own that happened to have the same identification would be refused together with it.
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


def ipv4(destination, payload, *, sender="10.7.0.1", total=None, flags=0, identification=1, damage=0):
    source, destination = socket.inet_aton(sender), socket.inet_aton(destination)
    length = 20 + len(payload) if total is None else total
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, identification, flags, 64, 17, 0, source, destination)
    return header[:10] + struct.pack("!H", checksum(header) ^ damage) + header[12:] + payload


def udp(destination, payload, *, damage=0):
    head = struct.pack("!HHHH", 4000, 7, 8 + len(payload), 0)
    pseudo = socket.inet_aton("10.7.0.1") + socket.inet_aton(destination) + struct.pack("!BBH", 0, 17, 8 + len(payload))
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) ^ damage) + payload


def main():
    device, mac, what = sys.argv[1:4]
    ours = "10.7.0.2"
    packet = {
        "udp-checksum": lambda: ipv4(ours, udp(ours, b"damaged", damage=0x1234)),
        "ip-checksum": lambda: ipv4(ours, udp(ours, b"damaged"), damage=0x1234),
        "not-ours": lambda: ipv4("10.99.0.1", udp("10.99.0.1", b"for someone else")),
        "truncated": lambda: ipv4(ours, udp(ours, b"short"), total=1000),
        "fragment": lambda: ipv4(ours, udp(ours, bytes(1472)), sender="10.7.0.3", flags=0x2000, identification=4711),
    }.get(what)
    if packet is None:
        sys.exit(f"there is no frame '{what}'")
    with open(f"/sys/class/net/{device}/address") as file:
        source = bytes.fromhex(file.read().strip().replace(":", ""))
    frame = bytes.fromhex(mac.replace(":", "")) + source + b"\x08\x00" + packet()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((device, 0))
        s.send(frame.ljust(60, b"\0"))


main()
