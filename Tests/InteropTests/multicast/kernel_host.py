#!/usr/bin/env python3
"""The kernel behind the lines of `chimney mtest --json`: a host to hold Chimney against, and the sender of the streams.

kernel_host.py DEVICE [PORT]

One command a line, one JSON object a line; see `chimney mtest --help`. `send` takes `from SOURCE` as well.
"""

import errno
import ipaddress
import json
import select
import socket
import struct
import sys
import threading
import time

JOIN, BLOCK, UNBLOCK, LEAVE, JOIN_SOURCE, LEAVE_SOURCE, FILTER = 42, 43, 44, 45, 46, 47, 48
CALLS = {"join": JOIN, "leave": LEAVE, "sjoin": JOIN_SOURCE, "sleave": LEAVE_SOURCE, "block": BLOCK, "unblock": UNBLOCK}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def level(address):
    return socket.IPPROTO_IPV6 if ":" in address else socket.IPPROTO_IP


def storage(address):
    """A `struct sockaddr_storage`."""
    raw = socket.inet_pton(family(address), address)
    head = struct.pack("=HH", family(address), 0) + (struct.pack("=I", 0) if len(raw) == 16 else b"")
    return (head + raw).ljust(128, b"\0")


def spread(words):
    """`S,G+COUNT`: the commands that a command with a range stands for."""
    group, plus, count = words[1].partition("+")
    source, comma, rest = group.partition(",")
    if comma:
        words, group = [words[0], rest, source, *words[2:]], rest
    if not plus:
        return [[words[0], group, *words[2:]]]
    return [[words[0], str(ipaddress.ip_address(group) + i), *words[2:]] for i in range(int(count))]


class Host:
    def __init__(self, device, port):
        self.index, self.port = socket.if_nametoindex(device), port
        self.ports, self.sockets, self.counts = {}, {}, {}
        self.poll = select.epoll()
        threading.Thread(target=self.receive, daemon=True).start()

    def opened(self, name, group):
        if name in self.sockets:
            return self.sockets[name]
        made = socket.socket(family(group), socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Only what this socket itself joined, and the group that each datagram went to.
        if ":" in group:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, 29, 0)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, 49, 0)
            made.setsockopt(socket.IPPROTO_IP, 8, 1)
        made.bind(("", self.ports.get(name, self.port)))
        made.setblocking(False)
        self.sockets[name] = made
        self.poll.register(made.fileno(), select.EPOLLIN)
        return made

    def close(self, name):
        self.ports.pop(name, None)
        made = self.sockets.pop(name, None)
        if made:
            self.poll.unregister(made.fileno())
            made.close()

    def receive(self):
        while True:
            ready = {descriptor for descriptor, _ in self.poll.poll(0.5)}
            for made in [made for made in list(self.sockets.values()) if made.fileno() in ready]:
                try:
                    while True:
                        _, control, _, sender = made.recvmsg(4096, 256)
                        raw = control[0][2]
                        group = raw[8:12] if len(raw) == 12 else raw[:16]
                        key = f"{sender[0].split('%')[0]}>{socket.inet_ntop(made.family, group)}"
                        self.counts[key] = self.counts.get(key, 0) + 1
                except OSError:
                    pass

    def call(self, words, name):
        word, group, more = words[0], words[1], words[2:]
        # Linux numbers exclude 0 and include 1; the request begins with the interface and the group.
        request = struct.pack("=II", self.index, 0) + storage(group)
        made = self.opened(name or group, group)
        if word == "filter":
            value = struct.pack("=II", int(more[0] == "in"), len(more) - 1) + b"".join(map(storage, more[1:]))
            made.setsockopt(level(group), FILTER, request + value)
        else:
            made.setsockopt(level(group), CALLS[word], request + (storage(more[0]) if more else b""))

    def send(self, group, count, pps=100.0, ttl=8, length=64, port=None, source=None):
        made = socket.socket(family(group), socket.SOCK_DGRAM)
        if ":" in group:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self.index)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        else:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=8xi", self.index))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        if source:
            made.bind((source, 0))

        def run():
            began = time.monotonic()
            for i in range(count):
                time.sleep(max(0, began + i / pps - time.monotonic()))
                made.sendto(struct.pack("!I", i).ljust(length, b"."), (group, port or self.port))
            made.close()

        threading.Thread(target=run, daemon=True).start()

    def answer(self, line):
        words, name, source = line.split(), None, None
        if len(words) > 3 and words[-2] == "from":
            words, source = words[:-2], words[-1]
        if len(words) > 3 and words[-2] == "as":
            words, name = words[:-2], words[-1]
        word = words[0]
        if word == "open":
            self.ports[words[1]] = int(words[2]) if len(words) > 2 else self.port
        elif word == "close":
            self.close(words[1])
        elif word in CALLS or word == "filter":
            for one in spread(words):
                self.call(one, name)
            # A socket of its own for a group is there for as long as the membership.
            if word == "leave" and not name:
                self.close(words[1])
        elif word == "send":
            numbers = words[2:]
            self.send(words[1], int(numbers[0]), *map(float, numbers[1:2]), *map(int, numbers[2:]), source=source)
        elif word == "count":
            return {"count": dict(self.counts)}
        elif word == "reset":
            self.counts.clear()
        elif word != "now":
            return {"error": f"there is no command '{word}'"}
        return {}


def main():
    host = Host(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5001)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        try:
            answer = host.answer(line)
        except OSError as failure:
            name = errno.errorcode.get(failure.errno, str(failure.errno))
            answer = {"error": failure.strerror or name, "errno": name}
        answer.setdefault("t", time.monotonic())
        print(json.dumps(answer), flush=True)


main()
