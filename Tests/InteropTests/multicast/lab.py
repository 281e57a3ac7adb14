"""What the multicast beds share: namespaces, hosts under test and the words of the verdicts.

run.sh gives them the binary, a folder and a prefix for names in CHIMNEY, INTEROP_WORK and INTEROP_PREFIX. A host under test
is Chimney, or with INTEROP_HOST=kernel a Linux kernel, which shows what a bed is worth: the kernel must pass it too.
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CHIMNEY = os.environ.get("CHIMNEY", "chimney")
PREFIX = os.environ.get("INTEROP_PREFIX", f"chm-{os.getpid()}")
WORK = tempfile.mkdtemp(dir=os.environ.get("INTEROP_WORK"))
KERNEL_IS_HOST = os.environ.get("INTEROP_HOST") == "kernel"

_print_lock = threading.Lock()
_namespaces, _processes = [], []
failures = 0


# Verdicts -----------------------------------------------------------------------------------------------------------


def say(verdict, name, *details):
    global failures
    with _print_lock:
        failures += verdict == "FAIL"
        print(f"{verdict:5} {name}")
        for detail in details[:12]:
            print(f"      | {str(detail)[:300]}")
        sys.stdout.flush()


def judge(name, right, *details, known=None):
    """Passes, fails, or names what is known and not ours to change."""
    if right:
        say("pass", name)
    elif known:
        say("known", f"{name}: {known}")
    else:
        say("FAIL", name, *details)
    return right


def skip(name, why):
    say("skip", f"{name}: {why}")


def together(functions):
    """Runs functions side by side; what one of them raises is its failure."""

    def run(function):
        try:
            function()
        except Exception as failure:
            say("FAIL", getattr(function, "__name__", "a bed"), f"{type(failure).__name__}: {failure}")

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def until(condition, seconds, pause=0.1):
    """How long it took the condition to become true, or None."""
    began = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - began
        if time.monotonic() - began > seconds:
            return None
        time.sleep(pause)


# Processes and namespaces -------------------------------------------------------------------------------------------


def run(*words, namespace=None, check=True, seconds=30):
    where = ["ip", "netns", "exec", full(namespace)] if namespace else []
    done = subprocess.run([*where, *map(str, words)], capture_output=True, text=True, timeout=seconds)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def batch(lines, namespace=None):
    """Many `ip` commands in one process."""
    where = ["ip", "-n", full(namespace)] if namespace else ["ip"]
    done = subprocess.run([*where, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())


def start(*words, namespace=None, log=None, **options):
    where = ["ip", "netns", "exec", full(namespace)] if namespace else []
    output = {} if log is None else {"stdout": open(f"{WORK}/{log}", "w"), "stderr": subprocess.STDOUT}
    process = subprocess.Popen([*where, *map(str, words)], start_new_session=True, **{**output, **options})
    _processes.append(process)
    return process


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def full(namespace):
    return f"{PREFIX}-{namespace}"


def add_namespace(name, ipv6=False):
    run("ip", "netns", "add", full(name))
    _namespaces.append(name)
    settings = [f"net.ipv6.conf.{which}.{key}" for which in ("all", "default")
                for key in ("accept_ra=0", f"disable_ipv6={int(not ipv6)}", "accept_dad=0")]
    run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", *settings, namespace=name)
    run("ip", "link", "set", "lo", "up", namespace=name)
    return name


def package(command, name):
    """Whether the command is there, installed from the package where it was missing."""
    path = shutil.which(command, path=os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/lib/frr")
    if path or not shutil.which("apt-get"):
        return path
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", name]):
        subprocess.run(["apt-get", *words], env=environment, capture_output=True, timeout=300)
    return shutil.which(command, path=os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/lib/frr")


def clean_up():
    for process in _processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for name in _namespaces:
        subprocess.run(["ip", "netns", "del", full(name)], capture_output=True)
    shutil.rmtree(WORK, ignore_errors=True)


atexit.register(clean_up)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(130))


# Hosts --------------------------------------------------------------------------------------------------------------


class Lines:
    """A program that takes a command a line and answers with a JSON object a line."""

    def __init__(self, *words, namespace=None):
        self.process = start(*words, namespace=namespace, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *commands):
        """Writes all commands before it reads the answers, so that they follow each other closely."""
        self.process.stdin.write("".join(f"{command}\n" for command in commands))
        self.process.stdin.flush()
        answers = []
        for command in commands:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"no answer to '{command}'")
            answers.append(json.loads(line))
        return answers

    def do(self, *commands):
        for command, answer in zip(commands, self.ask(*commands)):
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def kernel_namespace(name, *, peer, peer_namespace, ipv4=None, ipv6=None, version4=0, version6=0, many=False):
    """A kernel host whose eth0 is wired to the device `peer`; its groups come with its link."""
    add_namespace(name, ipv6=ipv6 is not None)
    run("sysctl", "-qw", f"net.ipv4.conf.all.force_igmp_version={version4}", namespace=name)
    if ipv6 is not None:
        run("sysctl", "-qw", f"net.ipv6.conf.all.force_mld_version={version6}", namespace=name)
    if many:
        run("sysctl", "-qw", "net.ipv4.igmp_max_memberships=1000", namespace=name)
    batch([f"link add eth0 type veth peer name {peer} netns {full(peer_namespace)}"]
          + ([f"addr add {ipv4} dev eth0"] if ipv4 else []), name)
    for namespace, device in ((name, "eth0"), (peer_namespace, peer)):
        run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off", namespace=namespace, check=False)
    batch(([f"addr add {ipv6} dev eth0"] if ipv6 else []) + ["link set eth0 up"]
          + (["route add default dev eth0"] if ipv4 else []), name)
    batch([f"link set {peer} up"], peer_namespace)


def kernel_lines(name, port=5001, device="eth0"):
    """The kernel of a namespace behind the lines of `mtest`."""
    return Lines(sys.executable, f"{HERE}/kernel_host.py", device, port, namespace=name)


class Chimney:
    """One `chimney up` with a stack for each host under test, each on a TAP device of one namespace."""

    def __init__(self, name, namespace):
        self.name, self.namespace, self.stacks = name, namespace, []
        self.control = f"{WORK}/{name}.sock"

    def add(self, stack, device, *, addresses, ipv6="off", mac=None, more=()):
        """A stack with the interface eth0; `more` are further lines of that interface."""
        lines = [f"  - name: {stack}", "    interfaces:", "      - name: eth0", "        driver: tap",
                 f"        device: {device}", f"        addresses: [{', '.join(addresses)}]", "        acd: false",
                 f"        ipv6: {ipv6}", *(f"        {line}" for line in more)]
        if mac:
            lines.append(f"        mac: {mac}")
        self.stacks.append((device, "\n".join(lines)))

    def up(self):
        batch([line for device, _ in self.stacks for line in (f"tuntap add dev {device} mode tap", f"link set {device} up")],
              self.namespace)
        path = f"{WORK}/{self.name}.yaml"
        with open(path, "w") as file:
            file.write(f"control: {self.control}\nstacks:\n" + "\n".join(text for _, text in self.stacks) + "\n")
        self.process = start(CHIMNEY, "up", path, namespace=self.namespace, log=f"{self.name}.log")
        first = self.stacks[0][1].split()[2]
        if until(lambda: self.process.poll() is not None or self.answers(first), 20) is None or self.process.poll() is not None:
            raise RuntimeError(f"chimney up does not answer: {open(f'{WORK}/{self.name}.log').read()[-600:]}")

    def answers(self, stack):
        return subprocess.run([CHIMNEY, "netstat", "--socket", self.control, "--stack", stack], capture_output=True).returncode == 0

    def command(self, stack, *words):
        """One command of the tool, as text."""
        return run(CHIMNEY, *words, "--socket", self.control, "--stack", stack)

    def json(self, stack, *words):
        return json.loads(self.command(stack, *words, "--json"))

    def pin(self, stack, protocol, version):
        self.command(stack, "ifmcctl", "eth0", protocol, "version", version)

    def believe_as_the_kernel(self, stack):
        self.command(stack, "ifmcctl", "eth0", "igmp", "queries", "kernel")

    def limit(self, stack, *limits):
        self.command(stack, "ifmcctl", *(word for limit in limits for word in ("--limit", limit)))

    def lines(self, stack):
        """An `mtest` on a stack."""
        return Lines(CHIMNEY, "mtest", "--socket", self.control, "--stack", stack, "--interface", "eth0", "--json")

    def down(self):
        """It must end by itself; True when it did, and said that no packet was lost without a name."""
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(10) == 0
        except subprocess.TimeoutExpired:
            return False
