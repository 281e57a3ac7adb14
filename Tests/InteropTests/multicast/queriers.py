#!/usr/bin/env python3
"""Queriers that others wrote in front of a host: their tables of members must follow what the host joins and leaves.

queriers.py [all] [KIND/VERSION...]

KIND      frr3 frr2 (pimd of FRR), pimd (of Debian), bridge3 bridge2 mld2 mld1 (the kernel's bridge, which also snoops)
VERSION   what the host is pinned to, or 0 for what it makes of the querier

Each combination has a LAN of its own, all at the same time. Without words, the combinations of CORE run; with `all`, those
of SLOW too, for pimd acts on its timers alone. The queriers ask every 4 s and allow 1 s where they can be told.

    host (TAP of Chimney, or a kernel)  --  bridge  --  querier, or nothing where the bridge is the querier
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import lab
import messages

CORE = ["frr3/0", "frr3/1", "frr3/2", "frr3/3", "frr2/0", "bridge3/0", "bridge3/1", "bridge3/2", "bridge3/3", "bridge2/0",
        "bridge2/1", "mld2/0", "mld2/1", "mld2/2", "mld1/0", "mld1/1"]
SLOW = ["frr2/2", "bridge2/2", "pimd/0", "pimd/2", "pimd/3"]
# How long after a call the table may show it, beside the times of the protocol.
SLACK = 2.0

# What belongs to the querier and not to the host: kind, version the host speaks (or None), how the check begins, after how
# many seconds it must be so after all (or None), why.
KNOWN = [
    ("frr", 1, "join", None, "FRR 8.4 makes an entry without a member of a report of version 1"),
    ("frr2", None, "join of a source", None, "FRR 8.4 leaves out 232.0.0.0/8 in version 2"),
    ("pimd", 3, "leave is seen", 60, "pimd 2.3.2 acts on leaves of version 3 only when its timers run out"),
    ("pimd", 3, "a source that is", None, "pimd 2.3.2 forgets no source"),
    *(("pimd", 3, what, None, "pimd 2.3.2 shows no lists of sources that are excluded") for what in ("block", "include", "exclude")),
    ("pimd", 3, "reports", None, "pimd 2.3.2 asks in version 2 beside version 3, so that hosts fall back"),
]


class View(dict):
    """What a querier knows: group -> (mode, sources wanted, sources not wanted)."""

    def mode(self, group):
        return self.get(group, (None,))[0]

    def wanted(self, group):
        return self.get(group, (None, set(), set()))[1]

    def blocked(self, group):
        return self.get(group, (None, set(), set()))[2]


# Queriers -----------------------------------------------------------------------------------------------------------


class Bridge:
    """The kernel's bridge as querier and snooping switch; it keeps a table a port."""

    interval, last_member, speaks_sources, poll, table_is_of_ports = 4, 2, True, 0.2, True

    def __init__(self, lan, version, six):
        self.lan, self.version = lan, version
        self.speaks_sources = version == 3

    def up(self):
        lan = self.lan
        lab.run("sysctl", "-qw", f"net.ipv6.conf.{lan.bridge}.disable_ipv6=0", namespace="fab")
        lab.batch([
            f"link set {lan.bridge} down",
            f"link set {lan.bridge} type bridge mcast_snooping 1 mcast_querier 1 mcast_igmp_version {self.version}"
            f" mcast_mld_version {self.version - 1} mcast_query_interval 400 mcast_query_response_interval 100"
            " mcast_last_member_interval 100 mcast_last_member_count 2 mcast_membership_interval 900"
            " mcast_startup_query_interval 100 mcast_startup_query_count 2",
            f"link set {lan.bridge} up"], "fab")

    def view(self):
        view = View()
        table = json.loads(lab.run("bridge", "-d", "-s", "-j", "mdb", "show", "dev", self.lan.bridge, namespace="fab"))
        for entry in table[0].get("mdb", []):
            if entry["port"] != self.lan.port or "src" in entry:
                continue
            mode = "include" if entry.get("filter_mode") == "include" else "exclude"
            wanted, blocked = set(), set()
            for source in entry.get("source_list", []):
                (wanted if float(source["timer"]) > 0 else blocked).add(source["address"])
            view[entry["grp"]] = (mode, wanted, blocked)
        return view

    def down(self):
        pass


class Router:
    """A daemon in a namespace on the LAN."""

    interval, last_member, poll, table_is_of_ports = 4, 2, 0.2, False

    def __init__(self, lan, version, six):
        self.lan, self.version, self.speaks_sources = lan, version, version == 3
        self.name = f"q{lan.number}"
        self.folder = f"{lab.WORK}/{self.name}"
        os.mkdir(self.folder)

    def wire(self):
        lab.kernel_namespace(self.name, peer=self.name, peer_namespace="fab", ipv4="10.90.1.1/24")
        lab.batch([f"link set {self.name} master {self.lan.bridge}"], "fab")
        # Another network makes it a router.
        lab.batch(["link add up0 type veth peer name up1", "addr add 10.90.2.1/24 dev up0", "link set up1 up", "link set up0 up"],
                  self.name)
        lab.run("sysctl", "-qw", "net.ipv4.ip_forward=1", namespace=self.name)


class FRR(Router):
    """FRR's pimd, asked over the socket that its shell uses."""

    def up(self):
        self.wire()
        shutil.chown(self.folder, "frr", "frr")
        # FRR gives up root, and must come through to its folder.
        for folder in filter(None, (os.environ.get("INTEROP_WORK"), lab.WORK)):
            os.chmod(folder, 0o711)
        with open(f"{self.folder}/frr.conf", "w") as file:
            # The interval must stay above the response time at every line.
            file.write("\n".join([
                "interface eth0", " ip igmp", f" ip igmp version {self.version}", " ip igmp query-max-response-time 10",
                " ip igmp query-interval 4", " ip igmp last-member-query-count 2", " ip igmp last-member-query-interval 10",
                " ip pim", "interface up0", " ip pim", "ip pim rp 10.90.1.1 224.0.0.0/4", ""]))
        for daemon, socket_name in (("zebra", "zserv.api"), ("pimd", "pimd.vty")):
            lab.start(f"/usr/lib/frr/{daemon}", "-f", f"{self.folder}/frr.conf", "-i", f"{self.folder}/{daemon}.pid", "-z",
                      f"{self.folder}/zserv.api", "--vty_socket", self.folder, "-A", "127.0.0.1", "-P", "0",
                      namespace=self.name, log=f"{self.name}-{daemon}.log")
            if lab.until(lambda: os.path.exists(f"{self.folder}/{socket_name}"), 15) is None:
                raise RuntimeError(f"{daemon} of FRR did not start")
        self.shell = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.shell.settimeout(10)
        self.shell.connect(f"{self.folder}/pimd.vty")
        self.ask("enable")

    def ask(self, command):
        """A command ends with a zero byte, its answer with three and a status."""
        self.shell.sendall(command.encode() + b"\0")
        answer = b""
        while answer[-4:-1] != b"\0\0\0":
            more = self.shell.recv(65536)
            if not more:
                raise RuntimeError("FRR's pimd ended")
            answer += more
        return answer[:-4].decode()

    def view(self):
        view = View()
        groups = json.loads(self.ask("show ip igmp groups json") or "{}").get("eth0", {})
        sources = json.loads(self.ask("show ip igmp sources json") or "{}").get("eth0", {})
        for entry in groups.get("groups", []):
            mode = "include" if entry.get("mode") == "INCLUDE" else "exclude"
            wanted, blocked = set(), set()
            for source in (sources.get(entry["group"]) or {}).get("sources", []):
                if source["source"] != "*":
                    # A source whose timer runs is asked for.
                    (blocked if source["timer"].startswith("-") else wanted).add(source["source"])
            # Including nobody is no membership.
            if mode == "exclude" or wanted:
                view[entry["group"]] = (mode, wanted, blocked)
        return view

    def down(self):
        self.shell.close()


class PIMD(Router):
    """Debian's pimd. It allows 10 s for answers, and each look at its table restarts its clock of 5 s."""

    interval, poll = 12, 7

    def up(self):
        self.wire()
        with open(f"{self.folder}/pimd.conf", "w") as file:
            file.write("igmp-query-interval 12\nigmp-querier-timeout 42\nphyint eth0 enable igmpv3\nphyint up0 enable igmpv3\n"
                       "rp-address 10.90.1.1 224.0.0.0/4\n")
        os.mkdir(f"{self.folder}/run")
        # Its files in /run have fixed names.
        self.process = lab.start(
            "unshare", "-m", "sh", "-c",
            f"mount --bind {self.folder}/run /run && exec {PIMD.path} -f -c {self.folder}/pimd.conf -s notice",
            namespace=self.name, log=f"{self.name}-pimd.log")
        # The rendezvous point is there after its second tick; what was joined before is lost.
        time.sleep(7)

    def view(self):
        path, view, entry = f"{self.folder}/run/pimd/pimd.dump", View(), None
        if os.path.exists(path):
            os.unlink(path)
        os.kill(self.process.pid, signal.SIGUSR1)
        text = ""

        def dumped():
            nonlocal text
            text = open(path).read() if os.path.exists(path) else ""
            return "Number of Cache MIRRORs" in text

        lab.until(dumped, 3, 0.05)
        for line in text.splitlines():
            row = re.match(r"\s+0\s+(232\.[\d.]+)\s+((?:[\d.]+[, ]*)+)$", line)
            if row:
                view[row[1]] = ("include", set(re.findall(r"[\d.]{7,}", row[2])) - {row[1]}, set())
            row = re.match(r"(INADDR_ANY|[\d.]+)\s+(2[23]\d[\d.]+)\s", line)
            entry = (row[1], row[2]) if row else entry
            row = re.match(r"Leaves\s+oifs: (\S)", line)
            if row and entry and entry[0] == "INADDR_ANY" and row[1] == "l":
                view[entry[1]] = ("exclude", set(), set())
        return view

    def down(self):
        pass

    @classmethod
    def found(cls):
        """Unpacked and not installed: as packages, pimd and FRR exclude each other."""
        cls.path = shutil.which("pimd", path="/usr/sbin")
        if not cls.path:
            folder = f"{lab.WORK}/pimd"
            os.mkdir(folder)
            for words in (["apt-get", "update", "-qq"], ["apt-get", "download", "-qq", "pimd"]):
                done = subprocess.run(words, cwd=folder, capture_output=True)
                packed = [name for name in os.listdir(folder) if name.endswith(".deb")]
            if done.returncode or not packed:
                return False
            subprocess.run(["dpkg-deb", "-x", packed[0], folder], cwd=folder, check=True)
            cls.path = f"{folder}/usr/sbin/pimd"
        return True


KINDS = {"frr3": (FRR, 3, False), "frr2": (FRR, 2, False), "pimd": (PIMD, 3, False), "bridge3": (Bridge, 3, False),
         "bridge2": (Bridge, 2, False), "mld2": (Bridge, 3, True), "mld1": (Bridge, 2, True)}


# One LAN ------------------------------------------------------------------------------------------------------------


class LAN:
    """A bridge, a querier and a host. Versions are those of IGMP; those of MLD are one less."""

    def __init__(self, number, what, chimney):
        self.number, self.what, self.chimney = number, what, chimney
        self.kind, _, version = what.partition("/")
        make, speaks, self.six = KINDS[self.kind]
        self.bridge, self.port, self.speaks = f"lan{number}", f"h{number}", speaks
        self.pinned = int(version) + (1 if self.six and version != "0" else 0)
        self.acts = self.pinned or speaks
        self.querier = make(self, speaks, self.six)
        if chimney:
            chimney.add(self.port, self.port, addresses=["fd90::10/64" if self.six else "10.90.1.10/24"],
                        ipv6="manual" if self.six else "off")

    def adapted(self, line):
        """A line for a host with the addresses of the family."""
        if not self.six:
            return line
        line = re.sub(r"239\.1\.0\.(\d+)", r"ff1e::1:\1", line)
        line = re.sub(r"232\.1\.0\.(\d+)", r"ff3e::8000:\1", line)
        return re.sub(r"10\.90\.2\.(\d+)", r"2001:db8::\1", line)

    def wire(self):
        """Called before Chimney's devices are there when it is the host, they are made ports later."""
        lab.batch([f"link add {self.bridge} type bridge mcast_snooping 0", f"link set {self.bridge} up"], "fab")
        self.querier.up()

    def host(self):
        if not self.chimney:
            name = f"host{self.number}"
            lab.kernel_namespace(
                name, peer=self.port, peer_namespace="fab", ipv4=None if self.six else "10.90.1.10/24",
                ipv6="fd90::10/64" if self.six else None, version4=self.pinned, version6=max(0, self.pinned - 1))
        lab.batch([f"link set {self.port} master {self.bridge}"], "fab")
        if not self.chimney:
            return lab.kernel_lines(name)
        if self.pinned:
            self.chimney.pin(self.port, "mld" if self.six else "igmp", self.pinned - (1 if self.six else 0))
        return self.chimney.lines(self.port)


class Check:
    """The calls of one host and what its querier must make of them."""

    def __init__(self, lan):
        self.lan, self.querier, self.line = lan, lan.querier, lan.adapted

    def name(self, what):
        protocol = "MLDv" if self.lan.six else "IGMPv"
        version = self.lan.pinned - (1 if self.lan.six else 0)
        return f"{self.lan.kind}, host {protocol + str(version) if self.lan.pinned else 'unpinned'}: {what}"

    def known(self, what):
        for kind, version, begins, late, why in KNOWN:
            if self.lan.kind.startswith(kind) and version in (None, self.lan.acts) and what.startswith(begins):
                return late, why
        return None, None

    def view(self):
        return self.querier.view()

    def follows(self, what, condition, seconds, *lines):
        """The lines, and the table that must follow within so many seconds and the slack."""
        if lines:
            self.host.do(*map(self.line, lines))
        within = seconds + SLACK + (2 * self.querier.poll if self.querier.poll > 1 else 0)
        late, known = self.known(what)
        took = lab.until(lambda: condition(self.view()), within, self.querier.poll)
        if took is None and late:
            within = late
            if lab.until(lambda: condition(self.view()), within, self.querier.poll) is None:
                known = None
        return lab.judge(self.name(what), took is not None, f"not within {within} s", dict(self.view()), known=known)

    def run(self):
        lan, follows = self.lan, self.follows
        self.host = lan.host()
        self.wire = messages.Wire(lab.full("fab"), lan.port)
        any_source, again, held = (lan.adapted(f"239.1.0.{i}") for i in (1, 2, 9))
        if not lan.pinned and lan.speaks < 3:
            # The host follows the querier once it has heard it.
            lab.until(lambda: any(m["kind"] == "query" for m in self.wire.seen()), 15)
            time.sleep(0.2)
        self.began = time.monotonic()
        # A querier that has started has the host's earlier groups to ask for; then it is quiet.
        self.host.do(f"join {held}")
        if not follows("join is seen", lambda view: any_source in view, 0, f"join {any_source}"):
            return
        membership = 2 * self.querier.interval + 1
        follows("leave is seen", lambda view: any_source not in view,
                self.querier.last_member if lan.acts > 1 else membership, f"leave {any_source}")
        self.host.do(f"join {again}")
        lab.until(lambda: again in self.view(), 5, self.querier.poll)
        self.host.do(f"leave {again}")
        time.sleep(0.3)
        self.host.do(f"join {again}")
        time.sleep(self.querier.last_member + 1.2)
        lab.judge(self.name("leave and join within the time of the last member keep the group"), again in self.view())
        if lan.acts == 3 and self.querier.speaks_sources:
            self.sources()
        elif lan.pinned in (0, 3):
            follows("join of a source is seen as a group", lambda view: lan.adapted("232.1.0.1") in view, 0,
                    "sjoin 232.1.0.1 10.90.2.2")
        if not self.querier.table_is_of_ports:
            self.two_members()
        left = 1.5 * membership - (time.monotonic() - self.began)
        time.sleep(max(0, min(left, 40)))
        lab.judge(self.name("queries keep a membership beyond its interval"), held in self.view(),
                  f"{time.monotonic() - self.began:.0f} s after the join")
        self.wire_kept_the_version()

    def sources(self):
        follows, last = self.follows, self.querier.last_member
        one, two, three = (self.line(f"10.90.2.{i}") for i in (2, 3, 4))
        group = self.line("232.1.0.1")
        follows("a source that is joined is seen", lambda view: view.wanted(group) == {one}, 0, f"sjoin {group} {one}")
        follows("a source that is added is seen", lambda view: view.wanted(group) == {one, two}, 0, f"sjoin {group} {two}")
        follows("a source that is left is gone, the other stays", lambda view: view.wanted(group) == {two}, last,
                f"sleave {group} {one}")
        follows("a source that is the last takes the group with it", lambda view: not view.wanted(group), last,
                f"sleave {group} {two}")
        group = self.line("239.1.0.5")
        self.host.do(f"join {group}")
        lab.until(lambda: group in self.view(), 5, self.querier.poll)
        follows("block is seen", lambda view: one in view.blocked(group), last, f"block {group} {one}")
        follows("block that ends is seen", lambda view: view.mode(group) == "exclude" and one not in view.blocked(group), 0,
                f"unblock {group} {one}")
        follows("include in place of exclude is seen",
                lambda view: view.mode(group) == "include" and view.wanted(group) == {one, two},
                last, f"filter {group} in {one} {two}")
        follows("exclude in place of include is seen",
                lambda view: view.mode(group) == "exclude" and three in view.blocked(group), last,
                f"filter {group} ex {three}")

    def two_members(self):
        """Of two members one leaves: the other's answer keeps the group."""
        lan, group = self.lan, "239.1.0.3"
        name = f"peer{lan.number}"
        lab.kernel_namespace(name, peer=f"p{lan.number}", peer_namespace="fab", ipv4="10.90.1.11/24", version4=lan.pinned)
        lab.batch([f"link set p{lan.number} master {lan.bridge}"], "fab")
        peer = lab.kernel_lines(name)
        peer.do(f"join {group}")
        self.host.do(f"join {group}")
        lab.until(lambda: group in self.view(), 5, self.querier.poll)
        time.sleep(1)
        self.host.do(f"leave {group}")
        time.sleep(self.querier.last_member + 1.5)
        what = "of two members one leaves and the group stays"
        lab.judge(self.name(what), group in self.view(), known=self.known(what)[1])
        peer.close()

    def wire_kept_the_version(self):
        said = [m for m in self.wire.seen(self.began) if m["incoming"] and m["kind"].startswith(("report", "leave"))]
        reports = [m["kind"] for m in said if m["kind"].startswith("report")]
        wanted = f"report{self.lan.acts}"
        lab.judge(self.name("reports are all of its version"), set(reports) == {wanted},
                  {kind: reports.count(kind) for kind in set(reports)}, known=self.known("reports")[1])
        wrong = [m for m in said if not (m["alert"] and m["sum"] and m["hops"] == 1)]
        lab.judge(self.name("reports have router alert, hop limit and checksum"), not wrong, *wrong[:3])


def main():
    words = sys.argv[1:]
    names = [word for word in words if word != "all"] or (CORE + SLOW if "all" in words else CORE)
    if any(name.startswith("frr") for name in names) and not lab.package("vtysh", "frr"):
        lab.skip("queriers: FRR", "the package frr is not there and could not be installed")
        names = [name for name in names if not name.startswith("frr")]
    if any(name.startswith("pimd") for name in names) and not PIMD.found():
        lab.skip("queriers: pimd", "the package pimd could not be fetched")
        names = [name for name in names if not name.startswith("pimd")]
    lab.add_namespace("fab", ipv6=False)
    chimney = None if lab.KERNEL_IS_HOST else lab.Chimney("queriers", "fab")
    lans = [LAN(number, name, chimney) for number, name in enumerate(names)]
    if chimney:
        chimney.up()
    lab.together([lan.wire for lan in lans])
    lab.together([Check(lan).run for lan in lans])
    if chimney:
        lab.judge("queriers: chimney up ends", chimney.down())


main()
