"""Questions to the TCP services of a chimney, over the kernel's sockets; the exit code is the answer.

tcp.py refused|halfclose|reset|silent ADDRESS PORT
tcp.py echo|discard|chargen ADDRESS PORT MIB
tcp.py many ADDRESS PORT CONNECTIONS
tcp.py hold ADDRESS PORT SECONDS
tcp.py serve ADDRESS PORT
tcp.py pattern BYTES FILE

pattern writes what /bytes/BYTES of the http service gives, and says what /crc32 says of it. serve listens there, and echoes what one connection says. With CHIMNEY_KEY segments are signed (TCP_MD5SIG, RFC 2385), to a server
from all addresses that share 16 bits with its own; CHIMNEY_SOURCE is the address that connections come from.
"""

import errno
import hashlib
import os
import selectors
import socket
import struct
import sys
import threading
import time
import zlib


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def sign(s, address, prefix=None):
    """Has segments to an address, or to all that share so many bits with it, signed where the environment has a key."""
    word = os.environ.get("CHIMNEY_KEY", "").encode()
    if not word:
        return
    # struct tcp_md5sig: a sockaddr_storage, flags (1: a prefix), its length, the key's length, an interface, the key.
    if family_of(address) == socket.AF_INET:
        name = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(address))
    else:
        name = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, address), 0)
    rest = struct.pack("=BBHi80s", 0 if prefix is None else 1, prefix or 0, len(word), 0, word)
    md5sig, md5sig_ext = 14, 32
    s.setsockopt(socket.IPPROTO_TCP, md5sig if prefix is None else md5sig_ext, name.ljust(128, b"\0") + rest)


def connect(address, port, seconds=10):
    s = socket.socket(family_of(address), socket.SOCK_STREAM)
    s.settimeout(seconds)
    sign(s, address)
    if "CHIMNEY_SOURCE" in os.environ:
        s.bind((os.environ["CHIMNEY_SOURCE"], 0))
    s.connect((address, port))
    return s


def pieces(mib):
    """So many MiB of bytes that repeat nowhere near."""
    block = hashlib.shake_256(b"chimney").digest(1 << 20)
    for number in range(mib):
        yield struct.pack(">Q", number) + block[8:]


def echo(address, port, mib):
    sent, came = hashlib.sha256(), hashlib.sha256()
    with connect(address, port, 60) as s:
        def write():
            for piece in pieces(mib):
                sent.update(piece)
                s.sendall(piece)
            s.shutdown(socket.SHUT_WR)

        began = time.monotonic()
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        count = 0
        while data := s.recv(1 << 18):
            came.update(data)
            count += len(data)
        writer.join(10)
        took = time.monotonic() - began
    if count != mib << 20 or sent.digest() != came.digest():
        sys.exit(f"{mib << 20} bytes were sent, {count} came back, equal: {sent.digest() == came.digest()}")
    print(f"{mib} MiB each way in {took:.2f} s, {count * 8 / took / 1e6:.0f} Mbit/s")


def discard(address, port, mib):
    began = time.monotonic()
    with connect(address, port, 60) as s:
        for piece in pieces(mib):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        rest = s.recv(1)
    if rest:
        sys.exit(f"something came back: {rest!r}")
    took = time.monotonic() - began
    print(f"{mib} MiB in {took:.2f} s, {mib * 8.388608 / took:.0f} Mbit/s")


def chargen(address, port, mib):
    characters = bytes(range(32, 127))
    line = lambda number: bytes(characters[(number + place) % 95] for place in range(72)) + b"\r\n"
    pattern = b"".join(line(number) for number in range(95))
    with connect(address, port, 60) as s:
        count = 0
        expected = pattern * 64
        while count < mib << 20:
            data = s.recv(1 << 18)
            if not data:
                sys.exit(f"the end came after {count} bytes")
            start = count % len(pattern)
            if data != expected[start : start + len(data)] and data != (pattern * (len(data) // len(pattern) + 2))[start : start + len(data)]:
                sys.exit(f"other characters than those of RFC 864 behind byte {count}: {data[:80]!r}")
            count += len(data)
        # What comes now is not read: the peer is reset.


def half_close(address, port):
    with connect(address, port) as s:
        s.sendall(b"all I have to say")
        s.shutdown(socket.SHUT_WR)
        data = b""
        while part := s.recv(4096):
            data += part
        if data != b"all I have to say":
            sys.exit(f"{data!r} came back")


def reset(address, port):
    for _ in range(100):
        s = connect(address, port)
        s.sendall(b"x" * 5000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    half_close(address, port)


def refused(address, port):
    try:
        connect(address, port, 5).close()
    except OSError as error:
        if error.errno == errno.ECONNREFUSED:
            return
        sys.exit(f"the error was {error}, not ECONNREFUSED")
    sys.exit("somebody is there")


def silent(address, port):
    """Nobody answers, not even by a refusal."""
    try:
        connect(address, port, 3).close()
    except TimeoutError:
        return
    sys.exit("somebody is there")


def hold(address, port, seconds):
    with connect(address, port) as s:
        s.sendall(b"here")
        time.sleep(seconds)


def serve(address, port):
    with socket.socket(family_of(address), socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sign(listener, address, 16)
        # It may be there before its address is.
        ip_freebind, ipv6_freebind = (socket.IPPROTO_IP, 15), (socket.IPPROTO_IPV6, 78)
        listener.setsockopt(*(ipv6_freebind if ":" in address else ip_freebind), 1)
        listener.bind((address, port))
        listener.listen()
        listener.settimeout(60)
        s, _ = listener.accept()
    with s:
        s.settimeout(60)
        while data := s.recv(1 << 18):
            s.sendall(data)


def many(address, port, count):
    """So many connections at the same time, each with bytes of its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    selector = selectors.DefaultSelector()
    for number in range(count):
        s = socket.socket(family, socket.SOCK_STREAM)
        s.setblocking(False)
        s.connect_ex((address, port))
        selector.register(s, selectors.EVENT_WRITE, {"number": number, "came": b""})
    opened, done, end = 0, 0, time.monotonic() + 60
    waiting = []
    while done < count:
        if time.monotonic() > end:
            sys.exit(f"after 60 s {opened} of {count} are open and {done} are done")
        for key, events in selector.select(1):
            s, state = key.fileobj, key.data
            payload = struct.pack(">I", state["number"]) * 500
            if events & selectors.EVENT_WRITE:
                error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    sys.exit(f"connection {state['number']}: {errno.errorcode[error]}")
                opened += 1
                selector.unregister(s)
                waiting.append((s, state))
                # All are open before the first says a word.
                if opened == count:
                    for other, its in waiting:
                        other.send(struct.pack(">I", its["number"]) * 500)
                        selector.register(other, selectors.EVENT_READ, its)
            else:
                state["came"] += s.recv(4096)
                if len(state["came"]) >= len(payload):
                    if state["came"] != payload:
                        sys.exit(f"connection {state['number']} got the bytes of another")
                    done += 1
                    selector.unregister(s)
                    s.close()


def pattern(count, name):
    """Byte i is the exclusive or of the four low bytes of i: rows of 256 bytes that differ in what all of theirs are mixed with."""
    rows = [bytes(column ^ mixed for column in range(256)) for mixed in range(256)]
    checksum = 0
    with open(name, "wb") as file:
        for start in range(0, count, 1 << 20):
            block = b"".join(
                rows[(row ^ row >> 8 ^ row >> 16) & 255] for row in range(start >> 8, (min(start + (1 << 20), count) + 255) >> 8))
            block = block[: count - start]
            checksum = zlib.crc32(block, checksum)
            file.write(block)
    print(f"{count} bytes, CRC-32 {checksum:08x}")


def main():
    if sys.argv[1] == "pattern":
        return pattern(int(sys.argv[2]), sys.argv[3])
    what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    number = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    questions = {"echo": echo, "discard": discard, "chargen": chargen, "many": many, "hold": hold}
    if what in questions:
        questions[what](address, port, number)
    elif what == "halfclose":
        half_close(address, port)
    elif what == "reset":
        reset(address, port)
    elif what == "refused":
        refused(address, port)
    elif what == "silent":
        silent(address, port)
    elif what == "serve":
        serve(address, port)
    else:
        sys.exit(f"there is no question '{what}'")


main()
