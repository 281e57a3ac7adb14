"""The tables of docs/tcp-lab.md over a path in real time, with the kernel's sockets or a chimney as the sender.

beside.py tables PATH CHIMNEY FOLDER LOG [TABLE...]   measures all rows and writes them, and each measurement to LOG
beside.py proof PATH                                  what the path does to pings, and what passes without losses
beside.py row PATH CHIMNEY JSON                       one measurement, as the tables make it; the answer is JSON

PATH is path.c, compiled. Both ends are network namespaces with a TAP device each, whose other ends PATH holds. The receiver is
always the kernel. This needs root.
"""

import concurrent.futures
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import platform
import selectors
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

BITS_PER_SECOND = 40_000_000
SENDER, RECEIVER = "10.0.0.1", "10.0.0.2"
# How many measurements run at a time: more, and the paths' times would suffer.
AT_A_TIME = int(os.environ.get("AT_A_TIME", "8"))
# What a path's 99.9th percentile of lateness may be, in ms; a measurement beyond it is made again, so often.
LATE_MAX = 4.0
TRIES_MAX = 3
# What the receiver is woken for, in bytes: 3.5 ms of the path's rate.
WORTH_READING = 16_384
libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(namespace):
    """What is opened or started in here belongs to the namespace."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        if libc.setns(there.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(home.fileno(), 0)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def with_us():
    """Ends a child with its parent."""
    pr_set_pdeathsig = 1
    libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


def soon(urgency=20):
    """Before all else on this machine that is not as urgent, since a path in real time cannot wait."""
    with_us()
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(urgency))


class Path:
    """Two namespaces and the path between them; everything goes away with it."""

    def __init__(self, program, round_trip, queue, loss, seed):
        self.program = program
        product = BITS_PER_SECOND / 8 * round_trip / 1000 / 1514
        self.words = [BITS_PER_SECOND, round_trip * 500_000, max(5, int(product * queue)), loss / 100, seed]
        self.a, self.b = (f"chm-{os.getpid()}-{end}" for end in "ab")
        self.process = None

    def __enter__(self):
        devices = [self.device(self.a, SENDER, 1), self.device(self.b, RECEIVER, 2)]
        # The addresses of the links are known, so that no loss takes a question for them.
        self.know(self.a, RECEIVER, 2)
        self.know(self.b, SENDER, 1)
        self.process = subprocess.Popen(
            [self.program, *map(str, devices + self.words)], pass_fds=devices, preexec_fn=soon,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for device in devices:
            os.close(device)
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
        for namespace in self.a, self.b:
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL)

    @staticmethod
    def device(namespace, address, number):
        run("ip", "netns", "add", namespace)
        with inside(namespace):
            for setting in [
                "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1",
                "net.ipv4.tcp_no_metrics_save=1", "net.ipv4.tcp_rmem=4096 4194304 16777216",
                "net.ipv4.tcp_wmem=4096 4194304 16777216",
            ]:
                run("sysctl", "-qw", setting)
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            tunsetiff, iff_tap, iff_no_pi = 0x400454CA, 2, 0x1000
            fcntl.ioctl(device, tunsetiff, struct.pack("16sH22x", b"path", iff_tap | iff_no_pi))
            run("ethtool", "-K", "path", "tso", "off", "gso", "off", "gro", "off", "tx", "off", "sg", "off")
            run("ip", "link", "set", "path", "address", f"02:00:00:00:00:0{number}", "txqueuelen", "10000")
            run("ip", "address", "add", f"{address}/24", "dev", "path")
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "set", "path", "up")
        return device

    @staticmethod
    def know(namespace, address, number):
        run("ip", "-n", namespace, "neighbour", "replace", address, "lladdr", f"02:00:00:00:00:0{number}",
            "nud", "permanent", "dev", "path")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def heard(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.say("end")
        return self.heard()


def counter(namespace, name):
    """One of the kernel's counters of a namespace."""
    with inside(namespace), open("/proc/thread-self/net/netstat") as file:
        lines = [line.split() for line in file]
    for names, values in zip(lines[::2], lines[1::2]):
        if name in names:
            return int(values[names.index(name)])
    raise KeyError(name)


class KernelSender:
    """Streams of the kernel's sockets at the sending end."""

    def __init__(self, path, control):
        self.path, self.control = path, control
        with inside(path.b):
            self.listener = socket.create_server((RECEIVER, 19), backlog=64)

    def open(self, selector):
        """Begins a stream; the receiver's socket."""
        with inside(self.path.a):
            sender = socket.socket()
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, self.control.encode())
        sender.setblocking(False)
        sender.connect_ex((RECEIVER, 19))
        selector.register(sender, selectors.EVENT_WRITE, self.write)
        self.listener.settimeout(10)
        receiver, _ = self.listener.accept()
        return receiver

    block = bytes(1 << 18)

    def write(self, sender):
        with contextlib.suppress(BlockingIOError):
            while sender.send(self.block) == len(self.block):
                pass

    def timeouts(self):
        return counter(self.path.a, "TCPTimeouts")

    def close(self):
        self.listener.close()


class ChimneySender:
    """Streams of a chimney's chargen, at the same end over a packet socket."""

    def __init__(self, path, control, program):
        self.path, self.program = path, program
        self.folder = tempfile.mkdtemp(prefix="chimney-beside.")
        self.control = f"{self.folder}/control"
        run("ip", "-n", path.a, "address", "flush", "dev", "path")
        run("ip", "-n", path.a, "link", "set", "path", "arp", "off")
        with open(f"{self.folder}/host.yaml", "w") as file:
            file.write(
                f"control: {self.control}\nstacks:\n  - name: host\n    interfaces:\n      - name: eth0\n"
                f"        driver: afpacket\n        device: path\n        addresses: [{SENDER}/24]\n"
                f"        mac: 02:00:00:00:00:01\n        acd: false\n        offloads: off\n    tcp:\n      congestion: {control}\n"
                "      service_buffer: 4194304\n      services: [chargen]\n")
        with inside(path.a):
            self.process = subprocess.Popen(
                [program, "up", f"{self.folder}/host.yaml"], preexec_fn=lambda: soon(10), stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not os.path.exists(self.control):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("chimney does not start")
            time.sleep(0.05)

    def open(self, selector):
        with inside(self.path.b):
            return socket.create_connection((SENDER, 19), timeout=10)

    def timeouts(self):
        words = [self.program, "sockstat", "-t", "--json", "--socket", self.control]
        return sum(connection["timeouts"] for connection in named(json.loads(subprocess.check_output(words)), "timeouts"))

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def named(value, key):
    """All objects in a value that have the key."""
    if isinstance(value, dict):
        if key in value:
            yield value
        for inner in value.values():
            yield from named(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from named(inner, key)


class Streams:
    """Streams over a path, and what their receiver has read."""

    def __init__(self, sender, selector):
        self.sender, self.selector = sender, selector
        self.received, self.log = [], []
        self.buffer = bytearray(1 << 20)

    def open(self):
        receiver = self.sender.open(self.selector)
        receiver.setblocking(False)
        # The kernel acknowledges every second segment only to a reader that keeps up, or waits for this much. Each segment by
        # itself is more than some readers of one processor keep up with.
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, WORTH_READING)
        number = len(self.received)
        self.received.append(0)
        self.selector.register(receiver, selectors.EVENT_READ, lambda s: self.read(s, number))

    def read(self, receiver, number):
        with contextlib.suppress(BlockingIOError):
            self.received[number] += receiver.recv_into(self.buffer)
            self.log.append((time.monotonic_ns(), self.received[number]))

    def go_on(self, until):
        """Until a time of the monotonic clock, in seconds."""
        while (left := until - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                key.data(key.fileobj)


def measure(program, chimney, row):
    """One measurement: what its columns are made of."""
    settings = {"throughput": (row.get("rtt"), row.get("queue"), row.get("loss", 0)), "fairness": (20, 1, 0),
                "queue-delay": (20, row.get("queue"), 0), "recovery": (40, 1, 0)}[row["table"]]
    with Path(program, *settings, row["seed"]) as path, selectors.DefaultSelector() as selector:
        who, control = row["who"], row["control"]
        sender = KernelSender(path, control) if who == "linux" else ChimneySender(path, control, chimney)
        try:
            streams = Streams(sender, selector)
            result = {"throughput": throughput, "fairness": fairness, "queue-delay": queue_delay,
                      "recovery": recovery}[row["table"]](row, path, streams)
            result.update(path.end())
            result["sentAgain"] -= result.pop("sentAgainBefore", 0)
            result["timeouts"] = sender.timeouts() - result.pop("timeoutsBefore", 0)
            return result
        finally:
            sender.close()


def throughput(row, path, streams):
    start = time.monotonic()
    streams.open()
    streams.go_on(start + 60)
    return {"rate": streams.received[0] * 8 / 60e6}


def fairness(row, path, streams):
    start = time.monotonic()
    for number in range(row["flows"]):
        streams.go_on(start + number * 0.15)
        streams.open()
    streams.go_on(start + 20)
    before = list(streams.received)
    streams.go_on(start + 60)
    return {"rates": [(after - then) * 8 / 40e6 for after, then in zip(streams.received, before)]}


def queue_delay(row, path, streams):
    start = time.monotonic()
    streams.open()
    streams.go_on(start + 0.2)
    streams.open()
    streams.go_on(start + 30)
    return {"rate": sum(streams.received) * 8 / 30e6}


def recovery(row, path, streams):
    start = time.monotonic()
    streams.open()
    # A question takes its time, in which nothing is read.
    streams.go_on(start + 14)
    before = streams.sender.timeouts()
    streams.go_on(start + 15)
    path.say(f"burst {row['lost']}")
    # Not so long that the next loss of the control's own making is counted.
    streams.go_on(start + 18)
    burst = path.heard()
    began = burst["began"]
    # Looked at every 5 ms, as the lab does.
    samples, place = [], 0
    for step in range(1, 601):
        at = began + step * 5_000_000
        while place < len(streams.log) and streams.log[place][0] <= at:
            place += 1
        samples.append(streams.log[place - 1][1] if place else 0)
    repaired = next((i for i, count in enumerate(samples) if count >= burst["position"]), None)
    enough = BITS_PER_SECOND / 8 * 0.1 * 0.9 * 1448 / 1514
    fast = None
    if repaired is not None:
        fast = next((i for i in range(repaired + 20, len(samples)) if samples[i] - samples[i - 20] >= enough), None)
    return {"repaired": None if repaired is None else (repaired + 1) * 5, "fast": None if fast is None else (fast + 1) * 5,
            "timeoutsBefore": before, "sentAgainBefore": burst["sentAgain"]}


def proof(program):
    """What the path does to pings, and what passes of one stream without losses."""
    for round_trip in 10, 40, 100:
        with Path(program, round_trip, 1, 0, 1) as path:
            with inside(path.a):
                words = ["ping", "-n", "-i", "0.005", "-c", "1000", "-s", "56", RECEIVER]
                text = subprocess.run(words, capture_output=True, text=True).stdout
            times = sorted(float(line.split("time=")[1].split()[0]) for line in text.splitlines() if "time=" in line)
            at = lambda share: times[min(len(times) - 1, int(share * len(times)))]
            print(f"{round_trip} ms: {len(times)} pings, p1 {at(0.01)} p50 {at(0.5)} p99 {at(0.99)} most {times[-1]} ms;",
                  path.end(), flush=True)
    row = {"table": "throughput", "who": "linux", "control": "cubic", "rtt": 40, "queue": 1, "loss": 0, "seed": 1}
    print(measure(program, None, row))


def rows():
    """All measurements."""
    for who, control in ("linux", "cubic"), ("chimney", "cubic"), ("linux", "reno"):
        for rtt in 10, 40, 100:
            for queue in 0.25, 1:
                for loss in 0, 0.01, 0.1, 1:
                    for seed in [1] if loss == 0 or control == "reno" else [1, 2, 3]:
                        yield {"table": "throughput", "who": who, "control": control, "rtt": rtt, "queue": queue,
                               "loss": loss, "seed": seed}
    for who, control in ("linux", "cubic"), ("chimney", "cubic"):
        for lost in 1, 8, 32, 100:
            for seed in 1, 2, 3:
                yield {"table": "recovery", "who": who, "control": control, "lost": lost, "seed": seed}
        for queue in 0.5, 1, 4:
            yield {"table": "queue-delay", "who": who, "control": control, "queue": queue, "seed": 1}
        for flows in 2, 4, 8, 16:
            yield {"table": "fairness", "who": who, "control": control, "flows": flows, "seed": 1}


COLUMNS = {
    "throughput": ["rtt ms", "queue bdp", "loss %", "Mbit/s", "sent again", "timeouts"],
    "fairness": ["flows", "jain", "slowest Mbit/s", "fastest Mbit/s", "sum Mbit/s"],
    "queue-delay": ["queue bdp", "mean ms", "p99 ms", "longest frames", "Mbit/s", "marks", "drops"],
    "recovery": ["lost frames", "repaired ms", "fast again ms", "sent again", "timeouts"],
}


def cells(row, results):
    """A row of a table: what was asked for, and the medians of what was measured."""
    def median(key):
        return statistics.median_low(result[key] if result[key] is not None else 1e9 for result in results)

    def whole(key):
        return "-" if median(key) == 1e9 else f"{median(key):.0f}"

    table = row["table"]
    if table == "throughput":
        return [row["rtt"], row["queue"], row["loss"], f"{median('rate'):.3f}", whole("sentAgain"), whole("timeouts")]
    if table == "fairness":
        rates = results[0]["rates"]
        jain = sum(rates) ** 2 / (len(rates) * sum(rate * rate for rate in rates))
        return [row["flows"], *(f"{value:.3f}" for value in (jain, min(rates), max(rates), sum(rates)))]
    if table == "queue-delay":
        return [row["queue"], f"{median('waitMean'):.3f}", f"{median('waitP99'):.3f}", whole("longest"), f"{median('rate'):.3f}",
                0, whole("queueFull")]
    return [row["lost"], whole("repaired"), whole("fast"), whole("sentAgain"), whole("timeouts")]


def sender_name(row):
    """What the first column calls a sender."""
    return f"Linux {row['control']}" if row["who"] == "linux" else f"{row['control']}, path"


def once(program, chimney, row, log):
    """A measurement in a process of its own; None when it failed or the path was not in time."""
    words = [sys.executable, __file__, "row", program, chimney, json.dumps(row)]
    done = subprocess.run(words, capture_output=True, text=True)
    try:
        result = json.loads(done.stdout)
    except json.JSONDecodeError:
        print(row, "failed:", done.stderr[-500:], file=sys.stderr, flush=True)
        return None
    print(json.dumps({"row": row, "result": result}), file=log, flush=True)
    return result if result["void"] == 0 and result["lateP999"] <= LATE_MAX else None


def tables(program, chimney, folder, log_file, only):
    """Measures the tables, several rows at a time, and writes them."""
    todo = [row for row in rows() if not only or row["table"] in only]
    # In no order, so that slow rows and fast ones, which cost this machine more, run at the same time.
    order = sorted(range(len(todo)), key=lambda number: hashlib.sha256(bytes([number])).digest())
    results = {}
    os.makedirs(folder, exist_ok=True)
    with open(log_file, "w") as log, concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        def measured(row):
            return next((r for _ in range(TRIES_MAX) if (r := once(program, chimney, row, log))), None)

        in_order = dict(zip(order, pool.map(measured, [todo[number] for number in order])))
        for number, row in enumerate(todo):
            result = in_order[number]
            key = json.dumps({name: value for name, value in row.items() if name != "seed"})
            results.setdefault(key, []).append(result)
    for table in dict.fromkeys(row["table"] for row in todo):
        lines = [f"# made by make tcp-beside-linux: Linux {platform.release()}, and our own sender over the same path in real time"]
        lines.append("\t".join(["sender", *COLUMNS[table]]))
        for key, found in results.items():
            row = json.loads(key)
            if row["table"] != table:
                continue
            if None in found:
                sys.exit(f"{key}: the path was not in time, or the measurement failed; see {log_file}")
            lines.append("\t".join(map(str, [sender_name(row), *cells(row, found)])))
        with open(f"{folder}/{table}.tsv", "w") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "proof":
        proof(sys.argv[2])
    elif sys.argv[1] == "row":
        # What hangs ends by an exception, which takes the namespaces along.
        signal.signal(signal.SIGALRM, lambda *_: sys.exit("it took too long"))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("it was ended"))
        signal.alarm(120)
        # Less urgent than the path, which it starts.
        soon(10)
        print(json.dumps(measure(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))))
    else:
        tables(*sys.argv[2:6], sys.argv[6:])
