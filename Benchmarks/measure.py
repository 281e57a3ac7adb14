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
        for ours, theirs in [("udp-pipe", "lwip-pipe"), ("lpm", "dpdk-lpm"), ("checksum", "c-checksum")]:
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
"""


def pinned(processor):
    """What runs a program on one processor: a server and its load disturb each other on the same."""
    return ["taskset", "-c", str(processor)] if (os.cpu_count() or 1) > 1 else []


def echo_round(number, name, command):
    """One server on a fresh TAP, loaded by the kernel with 128 datagrams in flight and with one."""
    up = [os.path.join(PEERS, "ns.sh"), "up", "bench", "10.99.0.1/24"]
    subprocess.run(up, check=True, capture_output=True)
    run = [os.path.join(PEERS, "ns.sh"), "run", "bench"]
    server = subprocess.Popen(run + pinned(0) + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        for in_flight in ("128", "1"):
            def rename(row, in_flight=in_flight):
                row["bench"], row["peer"] = f"tap-echo-{in_flight}", name
            load = run + pinned(1) + [peer("echo-load"), "10.99.0.2", "7", "64", in_flight, SECONDS]
            collect(load, number, rename)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
        subprocess.run([os.path.join(PEERS, "ns.sh"), "down", "bench"], capture_output=True)


def over_tap():
    if os.geteuid() != 0 or not peer("echo-load") or not os.access(CHIMNEY, os.X_OK):
        print("skipped: UDP echo over TAP needs root, the peers (make bench-peers) and the chimney command")
        return
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "bench.yaml")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(directory=directory, offloads="off"))
        for number in range(ROUNDS):
            echo_round(number, "chimney", [CHIMNEY, "up", path, "--spin", "1000"])
            echo_round(number, "ceiling", [peer("tap-ceiling"), "tap0", "10.99.0.2"])
            echo_round(number, "lwip", [peer("lwip-tap"), "tap0", "10.99.0.2"])


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
