#!/usr/bin/env python3
"""Runs packet scripts (docs/packet-scripts.md) against the kernel's TCP, through a TUN device in a namespace of their own.

    scripts.py [-4|-6] [-v] [SCRIPT...]

Every case of every script of Tests/Traces is run over both families, unless some are named. It ends as

    passed   the kernel does what the script says, as far as a kernel can be asked
    known    it does something else, and Tests/Traces/kernel.tsv says why
    skipped  it cannot be asked: a setting that a kernel does not have, or times longer than INTEROP_SCRIPT_SECONDS (12)
    failed   it does something else, or a row of kernel.tsv says so and it does not

What is compared: times within 50 ms, or a quarter of a longer one, flags but PSH, numbers, bytes, options that are there, marks, windows where the script
has zero, and of `expect` the state, the failure and the segment size. What a packet died of, no kernel tells.
"""
import concurrent.futures
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import sys
import time

TRACES = pathlib.Path(__file__).resolve().parent.parent / "Traces"
LONGEST = float(os.environ.get("INTEROP_SCRIPT_SECONDS", "12"))
TOLERANCE = 0.05
# A case that differs is run again, because a busy machine is late.
ATTEMPTS = 5
LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128}
MARKS = {"notect": 0, "ect1": 1, "ect0": 2, "ce": 3}
STATES = {
    1: "established", 2: "synSent", 3: "synReceived", 4: "finWait1", 5: "finWait2", 6: "timeWait", 7: "closed",
    8: "closeWait", 9: "lastAck", 10: "listen", 11: "closing",
}
FAILURES = {
    "none": {0}, "reset": {errno.ECONNRESET, errno.EPIPE}, "refused": {errno.ECONNREFUSED}, "shutDown": {errno.EPIPE},
    "timedOut": {errno.ETIMEDOUT}, "keepAliveTimedOut": {errno.ETIMEDOUT}, "unreachable": {errno.EHOSTUNREACH},
}


class Skipped(Exception):
    """A kernel cannot be asked this."""


class Broken(Exception):
    """The kernel does something else."""


def seconds(word):
    match = re.fullmatch(r"([0-9.]+)(ms|us|s|)", word)
    return float(match[1]) * {"ms": 1e-3, "us": 1e-6, "s": 1, "": 1}[match[2]]


def span(word):
    """A time of a line: whether it counts from the line before, and its bounds."""
    relative = word.startswith("+")
    first, _, last = word.lstrip("+").partition("..")
    return relative, seconds(first), seconds(last or first)


def pattern(word):
    """The least and the largest number that a word allows."""
    if word == "*":
        return -(1 << 40), 1 << 40
    first, dots, last = word.partition("..")
    if not dots:
        return int(word), int(word)
    return int(first) if first else -(1 << 40), int(last) if last else 1 << 40


class Script:
    """A script as Tests/ChimneyStackTests/PacketScripts reads it; that it can be read was tested there."""

    def __init__(self, path):
        self.name = str(path.relative_to(TRACES))
        self.families = [4, 6]
        self.mtu, self.mss = None, 1460
        self.isn, self.port = 0xFFFFF000, 40000
        self.options = []
        prelude, cases = [], []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "case":
                cases.append((" ".join(words[1:]), []))
            elif words[0][0] in "+0123456789":
                (cases[-1][1] if cases else prelude).append((number, words))
            else:
                self.head(words)
        self.cases = [(name, prelude + lines) for name, lines in cases] or [("", prelude)]

    def head(self, words):
        if words[0] == "family":
            self.families = {"ipv4": [4], "ipv6": [6], "both": [4, 6]}[words[1]]
        elif words[:2] == ["stack", "mtu"]:
            self.mtu = int(words[2])
        elif words[:2] == ["stack", "mss"]:
            self.mss = int(words[2])
        elif words[:2] == ["peer", "isn"]:
            self.isn = int(words[2])
        elif words[:2] == ["peer", "port"]:
            self.port = int(words[2])
        elif words[0] == "tolerance" or words[:2] == ["stack", "seed"]:
            pass
        else:
            self.options.append(words[1:])


class Segment:
    """What stands behind < or >."""

    def __init__(self, words):
        self.flags = None if words[0] == "*" else sum(LETTERS[letter] for letter in words[0] if letter != "-")
        self.seq, self.count, self.mark, self.fields, self.sack, self.dies = None, 0, 0, {}, [], None
        words = words[1:]
        while words:
            word = words.pop(0)
            match = re.fullmatch(r"(-?\d+):(-?\d+)", word)
            if match:
                self.seq, self.count = match[1], int(match[2]) - int(match[1])
            elif word in MARKS:
                self.mark = MARKS[word]
            elif word == "seq":
                self.seq = words.pop(0)
            elif word in ("sackok", "df", "nodf"):
                self.fields[word] = True
            elif word == "ts":
                self.fields["ts"] = (words.pop(0), words.pop(0))
            elif word == "sack":
                self.sack = [tuple(int(edge) for edge in block.split(":")) for block in words.pop(0).split(",")]
            elif word == "dies":
                self.dies = words.pop(0)
            else:
                self.fields[word] = words.pop(0)


def stream(offset, count):
    return bytes(((at * 31) ^ (at >> 7)) & 255 for at in range(offset, offset + count))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Flow:
    """Where the numbers and clocks of a connection begin; the same as ScriptFlow."""

    def __init__(self, peer, local, isn):
        self.peer, self.local, self.isn = peer, local, isn
        self.iss = self.clock = None
        self.latest = 0
        self.syns = [isn, 0]


class Bench:
    """A kernel in a namespace, its TUN device, and the peer beyond it."""

    def __init__(self, script, family):
        self.script, self.family = script, family
        self.ours, self.theirs, self.router = {
            4: ("10.0.0.2", "10.0.0.1", "192.0.2.1"),
            6: ("2001:db8::2", "2001:db8::1", "2001:db8:ffff::1"),
        }[family]
        self.header = 20 if family == 4 else 40
        self.kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self.sockets, self.listeners, self.flows = {}, {}, {}
        self.written, self.taken = {}, {}
        self.port, self.listening = script.port, None
        self.queue, self.log = [], []
        self.calls = []
        if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
            raise Skipped("no namespace")
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))
        mtu = script.mtu or script.mss + 20 + self.header
        for setting in ("all", "default", "tun0"):
            self.set(f"ipv6/conf/{setting}/router_solicitations", 0)
            self.set(f"ipv6/conf/{setting}/accept_dad", 0)
        # Duplicates of an earlier challenge are not held back for their own sake, SYNs are sent again as RFC 6298 says.
        self.set("ipv4/tcp_syn_linear_timeouts", 0)
        self.route = ["rto_min", "200ms"]
        for words in script.options:
            self.option(*words)
        length = 24 if family == 4 else 64
        self.run("ip", "link", "set", "tun0", "mtu", str(mtu), "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"{self.ours}/{length}", "dev", "tun0", *(["nodad"] if family == 6 else []))
        self.run("ip", "route", "replace", f"{self.theirs}/{32 if family == 4 else 128}", "dev", "tun0", *self.route)
        self.run("ip", "route", "replace", f"{self.router}/{32 if family == 4 else 128}", "dev", "tun0")
        time.sleep(0.02)
        self.drain()
        self.queue.clear()

    @staticmethod
    def run(*words):
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def set(path, value):
        try:
            pathlib.Path("/proc/sys/net", path).write_text(str(value))
        except OSError as error:
            raise Skipped(f"no {path}") from error

    # Settings

    def option(self, name, *values):
        on = {"on": True, "off": False}.get(values[0])
        number = values[0]
        sysctls = {
            "hasTimestamps": ("tcp_timestamps", int(bool(on))), "hasSelectiveAcks": ("tcp_sack", int(bool(on))),
            "scalesWindow": ("tcp_window_scaling", int(bool(on))), "tailLossProbe": ("tcp_early_retrans", 3 if on else 0),
            "forwardTimeout": ("tcp_frto", 2 if on else 0), "rack": ("tcp_recovery", int(bool(on))),
            "findsBlackHoles": ("tcp_mtu_probing", int(bool(on))), "synRetriesMax": ("tcp_syn_retries", number),
            "retransmissionsMax": ("tcp_retries2", number), "challengesPerSecondMax": ("tcp_challenge_ack_limit", number),
            "ecn": ("tcp_ecn", {"off": 0, "accepts": 2, "requests": 1}.get(number)),
            "cookies": ("tcp_syncookies", {"off": 0, "whenFull": 1, "always": 2}.get(number)),
            "congestion": ("tcp_congestion_control", {"newReno": "reno"}.get(number, number)),
        }
        if name in sysctls:
            self.set("ipv4/" + sysctls[name][0], sysctls[name][1])
        elif name == "rtoMax":
            self.set("ipv4/tcp_rto_max_ms", int(seconds(number) * 1000))
        elif name == "rtoMin":
            self.route[1] = f"{int(seconds(number) * 1000)}ms"
        elif name == "initialWindow":
            self.route += ["initcwnd", number]
        elif name in ("keepAlive", "userTimeout", "noDelay"):
            self.calls.append((name, values))
        elif (name, seconds(number) if name in ("timeWait", "rtoInitial") else None) in (
            ("timeWait", 60), ("rtoInitial", 1),
        ):
            pass
        else:
            raise Skipped(f"a kernel has no {name}")

    def adjust(self, sock, name, values):
        if name == "keepAlive":
            on = values[0] != "off"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, on)
            if on:
                for key, value in zip((socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL), values):
                    sock.setsockopt(socket.IPPROTO_TCP, key, int(seconds(value)))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, int(values[2]))
        elif name == "userTimeout":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds(values[0]) * 1000))
        elif name == "noDelay":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, values[0] == "on")
        else:
            raise Skipped(f"a socket of a kernel has no {name}")

    # Time

    def go(self, lines):
        self.start = self.before = time.monotonic()
        for self.line, words in lines:
            relative, first, last = span(words[0])
            base = self.before if relative else self.start
            if words[1] == ">":
                self.awaited(Segment(words[2:]), base + first, base + last, max(TOLERANCE, last / 4))
                continue
            self.passed(base + first)
            # A busy machine is late: what follows counts from when it happened.
            self.before = time.monotonic()
            self.note(" ".join(words[1:]))
            self.do(words[1:])
        self.passed(time.monotonic() + 0.02)

    def note(self, text):
        self.log.append(f"{time.monotonic() - self.start:.3f} {text}")

    def passed(self, until):
        until = max(until, time.monotonic() + 0.003)
        while not self.queue and (left := until - time.monotonic()) > 0:
            select.select([self.tun], [], [], left)
            self.drain()
        if self.queue:
            raise Broken(f"left what no line names: {self.queue[0][1]}")

    def awaited(self, written, first, last, tolerance):
        until = max(last, time.monotonic()) + tolerance
        while not self.queue and (left := until - time.monotonic()) > 0:
            select.select([self.tun], [], [], left)
            self.drain()
        if not self.queue:
            raise Broken("nothing left")
        at, text, seen = self.queue.pop(0)
        differences = self.compare(written, seen)
        if differences:
            raise Broken(f"{', '.join(differences)}: {text}")
        if at < first - tolerance:
            raise Broken(f"it left {first - at:.3f} s early: {text}")
        self.before = at

    # What leaves

    def drain(self):
        while True:
            try:
                packet = os.read(self.tun, 65_536)
            except BlockingIOError:
                return
            if packet[0] >> 4 != self.family:
                continue
            number = packet[9] if self.family == 4 else packet[6]
            if number == 6:
                self.see(packet)

    def see(self, packet):
        service = packet[1] if self.family == 4 else (packet[0] << 4 | packet[1] >> 4) & 255
        segment = packet[self.header:]
        local, peer, seq, ack, word, window, _, urgent = struct.unpack("!HHIIHHHH", segment[:20])
        flow = self.flows.setdefault(peer, Flow(peer, local, self.script.isn))
        flow.local = local
        flags, header = word & 0x1FF, (word >> 12) * 4
        if flags & 2:
            flow.syns[1] = seq
            flow.iss = seq if flow.iss is None else flow.iss
        seen = {"flags": flags, "window": window, "mark": service & 3, "port": peer, "urg": urgent, "sack": []}
        seen["seq"] = signed(seq - (flow.iss or 0))
        seen["ack"] = signed(ack - flow.isn)
        seen["df"] = packet[6] & 0x40 != 0
        data = segment[header:]
        seen["count"] = len(data)
        seen["right"] = data == stream(seen["seq"] - (0 if flags & 2 else 1), len(data)) if data else True
        options = segment[20:header]
        while options and options[0]:
            if options[0] == 1:
                options = options[1:]
                continue
            kind, length = options[0], options[1]
            body = options[2:length]
            if kind == 2:
                seen["mss"] = struct.unpack("!H", body)[0]
            elif kind == 3:
                seen["ws"] = body[0]
            elif kind == 4:
                seen["sackok"] = True
            elif kind == 8:
                clock, echo = struct.unpack("!II", body)
                flow.clock = clock if flow.clock is None else flow.clock
                flow.latest = clock
                seen["ts"] = (signed(clock - flow.clock), echo)
            elif kind == 5:
                edges = struct.unpack(f"!{len(body) // 4}I", body)
                seen["sack"] = [tuple(signed(edge - flow.isn) for edge in edges[at:at + 2]) for at in range(0, len(edges), 2)]
            options = options[length:]
        text = self.text(seen)
        self.queue.append((time.monotonic(), text, seen))
        self.note(text)

    @staticmethod
    def text(seen):
        flags = "".join(letter for letter in "SFRPUEW." if seen["flags"] & LETTERS[letter])
        number = f"{seen['seq']}:{seen['seq'] + seen['count']}" if seen["count"] else f"seq {seen['seq']}"
        rest = "".join(f" {key} {seen[key]}" for key in ("mss", "ws", "ts", "sackok") if key in seen)
        sack = "".join(f" {left}:{right}" for left, right in seen["sack"])
        return f"> {flags} {number} ack {seen['ack']} win {seen['window']}{rest}{' sack' + sack if sack else ''}"

    @staticmethod
    def compare(written, seen):
        result = []

        def check(what, word, value):
            if word is not None and not pattern(word)[0] <= value <= pattern(word)[1]:
                result.append(f"{what} is {value}, not {word}")

        if written.flags is not None and (written.flags ^ seen["flags"]) & ~8:
            result.append("flags differ")
        check("seq", written.seq, seen["seq"])
        if seen["flags"] & 16:
            check("ack", written.fields.get("ack"), seen["ack"])
        if written.count != seen["count"]:
            result.append(f"it has {seen['count']} bytes, not {written.count}")
        if not seen["right"]:
            result.append("its data is not what stands there in the stream")
        if written.fields.get("win") == "0" and seen["window"] and not seen["flags"] & 4:
            result.append("its window is open")
        check("mss", written.fields.get("mss"), seen.get("mss", -1))
        for option in ("mss", "ws", "sackok"):
            if (option in written.fields) != (option in seen):
                result.append(f"{option} is {'there' if option in seen else 'missing'}")
        if (seen["flags"] & 2 or "ts" in written.fields) and ("ts" in written.fields) != ("ts" in seen):
            result.append(f"ts is {'there' if 'ts' in seen else 'missing'}")
        if "ts" in written.fields and "ts" in seen:
            check("the echo of ts", written.fields["ts"][1], seen["ts"][1])
        if written.sack != seen["sack"]:
            result.append(f"sack is {seen['sack']}, not {written.sack}")
        if written.mark != seen["mark"]:
            result.append(f"the mark is {seen['mark']}, not {written.mark}")
        check("port", written.fields.get("port"), seen["port"])
        return result

    # What arrives

    def address(self, text):
        return socket.inet_pton(self.kind, text)

    def packet(self, protocol, payload, source, destination, mark=0):
        source, destination = self.address(source), self.address(destination)
        if self.family == 6:
            word = 6 << 28 | mark << 20
            return struct.pack("!IHBB", word, len(payload), protocol, 64) + source + destination + payload
        head = struct.pack("!BBHHHBBH", 0x45, mark, 20 + len(payload), 1, 0, 64, protocol, 0) + source + destination
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload

    def pseudo(self, protocol, count, source, destination):
        return self.address(source) + self.address(destination) + struct.pack("!IHBB", count, 0, 0, protocol)

    def give(self, words):
        segment = Segment(words)
        self.port = int(segment.fields.get("port", self.port))
        local = segment.fields.get("to") or (self.flows[self.port].local if self.port in self.flows else self.listening)
        if local is None:
            raise Skipped("no port to send to")
        flow = self.flows.setdefault(self.port, Flow(self.port, int(local), self.script.isn))
        flow.local = int(local)
        seq = int(segment.seq or 0)
        options = b""
        fields = segment.fields
        if "mss" in fields:
            options += struct.pack("!BBH", 2, 4, int(fields["mss"]))
        if "sackok" in fields:
            options += b"\4\2"
        if "ts" in fields:
            clock, echo = fields["ts"]
            echo = flow.latest if echo == "*" else (flow.clock or 0) + int(echo)
            options += struct.pack("!BBII", 8, 10, int(clock) & 0xFFFFFFFF, echo & 0xFFFFFFFF)
        if "ws" in fields:
            options += struct.pack("!BBB", 3, 3, int(fields["ws"]))
        if segment.sack:
            options += struct.pack("!BB", 5, 2 + 8 * len(segment.sack))
            for edge in (edge for block in segment.sack for edge in block):
                options += struct.pack("!I", ((flow.iss or 0) + edge) & 0xFFFFFFFF)
        options += b"\1" * (-len(options) % 4)
        number = (flow.isn + seq) & 0xFFFFFFFF
        if segment.flags & 2:
            flow.syns[0] = number
        ack = ((flow.iss or 0) + int(fields["ack"])) & 0xFFFFFFFF if "ack" in fields else 0
        tcp = struct.pack(
            "!HHIIHHHH", flow.peer, flow.local, number, ack, (5 + len(options) // 4) << 12 | segment.flags,
            int(fields.get("win", 65_535)), 0, int(fields.get("urg", 0)))
        tcp += options + stream(seq - (0 if segment.flags & 2 else 1), segment.count)
        total = checksum(self.pseudo(6, len(tcp), self.theirs, self.ours) + tcp)
        tcp = tcp[:16] + struct.pack("!H", total) + tcp[18:]
        os.write(self.tun, self.packet(6, tcp, self.theirs, self.ours, segment.mark))

    def tell(self, words):
        kinds = {
            4: {"noRoute": (3, 0), "host": (3, 1), "port": (3, 3), "prohibited": (3, 13), "unknownProtocol": (3, 2),
                "tooBig": (3, 4), "expired": (11, 0), "reassembly": (11, 1)},
            6: {"noRoute": (1, 0), "host": (1, 3), "port": (1, 4), "prohibited": (1, 1), "unknownProtocol": (4, 1),
                "tooBig": (2, 0), "expired": (3, 0), "reassembly": (3, 1)},
        }
        values = dict(zip(words[1::2], words[2::2]))
        flow = self.flows[self.port]
        seq = ((flow.iss or 0) + int(values["seq"])) & 0xFFFFFFFF
        quoted = struct.pack("!HHIIHHHH", flow.local, flow.peer, seq, 0, 5 << 12 | 16, 65_535, 0, 0)
        quoted += bytes(int(values.get("count", 0)))
        quote = self.packet(6, quoted, self.ours, self.theirs)[:self.header + 20]
        mtu = int(values["mss"]) + 20 + self.header if "mss" in values else int(values.get("mtu", 0))
        body = struct.pack("!BBHI", *kinds[self.family][words[0]], 0, mtu) + quote
        protocol = 1 if self.family == 4 else 58
        total = checksum((b"" if self.family == 4 else self.pseudo(58, len(body), self.router, self.ours)) + body)
        body = body[:2] + struct.pack("!H", total) + body[4:]
        os.write(self.tun, self.packet(protocol, body, self.router, self.ours))

    # Calls

    def do(self, words):
        verb, rest = words[0], words[1:]
        if verb == "<":
            return self.tell(rest[1:]) if rest[0] == "icmp" else self.give(rest)
        if verb == "nothing":
            return None
        if verb == "renew":
            flow = self.flows[self.port]
            flow.isn, flow.iss = flow.syns
            return None
        if verb == "expect":
            return self.expect(rest)
        call = getattr(self, "call_" + verb, None)
        if call is None:
            raise Skipped(f"a kernel has no {verb}")
        return call(*rest)

    def new(self):
        sock = socket.socket(self.kind, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        for name, values in self.calls:
            self.adjust(sock, name, values)
        return sock

    def call_listen(self, port, *rest):
        sock = self.new()
        sock.bind((self.ours, int(port)))
        sock.listen(int(rest[1]) if rest else 128)
        self.listeners[port] = sock
        self.listening = int(port)

    def call_unlisten(self, port):
        self.listeners.pop(port).close()

    def call_accept(self, name):
        for _ in range(20):
            for sock in self.listeners.values():
                try:
                    self.hold(name, sock.accept()[0])
                    return
                except BlockingIOError:
                    pass
            time.sleep(0.002)
        raise Broken("there is no connection to accept")

    def hold(self, name, sock):
        sock.setblocking(False)
        self.sockets[name] = sock
        self.written[name] = self.taken[name] = 0

    def call_connect(self, name, port):
        sock = self.new()
        try:
            sock.connect((self.theirs, int(port)))
        except BlockingIOError:
            pass
        self.hold(name, sock)
        self.port = int(port)

    def outcome(self, wanted, call):
        try:
            came = call()
        except OSError as error:
            if wanted and wanted[0] == "fails" and error.errno in FAILURES.get(wanted[1], ()):
                return None
            raise Broken(f"it fails with {errno.errorcode[error.errno]}") from error
        if wanted and wanted[0] == "fails":
            raise Broken(f"it comes to {came}, and does not fail")
        return came

    def call_write(self, name, count, *wanted):
        data = stream(self.written[name], int(count))
        taken = self.outcome(wanted, lambda: self.sockets[name].send(data, socket.MSG_NOSIGNAL))
        self.written[name] += taken or 0

    def call_read(self, name, *words):
        fails = words[0] == "fails"
        count = 1 if fails or words[0] == "end" else int(words[0])
        data = self.outcome(words if fails else (), lambda: self.sockets[name].recv(count))
        if fails:
            return
        wanted = 0 if words[0] == "end" else int(words[2]) if len(words) > 2 else count
        if data != stream(self.taken[name], wanted):
            raise Broken(f"{len(data)} bytes were read, or not those of the stream")
        self.taken[name] += wanted

    def call_shutdown(self, name):
        self.sockets[name].shutdown(socket.SHUT_WR)

    def call_stopReading(self, name):
        self.sockets[name].shutdown(socket.SHUT_RD)

    def call_close(self, name, *linger):
        if linger and seconds(linger[1]):
            raise Skipped("closing waits as long as it lingers")
        if linger:
            self.sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sockets.pop(name).close()

    def call_abort(self, name):
        self.call_close(name, "linger", "0")

    def call_noDelay(self, name, on):
        self.adjust(self.sockets[name], "noDelay", (on,))

    def call_cork(self, name, on):
        self.sockets[name].setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on == "on")

    def call_set(self, name, option, *values):
        if option == "synRetriesMax":
            return self.sockets[name].setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, int(values[0]))
        return self.adjust(self.sockets[name], option, values)

    # Claims

    def expect(self, words):
        if words[0] == "stack" or words[0] not in self.sockets:
            return
        sock = self.sockets[words[0]]
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        for fact, value in zip(words[1::2], words[2::2]):
            if fact == "state":
                state = STATES[info[0]]
                # A kernel keeps no socket in TIME-WAIT.
                if state != value and (state, value) != ("closed", "timeWait"):
                    raise Broken(f"state is {state}, not {value}")
            elif fact == "failure":
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error not in FAILURES.get(value, {error}):
                    raise Broken(f"the failure is {errno.errorcode.get(error, error)}, not {value}")
            elif fact == "segmentSize":
                size = struct.unpack_from("I", info, 16)[0]
                if not pattern(value)[0] <= size <= pattern(value)[1]:
                    raise Broken(f"segmentSize is {size}, not {value}")


def signed(number):
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


def length(lines):
    at = 0
    for _, words in lines:
        relative, _, last = span(words[0])
        at = at + last if relative else last
    return at


def run(job):
    """One case in a process of its own, since that enters a namespace."""
    path, index, family = job
    script = Script(pathlib.Path(path))
    name, lines = script.cases[index]
    if length(lines) > LONGEST:
        return job, "skipped", "it takes longer than a test may", []
    for _ in range(ATTEMPTS):
        result = attempt(script, lines, family)
        if result[0] != "differs":
            break
    return (job, *result)


def attempt(script, lines, family):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        bench = None
        try:
            bench = Bench(script, family)
            bench.go(lines)
            result = ("passed", "")
        except Skipped as reason:
            result = ("skipped", str(reason))
        except Broken as reason:
            result = ("differs", f"line {bench.line}: {reason}")
        except Exception as error:  # noqa: BLE001: whatever it is, the parent must hear of it
            result = ("failed", f"line {getattr(bench, 'line', 0)}: {error!r}")
        os.write(writer, json.dumps([*result, getattr(bench, "log", [])]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def explained():
    """The differences that kernel.tsv explains: script, case, and the families where they are."""
    rows = {}
    table = TRACES / "kernel.tsv"
    for line in table.read_text().splitlines() if table.exists() else []:
        if line and not line.startswith("#"):
            script, name, families, why = line.split("\t")
            for family in families:
                rows[script, name, int(family)] = why
    return rows


def main():
    words = sys.argv[1:]
    families = [int(word[1]) for word in words if word in ("-4", "-6")] or [4, 6]
    chatty = "-v" in words
    named = [pathlib.Path(word).resolve() for word in words if not word.startswith("-")]
    jobs = []
    for path in named or sorted(TRACES.rglob("*.trace")):
        script = Script(path)
        jobs += [
            (str(path), index, family)
            for index in range(len(script.cases)) for family in script.families if family in families
        ]
    known = explained()
    cases = {(script.name, name) for script in map(Script, TRACES.rglob("*.trace")) for name, _ in script.cases}
    for name in sorted({row[:2] for row in known} - cases):
        sys.exit(f"kernel.tsv has a row of a case that is not there: {' '.join(name)}")
    counts = dict.fromkeys(("passed", "failed", "skipped", "known"), 0)
    with concurrent.futures.ProcessPoolExecutor(int(os.environ.get("INTEROP_SCRIPT_JOBS", 2 * (os.cpu_count() or 1)))) as pool:
        for job, verdict, reason, log in pool.map(run, jobs):
            script = Script(pathlib.Path(job[0]))
            name = script.cases[job[1]][0]
            why = known.get((script.name, name, job[2]))
            if verdict == "differs":
                verdict = "known" if why else "failed"
            elif verdict == "passed" and why:
                verdict, reason = "failed", "kernel.tsv says that it differs, and it does not"
            counts[verdict] += 1
            if verdict == "failed" or chatty:
                print(f"{verdict}: {script.name} IPv{job[2]}: {name}: {reason}")
                for line in log[-20:] if verdict == "failed" and chatty else []:
                    print("    " + line)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
