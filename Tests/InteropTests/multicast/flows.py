#!/usr/bin/env python3
"""Streams of a kernel to a host: what the wire saw, what sockets received, what `explain` says and what the counters count.

A kernel sends flows of known sizes over the host's own link, wanted and unwanted. tcpdump writes down the link, and then for
each flow: the wire saw what was sent, the sockets received all of it or nothing, `chimney explain SOURCE GROUP` gives the
verdict that they show, and the drops counted under its reason are those packets and no others.
"""

import collections
import os
import subprocess
import time

import lab

PORT, OTHER_PORT = 5001, 5999
SENDERS = {4: [f"10.93.0.{i}" for i in (1, 2, 3)], 6: [f"fd93::{i}" for i in (1, 2, 3)]}
HOST = {4: "10.93.0.9", 6: "fd93::9"}
GROUPS = {
    # The fourth shares its link address with the second.
    4: ["232.7.0.1", "239.7.0.1", "239.7.0.2", "239.135.0.1", "239.7.0.9"],
    6: ["ff3e::8007:1", "ff1e::7:2", "ff1e::7:3", "ff15::7:2", "ff1e::7:9"],
}
DELIVERED = "delivered"
NAMES = {"linkGroupNotJoined": "the link filter", "multicastNoMember": "membership", "multicastSourceFiltered": "source filters",
         "multicastNoReceiver": "the port"}


def plan(family):
    """(what, source, group, port, fate, copies): every flow has another number of packets, see `run`."""
    first, second, third = SENDERS[family]
    chosen, many, shared, twin, strange = GROUPS[family]
    return [
        ("a source that was joined", first, chosen, PORT, DELIVERED, 1),
        ("another source of its group", second, chosen, PORT, "multicastSourceFiltered", 0),
        ("any source", first, many, PORT, DELIVERED, 1),
        ("any other", third, many, PORT, DELIVERED, 1),
        ("a source that was blocked", second, many, PORT, "multicastSourceFiltered", 0),
        ("a port that nobody has", first, many, OTHER_PORT, "multicastNoReceiver", 0),
        ("two sockets, one wants the source", first, shared, PORT, DELIVERED, 1),
        ("two sockets, both want the source", second, shared, PORT, DELIVERED, 2),
        ("a group with the link address of one that was joined", first, twin, PORT, "multicastNoMember", 0),
        ("a group that was not joined", first, strange, PORT, "linkGroupNotJoined", 0),
    ]


def joins(family):
    first, second, third = SENDERS[family]
    chosen, many, shared, _, _ = GROUPS[family]
    return [f"sjoin {chosen} {first}", f"join {many}", f"block {many} {second}",
            f"open one{family}", f"join {shared} as one{family}",
            f"open two{family}", f"sjoin {shared} {second} as two{family}"]


def capture(namespace, device):
    path = f"{lab.WORK}/wire.pcap"
    process = lab.start("tcpdump", "-i", device, "-Z", "root", "--immediate-mode", "-U", "-w", path, "udp", namespace=namespace,
                        log="tcpdump.log")
    lab.until(lambda: os.path.exists(path) and "listening" in open(f"{lab.WORK}/tcpdump.log").read(), 10)
    return process, path


def seen(path):
    """(source, group, port) -> packets, as tcpdump reads its own file."""
    counts = collections.Counter()
    for line in subprocess.run(["tcpdump", "-nn", "-t", "-r", path], capture_output=True, text=True).stdout.splitlines():
        words = line.split()
        # IP 10.93.0.1.40000 > 232.7.0.1.5001: UDP, length 64
        if len(words) > 3 and words[0] in ("IP", "IP6") and words[2] == ">":
            group, _, port = words[3].rstrip(":").rpartition(".")
            counts[words[1].rpartition(".")[0], group, int(port)] += 1
    return counts


def drops(chimney):
    report = chimney.json("flows", "netstat", "-s")
    report = report[0] if isinstance(report, list) else report
    return collections.Counter({counter["name"]: counter["count"] for counter in report["drops"]}), report["isConserved"]


def main():
    lab.package("tcpdump", "tcpdump")
    lab.add_namespace("send", ipv6=True)
    addresses = [f"addr add {source}/{24 if family == 4 else 64} dev l0" for family in (4, 6) for source in SENDERS[family]]
    chimney = None
    if lab.KERNEL_IS_HOST:
        lab.kernel_namespace("receive", peer="l0", peer_namespace="send", ipv4="10.93.0.9/24", ipv6="fd93::9/64")
        host = lab.kernel_lines("receive", PORT)
    else:
        chimney = lab.Chimney("flows", "send")
        chimney.add("flows", "l0", addresses=["10.93.0.9/24", "fd93::9/64"], ipv6="manual")
        chimney.up()
        host = chimney.lines("flows")
    lab.batch(addresses, "send")
    sender = lab.kernel_lines("send", PORT, "l0")
    # Addresses are probed for on both sides.
    time.sleep(3)
    host.do(*joins(4), *joins(6))
    time.sleep(0.5)
    before = drops(chimney)[0] if chimney else None
    process, path = capture("send", "l0")

    flows = [(f"IPv{family}, {what}", source, group, port, fate, copies, 40 + 3 * i + (family == 6))
             for family in (4, 6) for i, (what, source, group, port, fate, copies) in enumerate(plan(family))]
    for _, source, group, port, _, _, count in flows:
        sender.do(f"send {group} {count} 200 8 64 {port} from {source}")
    longest = max(flow[-1] for flow in flows) / 200
    expected = collections.Counter()
    for _, source, group, _, _, copies, count in flows:
        expected[f"{source}>{group}"] += copies * count
    received = {}

    def arrived():
        received.update(host.ask("count")[0]["count"])
        return all(received.get(key, 0) >= count for key, count in expected.items())

    time.sleep(longest)
    lab.until(arrived, 5)
    # What should not arrive has the same time again.
    time.sleep(longest)
    arrived()
    after, conserved = drops(chimney) if chimney else (None, True)
    lab.stop(process)
    wire = seen(path)

    died = collections.Counter()
    for what, source, group, port, fate, copies, count in flows:
        name = f"flows: {what}"
        lab.judge(f"{name}: the wire saw all of it", wire[source, group, port] == count, f"{wire[source, group, port]} of {count}")
        if port == PORT:
            got = received.get(f"{source}>{group}", 0)
            want = copies * count
            lab.judge(f"{name}: sockets received {'it' if copies else 'nothing of it'}", got == want, f"{got} of {want}")
        if fate != DELIVERED:
            died[fate] += wire[source, group, port]
        if chimney:
            explain(chimney, name, source, group, port, fate)
    if chimney:
        for reason, count in died.items():
            counted = after[reason] - before[reason]
            lab.judge(f"flows: {NAMES[reason]} dropped what the wire saw for it, counted as {reason}", counted == count,
                      f"{counted} of {count}")
        lab.judge("flows: no packet was lost without a name", conserved)
        lab.judge("flows: chimney up ends", chimney.down())


def explain(chimney, name, source, group, port, fate):
    report = chimney.json("flows", "explain", source, group, "--udp", port, "--on", "eth0")
    report = report[0] if isinstance(report, list) else report
    right = report["verdict"] == DELIVERED if fate == DELIVERED else (
        report["verdict"] == "dropped" and report.get("reason") == fate)
    lab.judge(f"{name}: explain says {'that it is delivered' if fate == DELIVERED else fate}", right, report["verdict"],
              report.get("reason"), report.get("summary"))


main()
