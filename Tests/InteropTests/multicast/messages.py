"""IGMP and MLD as bytes, and packet sockets that see and send them."""

import ctypes
import os
import socket
import struct
import threading
import time

ALL_HOSTS, ALL_ROUTERS, ALL_REPORTERS = "224.0.0.1", "224.0.0.2", "224.0.0.22"
IGMP_TYPES = {0x11: "query", 0x12: "report1", 0x16: "report2", 0x17: "leave2", 0x22: "report3"}
# MLDv1 is the sibling of IGMPv2 and MLDv2 that of IGMPv3, so they share names.
MLD_TYPES = {130: "query", 131: "report2", 132: "leave2", 143: "report3"}
RECORD_TYPES = {1: "IS_IN", 2: "IS_EX", 3: "TO_IN", 4: "TO_EX", 5: "ALLOW", 6: "BLOCK"}


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def number(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def text(address):
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)


# Writing ------------------------------------------------------------------------------------------------------------


def query(version, *, group="0.0.0.0", code=10, sources=(), suppress=0, robustness=2, interval=125, damage=0, cut=None,
          padding=b""):
    """An IGMP query; `cut` leaves fewer bytes than it counts, and `damage` breaks its checksum."""
    data = struct.pack("!BBH4s", 0x11, 0 if version == 1 else code, 0, number(group))
    if version == 3:
        data += struct.pack("!BBH", suppress << 3 | robustness, interval, len(sources)) + b"".join(map(number, sources))
    data = (data + padding)[:cut]
    return data[:2] + struct.pack("!H", checksum(data) ^ damage) + data[4:]


def report(version, group):
    data = struct.pack("!BBH4s", {1: 0x12, 2: 0x16}[version], 0, 0, number(group))
    return data[:2] + struct.pack("!H", checksum(data)) + data[4:]


def igmp_frame(message, *, mac, source, destination, alert=True, ttl=1):
    address = number(destination)
    to = b"\x01\x00\x5e" + bytes([address[1] & 0x7F]) + address[2:] if address[0] >= 224 else b"\xff" * 6
    options = b"\x94\x04\0\0" if alert else b""
    header = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0xC0, 20 + len(options) + len(message), 0, 0, ttl, 2, 0,
                         number(source), address) + options
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return to + mac + b"\x08\x00" + header + message


# Reading ------------------------------------------------------------------------------------------------------------


def read(frame):
    """The message of membership in a frame, or None."""
    try:
        if frame[12:14] == b"\x08\x00":
            return read_igmp(frame[14:])
        if frame[12:14] == b"\x86\xdd":
            return read_mld(frame[14:])
    except (struct.error, IndexError, ValueError):
        return {"kind": "unreadable", "from": "", "to": "", "hops": 0, "alert": False, "sum": False}
    return None


def read_igmp(packet):
    start = (packet[0] & 15) * 4
    if packet[9] != 2:
        return None
    message = packet[start:struct.unpack_from("!H", packet, 2)[0]]
    seen = {"kind": IGMP_TYPES.get(message[0], "unknown"), "from": text(packet[12:16]), "to": text(packet[16:20]),
            "hops": packet[8], "alert": b"\x94\x04\0\0" in packet[20:start], "sum": checksum(message) == 0}
    if seen["kind"] == "report3":
        seen["records"] = read_records(message, 4)
    else:
        seen["group"] = text(message[4:8])
    if seen["kind"] == "query":
        seen["version"] = 3 if len(message) >= 12 else 2 if message[1] else 1
    return seen


def read_mld(packet):
    header, start, alert = packet[6], 40, False
    if header == 0:
        alert = b"\x05\x02\0\0" in packet[42:48]
        header, start = packet[40], 48 + packet[41] * 8
    if header != 58 or packet[start] not in MLD_TYPES:
        return None
    message = packet[start:40 + struct.unpack_from("!H", packet, 4)[0]]
    pseudo = packet[8:40] + struct.pack("!II", len(message), 58)
    seen = {"kind": MLD_TYPES[message[0]], "from": text(packet[8:24]), "to": text(packet[24:40]), "hops": packet[7],
            "alert": alert, "sum": checksum(pseudo + message) == 0}
    if seen["kind"] == "report3":
        seen["records"] = read_records(message, 16)
    else:
        seen["group"] = text(message[8:24])
    if seen["kind"] == "query":
        seen["version"] = 2 if len(message) >= 28 else 1
    return seen


def read_records(message, width):
    records, at = [], 8
    for _ in range(struct.unpack_from("!H", message, 6)[0]):
        kind, more, count = struct.unpack_from("!BBH", message, at)
        words = [message[at + 4 + i * width:at + 4 + (i + 1) * width] for i in range(count + 1)]
        records.append((RECORD_TYPES.get(kind, str(kind)), text(words[0]), tuple(sorted(words[1:]))))
        at += 4 + (count + 1) * width + more * 4
    if at != len(message):
        raise ValueError("bytes behind the records")
    return [(kind, group, tuple(map(text, sources))) for kind, group, sources in records]


# The wire -----------------------------------------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)


def inside(namespace, make):
    """Runs `make` in a network namespace: a socket stays where it was made."""
    home, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        for_entering = [there, home]
        if _libc.setns(for_entering[0], 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return make()
        finally:
            _libc.setns(for_entering[1], 0x40000000)
    finally:
        os.close(home)
        os.close(there)


class Wire:
    """A device of a namespace: the messages of membership that pass it, and a way to send frames.

    What comes out of the device is `ours`: on the side of a querier that is what a host said.
    """

    def __init__(self, namespace, device):
        def open_socket():
            # With a protocol from the start it would hear every device until it is bound.
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            opened.bind((device, 3))
            # All groups, wanted by the kernel or not.
            opened.setsockopt(263, 1, struct.pack("=iHH8s", socket.if_nametoindex(device), 2, 0, b""))
            return opened

        self.socket = inside(namespace, open_socket)
        self.mac = self.socket.getsockname()[4]
        self.messages, self.lock = [], threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                frame, address = self.socket.recvfrom(65536)
            except OSError:
                return
            message = read(frame)
            if message:
                message.update(at=time.monotonic(), incoming=address[2] != socket.PACKET_OUTGOING, mac=frame[6:12])
                with self.lock:
                    self.messages.append(message)

    def send(self, frame):
        self.socket.send(frame)

    def take(self):
        with self.lock:
            taken, self.messages = self.messages, []
        return taken

    def seen(self, since=0.0):
        with self.lock:
            return [message for message in self.messages if message["at"] >= since]

    def close(self):
        self.socket.close()
