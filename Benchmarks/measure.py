"""Runs benchmarks and peers in turn, A B A B, and prints medians and the medians of the pairs' ratios."""
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PEERS = os.path.join(HERE, "peers")
BENCH = os.path.join(HERE, ".build", "release", "chimney-bench")
CHIMNEY = os.path.join(ROOT, ".build", "release", "chimney")
ROUNDS, SECONDS = int(sys.argv[1]), sys.argv[2]
RESULTS = []

# bench of ours, bench of the peer, floor asked of the ratio ours/peer (None: only printed)
RATIOS = [
    ("udp-pipe-ip", "udp-pipe-ip", "lwip", 1.0),
    ("udp-pipe-ethernet", "udp-pipe-ethernet", "lwip", 1.0),
    ("udp-pipe-ip", "udp-pipe-ip-copied", "lwip", 1.0),
    ("udp-pipe-ip6", "udp-pipe-ip", "chimney", 0.9),
    ("udp-pipe-ethernet6", "udp-pipe-ethernet", "chimney", 0.9),
    ("forward-ip6", "forward-ip", "chimney", 0.9),
    ("lpm-uniform", "lpm-uniform-one", "dpdk", 1.0),
    ("lpm-own", "lpm-own-one", "dpdk", 1.0),
    ("lpm-uniform-bulk64", "lpm-uniform-bulk64", "dpdk", 1.0),
    ("lpm-own-bulk64", "lpm-own-bulk64", "dpdk", 1.0),
    ("lpm6-own", "lpm6-own-one", "dpdk", 1.0),
    ("lpm6-near", "lpm6-near-one", "dpdk", 1.0),
    ("checksum-64", "checksum-64", "c", None),
    ("checksum-1500", "checksum-1500", "c", None),
    ("checksum-65536", "checksum-65536", "c", None),
    ("stack-mc-join-one-100000", "mc-join-one-100000", "kernel", 200),
    ("stack-mc-leave-one-100000", "mc-leave-one-100000", "kernel", 200),
    ("stack-mc-join-many-100000", "mc-join-many-100000", "kernel", 5),
    ("stack-mc-leave-many-100000", "mc-leave-many-100000", "kernel", 5),
    ("stack-mc-join-one-100000", "stack-mc-join-one-1000", "chimney", 0.5),
    ("stack-mc6-join-one-100000", "stack-mc6-join-one-1000", "chimney", 0.5),
    ("stack-mc-source-one-10000", "mc-source-one-10000", "kernel", 50),
    ("mc-source-scattered-10000", "mc-source-scattered-10000", "kernel", 50),
    ("stack-mc-source-set-10000", "mc-source-set-10000", "kernel", 50),
    ("mc-check-1", "mc-check-1", "kernel", None),
    ("mc-check-1000", "mc-check-1000", "kernel", None),
    ("mc-check-10000", "mc-check-10000", "kernel", 200),
    ("stack-mc-check-10000", "stack-mc-check-1", "chimney", None),
    ("stack-mc-deliver-others-10000", "stack-mc-deliver-others-0", "chimney", 0.83),
    ("stack-mc6-deliver-others-10000", "stack-mc6-deliver-others-0", "chimney", 0.83),
    ("stack-mc-deliver-others-10000", "mc-deliver-others-10000", "kernel", None),
    ("stack-mc-membership-bytes", "mc-membership-bytes-0", "kernel", None),
    ("mc-membership-bytes-0", "mc-membership-bytes-0", "kernel", None),
    ("tap-echo-128", "tap-echo-128", "ceiling", 0.9),
    ("tap-echo-128", "tap-echo-128", "lwip", None),
    ("tap-echo-1", "tap-echo-1", "lwip", 1.0),
    ("tcp-pipe-bulk-1500-checksums", "tcp-pipe-bulk-1500", "lwip", 1.2),
    ("tcp-pipe-bulk-1500", "tcp-pipe-bulk-1500", "lwip", None),
    ("tcp-pipe-transactions", "tcp-pipe-transactions", "lwip", 1.0),
    ("tap-tcp-send-offloads", "tap-tcp-send-offloads", "ceiling", None),
    ("tap-tcp-receive-offloads", "tap-tcp-receive-offloads", "ceiling", None),
    ("tap-tcp-send", "tap-tcp-send", "ceiling", 0.9),
    ("tap-tcp-receive", "tap-tcp-receive", "ceiling", 0.9),
    ("tap-tcp-send", "tap-tcp-send", "lwip", 1.0),
    ("tap-tcp-receive", "tap-tcp-receive", "lwip", 1.0),
    ("tap-tcp-exchange", "tap-tcp-exchange", "lwip", 1.0),
    ("tap-tcp-connect", "tap-tcp-connect", "lwip", 1.0),
]


def peer(name):
    path = os.path.join(PEERS, "bin", name)
    return path if os.access(path, os.X_OK) else None


def collect(command, round_number, rename=None, cwd=PEERS):
    """Runs a program that prints JSON lines and keeps them."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        print(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-300:]}", file=sys.stderr)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            row["round"] = round_number
            if rename:
                rename(row)
            RESULTS.append(row)
            print(json.dumps(row), flush=True)


def in_process():
    for number in range(ROUNDS):
        for ours, theirs in [
            ("udp-pipe", "lwip-pipe"), ("lpm", "dpdk-lpm"), ("checksum", "c-checksum"), ("tcp-pipe", "lwip-tcp-pipe"),
        ]:
            collect([BENCH, ours, SECONDS], number)
            if peer(theirs):
                collect([peer(theirs), SECONDS], number)
        if peer("dpdk-lpm6"):
            collect([peer("dpdk-lpm6"), SECONDS], number)
        collect([BENCH, "forward", SECONDS], number)
        collect([BENCH, "multicast", SECONDS], number)
        collect([BENCH, "stack-groups", SECONDS], number)
        if number == 0 and os.geteuid() == 0 and peer("kernel-multicast"):
            # 100,000 joins of one socket take the kernel half a minute, so that it is asked once.
            collect([peer("kernel-multicast"), SECONDS], number)
    collect([BENCH, "memory"], 0)
    collect([BENCH, "tcp-memory"], 0)
    for name in ["stack-group-memory", "multicast-memory-0", "multicast-memory-10", "multicast6-memory-0", "multicast6-memory-10"]:
        collect([BENCH, name], 0)
    for number in range(min(ROUNDS, 3)):
        campus(number)


def campus(number):
    """How many seconds of a network of 100 hosts and 10 routers pass in one."""
    if not os.access(CHIMNEY, os.X_OK):
        return
    start = time.monotonic()
    command = [CHIMNEY, "lab", "run", os.path.join(ROOT, "Examples", "lab-campus.yaml"), "--seed", "42", "--json"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
    value = 60 / (time.monotonic() - start)
    RESULTS.append({"bench": "lab-campus", "peer": "chimney", "value": value, "unit": "virtual s/s", "round": number})
    print(json.dumps(RESULTS[-1]), flush=True)


CONFIGURATION = """control: {directory}/chimney.sock
stacks:
  - name: bench
    interfaces:
      - name: eth0
        driver: tap
        device: tap0
        mac: 02:00:00:00:00:77
        addresses: [10.99.0.2/24]
        acd: off
        offloads: {offloads}
    services: {{echo: 7}}
    tcp: {{services: {{echo: 7, discard: 9, chargen: 19}}, service_buffer: 4194304}}
"""


def pinned(processor):
    """What runs a program on one processor: a server and its load disturb each other on the same."""
    return ["taskset", "-c", str(processor)] if (os.cpu_count() or 1) > 1 else []


def serving(command, loads):
    """Runs loads, one after another, against a server on a fresh TAP."""
    up = [os.path.join(PEERS, "ns.sh"), "up", "bench", "10.99.0.1/24"]
    subprocess.run(up, check=True, capture_output=True)
    run = [os.path.join(PEERS, "ns.sh"), "run", "bench"]
    server = subprocess.Popen(run + pinned(0) + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        for load in loads:
            load(run + pinned(1))
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
        subprocess.run([os.path.join(PEERS, "ns.sh"), "down", "bench"], capture_output=True)


def echo_loads(number, name):
    """UDP echoes with 128 datagrams in flight and with one."""
    def load(run, in_flight):
        def rename(row):
            row["bench"], row["peer"] = f"tap-echo-{in_flight}", name
        collect(run + [peer("echo-load"), "10.99.0.2", "7", "64", in_flight, SECONDS], number, rename)
    return [lambda run, count=count: load(run, count) for count in ("128", "1")]


def tcp_loads(number, name, suffix):
    """Bulk data both ways, a byte there and back, and short connections."""
    def load(run, kind):
        def rename(row):
            row["bench"], row["peer"] = f"tap-{row['bench']}{suffix}", name
        collect(run + [peer("tcp-load"), "10.99.0.2", kind, SECONDS], number, rename)
    return [lambda run, kind=kind: load(run, kind) for kind in ("send", "receive", "exchange", "connect")]


def over_tap():
    if os.geteuid() != 0 or not peer("echo-load") or not os.access(CHIMNEY, os.X_OK):
        print("skipped: echo and TCP over TAP need root, the peers (make bench-peers) and the chimney command")
        return
    with tempfile.TemporaryDirectory() as directory:
        paths = {}
        for offloads in ("off", "auto"):
            paths[offloads] = os.path.join(directory, f"{offloads}.yaml")
            with open(paths[offloads], "w") as file:
                file.write(CONFIGURATION.format(directory=directory, offloads=offloads))
        tap = ["tap0", "10.99.0.2"]
        for number in range(ROUNDS):
            ours = [CHIMNEY, "up", paths["off"], "--spin", "1000"]
            serving(ours, echo_loads(number, "chimney"))
            serving([peer("tap-ceiling"), *tap], echo_loads(number, "ceiling"))
            serving([peer("lwip-tap"), *tap], echo_loads(number, "lwip"))
            serving(ours, tcp_loads(number, "chimney", ""))
            serving([peer("tcp-ceiling"), *tap], tcp_loads(number, "ceiling", ""))
            serving([peer("lwip-tap"), *tap], tcp_loads(number, "lwip", ""))
            serving([CHIMNEY, "up", paths["auto"], "--spin", "1000"], tcp_loads(number, "chimney", "-offloads"))
            serving([peer("tcp-ceiling"), *tap, "gso"], tcp_loads(number, "ceiling", "-offloads"))


def values(bench, who):
    return {row["round"]: row["value"] for row in RESULTS if row["bench"] == bench and row["peer"] == who}


def table():
    lines = ["| bench | who | median | lowest | highest | unit |", "| --- | --- | --- | --- | --- | --- |"]
    seen = []
    for row in RESULTS:
        key = (row["bench"], row["peer"], row["unit"])
        if key not in seen:
            seen.append(key)
    for bench, who, unit in seen:
        found = list(values(bench, who).values())
        middle, low, high = statistics.median(found), min(found), max(found)
        lines.append(f"| {bench} | {who} | {middle:.4g} | {low:.4g} | {high:.4g} | {unit} |")
    lines += ["", "| ratio | median of pairs | asked |", "| --- | --- | --- |"]
    for ours, theirs, who, floor in RATIOS:
        a, b = values(ours, "chimney"), values(theirs, who)
        pairs = [a[number] / b[number] for number in a if number in b and b[number]]
        if pairs:
            asked = f"at least {floor}" if floor else "printed"
            lines.append(f"| {ours} / {who} {theirs} | {statistics.median(pairs):.2f} | {asked} |")
    text = "\n".join(lines)
    print("\n" + text)
    os.makedirs(os.path.join(ROOT, "out", "bench"), exist_ok=True)
    with open(os.path.join(ROOT, "out", "bench", "table.md"), "w") as file:
        file.write(text + "\n")
    with open(os.path.join(ROOT, "out", "bench", "results.jsonl"), "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in RESULTS)


in_process()
over_tap()
table()
