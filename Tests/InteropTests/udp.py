"""Questions to the UDP services of a chimney, over the kernel's sockets; the exit code is the answer.

udp.py refused|echo|discard|chargen ADDRESS PORT
"""

import errno
import socket
import sys


def ask(address, port, payload, seconds):
    """The answer to a datagram, None when there is none in time."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        s.connect((address, port))
        s.send(payload)
        try:
            return s.recv(65536)
        except TimeoutError:
            return None


def main():
    what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "refused":
        try:
            answer = ask(address, port, b"anyone?", 3)
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return
            sys.exit(f"the error was {error}, not ECONNREFUSED")
        sys.exit(f"no error came, but {answer!r}")
    if what == "echo":
        for payload in (b"", b"x", bytes(range(256)) * 20):
            answer = ask(address, port, payload, 3)
            if answer != payload:
                sys.exit(f"{len(payload)} bytes were sent, {answer and len(answer)} came back")
    elif what == "discard":
        answer = ask(address, port, b"into the void", 1)
        if answer is not None:
            sys.exit(f"{len(answer)} bytes came back")
    elif what == "chargen":
        answer = ask(address, port, b"go", 3)
        if answer is None:
            sys.exit("nothing came back")
        if len(answer) > 512 or not answer.replace(b"\r\n", b"").isascii():
            sys.exit(f"RFC 864 asks for at most 512 characters; {len(answer)} bytes came: {answer[:40]!r}")
    else:
        sys.exit(f"there is no question '{what}'")


main()
