"""A chimney inside this process opens a connection to an echo service: the C API over a TUN device.

caller.py LIBRARY DEVICE OURS/LENGTH PEER PORT MIB|silent

It sends so many MiB and looks at what comes back, or sees to it that nobody answers for three seconds. It makes the device and waits until it is up. With CHIMNEY_KEY segments are signed (TCP_MD5SIG, RFC 2385). The exit code is the answer.
"""

import ctypes
import errno
import fcntl
import hashlib
import os
import select
import socket
import struct
import sys
import time

chunk = 1 << 16


class Settings(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("random", ctypes.c_uint32), ("clock", ctypes.c_uint32), ("seed", ctypes.c_uint64),
        ("descriptors_max", ctypes.c_uint32), ("packets_max", ctypes.c_uint32),
    ]


def name_of(address, port):
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address)
        return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + packed + bytes(4)
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)


class Host:
    """A stack on a TUN device, and one socket of it."""

    def __init__(self, library, device, address, length):
        self.calls = ctypes.CDLL(library, use_errno=True)
        self.calls.chimney_create.restype = ctypes.c_void_p
        self.calls.chimney_deadline.restype = ctypes.c_uint64
        self.calls.chimney_now.restype = ctypes.c_uint64
        for name in ("packet_out", "send", "recv"):
            getattr(self.calls, "chimney_" + name).restype = ctypes.c_ssize_t
        real = Settings(ctypes.sizeof(Settings), 0, 1, 0, 0, 0)
        self.stack = ctypes.c_void_p(self.calls.chimney_create(ctypes.byref(real)))
        self.wire = self.call("attach", b"tun", 1500)
        own = name_of(address, 0)
        self.call("add_address", self.wire, own, len(own), length)
        self.buffer = ctypes.create_string_buffer(chunk)
        # TUNSETIFF with IFF_TUN and IFF_NO_PI.
        self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.device, 0x400454CA, struct.pack("16sH22x", device.encode(), 0x1001))

    def call(self, name, *arguments):
        """A call of the API; what it would have to wait for is None."""
        result = getattr(self.calls, "chimney_" + name)(self.stack, *arguments)
        if result != -1:
            return result
        number = ctypes.get_errno()
        if number in (errno.EAGAIN, errno.EINPROGRESS):
            return None
        sys.exit(f"{name}: {os.strerror(number)}")

    def turn(self):
        """Carries packets both ways and lets time pass, a hundredth of a second at most."""
        left = (self.calls.chimney_deadline(self.stack) - self.calls.chimney_now(self.stack)) / 1e9
        select.select([self.device], [], [], min(0.01, max(0, left)))
        for _ in range(64):
            try:
                packet = os.read(self.device, chunk)
            except OSError:
                break
            self.call("packet_in", self.wire, packet, len(packet))
        self.call("advance", ctypes.c_uint64(0))
        while count := self.call("packet_out", self.wire, self.buffer, ctypes.c_size_t(chunk), None):
            try:
                os.write(self.device, self.buffer.raw[:count])
            except OSError:
                pass


def main():
    library, device, own, peer, port = *sys.argv[1:5], int(sys.argv[5])
    total = 0 if sys.argv[6] == "silent" else int(sys.argv[6]) << 20
    address, length = own.split("/")
    host = Host(library, device, address, int(length))
    end = time.monotonic() + 60
    while "UP" not in os.popen(f"ip link show {device} up").read():
        if time.monotonic() > end:
            sys.exit("the device is not up")
        time.sleep(0.1)
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    fd = host.call("socket", family, socket.SOCK_STREAM | os.O_NONBLOCK, 0)
    target = name_of(peer, port)
    if word := os.environ.get("CHIMNEY_KEY", "").encode():
        key = target.ljust(128, b"\0") + struct.pack("=BBHi80s", 0, 0, len(word), 0, word)
        host.call("setsockopt", fd, socket.IPPROTO_TCP, 14, key, len(key))
    block = hashlib.shake_256(b"chimney").digest(1 << 20)
    sent, came = hashlib.sha256(), hashlib.sha256()
    host.call("connect", fd, target, len(target))
    if total == 0:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            host.turn()
        if host.call("send", fd, b"x", ctypes.c_size_t(1), 0) is not None:
            sys.exit("somebody answered")
        return
    # What would have to wait goes on once the connection is open; one that failed says so.
    written = count = 0
    while count < total:
        if time.monotonic() > end:
            sys.exit(f"{written} bytes were written and {count} came back")
        host.turn()
        while written < total:
            piece = block[written % len(block) :][: min(chunk, total - written)]
            took = host.call("send", fd, piece, ctypes.c_size_t(len(piece)), 0)
            if not took:
                break
            sent.update(piece[:took])
            written += took
        while took := host.call("recv", fd, host.buffer, ctypes.c_size_t(chunk), 0):
            came.update(host.buffer.raw[:took])
            count += took
    if sent.digest() != came.digest():
        sys.exit("what came back is not what was sent")
    host.call("close", fd)
    for _ in range(20):
        host.turn()


main()
