#!/usr/bin/env python3
"""A Chimney host and a kernel host on one wire, beside the kernel's bridge as querier: what one reports over MLD, so does the
other.

side_by_side.py [2|1]...        the version that the querier speaks; both at the same time when none is named

Each step is done to both at once, with groups of their own so that neither hears itself spoken for. Then the groups are
given the same names, and what was reported must be the same: in changes record for record and as often, in answers record for
record. The groups of solicited nodes are named by the addresses that they stand for.
"""

import collections
import re
import subprocess
import sys
import time

import lab
import messages

SOURCES = {"A": "2001:db8::a", "B": "2001:db8::b", "C": "2001:db8::c"}
CHANGES = ("TO_IN", "TO_EX", "ALLOW", "BLOCK")
# Two reports within a second; in version 1 within ten.
TIMES = {2: 2.5, 1: 11.5}
# In version 1 the bridge asks about a group that is left, and the second time about all groups.
LEAVES = 3.5

# What Linux 6.18 does with all groups when it gets an address; no host has to.
KERNEL_STARTS_ANEW = "Linux joins all groups anew when it gets an address, and forgets the querier of version 1"

# {G1}, {S1} and so on stand for groups, a letter in braces for a source.
STEPS = {
    2: [("join", "join {G1}"), ("leave", "leave {G1}"), ("join a source", "sjoin {S1} {A}"),
        ("join another", "sjoin {S1} {B}"), ("leave a source", "sleave {S1} {A}"), ("leave the last", "sleave {S1} {B}"),
        ("join, block a source", "join {G2}", "block {G2} {A}"), ("block another", "block {G2} {B}"),
        ("unblock it", "unblock {G2} {B}"), ("include in place of exclude", "filter {G2} in {A} {C}"),
        ("other sources", "filter {G2} in {B} {C}"), ("exclude in place of include", "filter {G2} ex {A}"),
        ("a second socket excludes nobody", "open z", "join {G2} as z"), ("and closes", "close z"),
        ("join, leave and join", "join {G3}", "leave {G3}", "join {G3}"), ("leave two", "leave {G2}", "leave {G3}"),
        ("a group of the link", "join {L1}"), ("leave it", "leave {L1}"),
        ("a group of the interface alone", "join {I1}"), ("leave that", "leave {I1}")],
    1: [("join", "join {G1}"), ("leave", "leave {G1}"), ("join a source", "sjoin {S1} {A}"), ("leave the last", "sleave {S1} {A}")],
}


class Side:
    """One of the two hosts: its lines, its wire, and the names of what is its own."""

    def __init__(self, letter, name, port):
        self.letter, self.name, self.port, self.own = letter, name, port, {}

    def line(self, text):
        prefixes = {"G": "ff1e::", "S": "ff3e::8000:", "L": "ff02::", "I": "ff01::"}
        return re.sub(r"\{(\w)(\d?)\}", lambda found: SOURCES[found[1]] if not found[2]
                      else f"{prefixes[found[1]]}{self.letter}{found[2]}", text)

    def named(self, group):
        """The group as both call it."""
        found = re.fullmatch(rf"(ff1e::|ff3e::8000:|ff02::|ff01::){self.letter}(\d)", group)
        if found:
            return "{%s%s}" % ({"ff1e::": "G", "ff3e::8000:": "S", "ff02::": "L", "ff01::": "I"}[found[1]], found[2])
        return self.own.get(group, group)

    def owns(self, address, name):
        raw = b"\xff\x02" + b"\0" * 9 + b"\x01\xff" + messages.number(address)[13:]
        self.own[messages.text(raw)] = f"solicited-node group of {name}"

    def records(self, said):
        """Changes with how often they were reported, and answers."""
        changes, answers = collections.Counter(), set()
        for message in said:
            if "group" in message:
                changes[message["kind"], self.named(message["group"])] += 1
                continue
            for kind, group, sources in message["records"]:
                record = kind, self.named(group), sources
                if kind in CHANGES:
                    changes[record] += 1
                else:
                    answers.add(record)
        return changes, answers


class Pair:
    def __init__(self, version, chimney):
        self.version, self.chimney, self.bridge = version, chimney, f"lan{version}"
        self.sides = [Side("a", f"kernel{version}", f"k{version}"), Side("b", f"other{version}", f"c{version}")]
        if chimney:
            chimney.add(self.sides[1].port, self.sides[1].port, addresses=["fd95::b/64"], ipv6="manual")

    def name(self, what):
        return f"side by side, MLDv{self.version}: {what}"

    def set_up(self):
        lab.batch([f"link add {self.bridge} type bridge mcast_snooping 1 mcast_mld_version {self.version}"
                   " mcast_query_interval 6000 mcast_query_response_interval 100 mcast_startup_query_interval 300"
                   " mcast_last_member_interval 50 mcast_last_member_count 2"], "fab")
        lab.run("sysctl", "-qw", f"net.ipv6.conf.{self.bridge}.disable_ipv6=0", namespace="fab")
        lab.batch([f"link set {self.bridge} up"], "fab")
        kernel, other = self.sides
        for side in self.sides if not self.chimney else [kernel]:
            lab.kernel_namespace(side.name, peer=side.port, peer_namespace="fab", ipv6=f"fd95::{side.letter}/64")
            side.lines = lab.kernel_lines(side.name)
            side.address = lambda change, address, name=side.name: lab.run(
                "ip", "addr", {"delete": "del"}.get(change, change), f"{address}/64", "dev", "eth0", namespace=name)
        if self.chimney:
            other.lines = self.chimney.lines(other.port)
            other.address = lambda change, address: self.chimney.command(
                other.port, "ifconfig", "eth0", change, f"{address}/64" if change == "add" else address)
        for side in self.sides:
            lab.batch([f"link set {side.port} master {self.bridge}"], "fab")
            side.wire = messages.Wire(lab.full("fab"), side.port)
            side.owns(f"fd95::{side.letter}", "the address")
            side.owns(f"fd95::1234:{side.letter}678", "the further address")

    def step(self, what, seconds, *actions, instead=None):
        """Lines, or functions of a side; then what both said must be the same, but for what the other says `instead`."""
        for side in self.sides:
            side.wire.take()
        lab.together([lambda side=side: self.act(side, actions) for side in self.sides])
        time.sleep(seconds)
        said = []
        for side in self.sides:
            heard = [m for m in side.wire.take() if m["incoming"] and m["kind"].startswith(("report", "leave"))]
            for message in heard:
                # The link-local addresses that the hosts speak from are their own.
                if message["from"].startswith("fe80"):
                    side.owns(message["from"], "the link-local address")
            said.append((heard, side.records(heard)))
        (heard, (changes, answers)), (other_heard, (other_changes, other_answers)) = said
        same = changes == other_changes and answers == other_answers
        details = [f"the kernel {dict(changes - other_changes)} {answers - other_answers}",
                   f"the other  {dict(other_changes - changes)} {other_answers - answers}"]
        right = same and (changes or answers or what in self.silent)
        known = KERNEL_STARTS_ANEW if instead is not None and other_changes - changes == collections.Counter(instead) and (
            answers == other_answers and all(kind in CHANGES for kind, *_ in changes - other_changes)) else None
        lab.judge(self.name(what), right, *details, known=known)
        for message in heard + other_heard:
            to = message["to"] == ("ff02::16" if message["kind"] == "report3" else
                                   "ff02::2" if message["kind"] == "leave2" else message["group"])
            if not (to and message["hops"] == 1 and message["alert"] and message["sum"]
                    and (message["from"].startswith("fe80") or message["from"] == "::")):
                lab.say("FAIL", self.name(f"{what}: the header of a report"), message)

    # What stays inside the host is not told.
    silent = ("a group of the interface alone", "leave that")

    @staticmethod
    def act(side, actions):
        lines = [side.line(action) for action in actions if isinstance(action, str)]
        if lines:
            side.lines.do(*lines)
        for action in actions:
            if not isinstance(action, str):
                action(side)

    def run(self):
        self.set_up()
        # The first addresses are probed for and told, whenever that is.
        time.sleep(4)
        for side in self.sides:
            side.wire.take()
            side.lines.do(side.line("join {G8}"), side.line("sjoin {S8} {A}"), side.line("join {G9}"), side.line("block {G9} {B}"))
        time.sleep(TIMES[2])
        # The first query of a querier: what everybody has, solicited-node groups with it. It repeats it after 3 s.
        self.step("all groups, asked for by the first query", 2, lambda side: side.letter == "a" and self.querier())
        self.step("and by the second", 2.8)
        for what, *actions in STEPS[self.version]:
            self.step(what, LEAVES if what.startswith("leave") else TIMES[self.version], *actions)
        further = "solicited-node group of the further address"
        self.step("an address that is added", TIMES[self.version], lambda side: side.address("add", self.further(side)),
                  instead={("report2", further): 2} if self.version == 1 else {})
        self.step("an address that is taken away", LEAVES, lambda side: side.address("delete", self.further(side)),
                  instead={("leave2", further): 1} if self.version == 1 else {})

    def querier(self):
        lab.batch([f"link set {self.bridge} type bridge mcast_querier 1"], "fab")

    @staticmethod
    def further(side):
        return f"fd95::1234:{side.letter}678"


def main():
    versions = [int(word) for word in sys.argv[1:]] or [2, 1]
    lab.add_namespace("fab")
    chimney = None if lab.KERNEL_IS_HOST else lab.Chimney("side", "fab")
    pairs = [Pair(version, chimney) for version in versions]
    if chimney:
        chimney.up()
    lab.together([pair.run for pair in pairs])
    if chimney:
        lab.judge("side by side: chimney up ends", chimney.down())


main()
