#!/usr/bin/env python3
"""A querier of IGMPv1, v2 and v3 in front of a host: what the host reports, held against what Linux was seen to report.

probe.py [SCENARIO...]          each scenario on a stack of its own, all at the same time
probe.py --record FILE          what the host of INTEROP_HOST=kernel reports, as a file like linux-6.18.jsonl

Per step, the records and their sources must be the recorded ones, as often, in as many reports of the same sizes, with the
errors of the calls. When a report comes is not compared, but that it comes while the step listens. Calls that are to share a
report may miss it on a busy machine; then what a router knows in the end is compared. A step that is known to differ says in
KNOWN what comes in its place, and fails when that does not come either.
"""

import collections
import ipaddress
import json
import sys
import time

import lab
import messages
from known import KNOWN
from scenarios import SCENARIOS

OURS, QUERIER = "10.77.0.2", "10.77.0.1"
RECORDING = f"{lab.HERE}/linux-6.18.jsonl"
# The rules of the kernel for queries to doubt and for how long an older querier counts.
KERNEL_RULES = ("queries to doubt", "an older querier that is gone")
# The same once more with the rules of the standard.
STANDARD = ", rules of the standard"
SCENARIOS["queries to doubt" + STANDARD] = SCENARIOS["queries to doubt"]
# The kernel's own.
LIMITS = ("memberships-per-socket=20", "sources-per-filter=10")
# How many calls and queries a step consists of.
ACTIONS = {(name, label): sum(not str(action).startswith("open") for action in actions)
         for name, steps in SCENARIOS.items() for label, _, actions in steps}


class Querier:
    def __init__(self, namespace, device):
        self.wire = messages.Wire(lab.full(namespace), device)

    def ask(self, *, version=3, group="0.0.0.0", destination=None, source=QUERIER, alert=True, ttl=1, **more):
        message = messages.query(version, group=group, **more)
        to = destination or (messages.ALL_HOSTS if group == "0.0.0.0" else group)
        self.wire.send(messages.igmp_frame(
            message, mac=self.wire.mac, source=source, destination=to, alert=alert, ttl=ttl))

    def report(self, version, group):
        """What another host says."""
        self.wire.send(messages.igmp_frame(
            messages.report(version, group), mac=self.wire.mac, source="10.77.0.9", destination=group))


# What is compared ---------------------------------------------------------------------------------------------------


def folded(records):
    """Groups that follow each other and are alike as one, so that a recording can be read."""
    records = sorted(records, key=lambda record: (record[0], record[2], messages.number(record[1])))
    whole = []
    for kind, group, sources in records:
        if whole:
            last, (first, _, count) = whole[-1], whole[-1][1].partition("+")
            after = str(ipaddress.ip_address(first) + int(count or 1))
            if last[0] == kind and last[2] == list(sources) and after == group:
                last[1] = f"{first}+{int(count or 1) + 1}"
                continue
        whole.append([kind, group, list(sources)])
    return whole


def unfolded(records):
    for kind, group, sources in records:
        first, _, count = group.partition("+")
        for i in range(int(count or 1)):
            yield kind, str(ipaddress.ip_address(first) + i), tuple(sources)


def shown(message):
    """A message of a host as it stands in a recording; what every report should have is named when it has not."""
    faults = [word for word, wrong in (
        ("no router alert", not message["alert"]), ("bad checksum", not message["sum"]),
        (f"TTL {message['hops']}", message["hops"] != 1)) if wrong]
    kind = " ".join([message["kind"], "to", message["to"], *faults])
    return [kind, folded(message["records"]) if "records" in message else [["", message["group"], []]]]


def compared(step):
    """Records, sizes of reports and errors of a step, in no order."""
    records, sizes = collections.Counter(), collections.Counter()
    for kind, inside in step["reports"]:
        inside = list(unfolded(inside))
        sizes[kind, len(inside)] += 1
        records.update((kind, *record) for record in inside)
    return records, sizes, step["errors"]


def known_to_router(step):
    """What a router knows after a step, group by group, and the reports it came in."""
    groups, kinds = {}, set()
    for kind, inside in step["reports"]:
        kinds.add(kind)
        for record, group, sources in unfolded(inside):
            mode, listed = groups.get(group, ("include", frozenset()))
            sources = frozenset(sources)
            if record.startswith(("TO_", "IS_")):
                mode, listed = "exclude" if record.endswith("EX") else "include", sources
            elif (record == "ALLOW") == (mode == "include"):
                listed |= sources
            else:
                listed -= sources
            groups[group] = mode, listed
    return {group: state for group, state in groups.items() if state != ("include", frozenset())}, kinds, step["errors"]


def same(want, got):
    name = got["scenario"], got["step"]
    if name[0] == "an older querier that is gone" and name[1].endswith("later"):
        # Answers of the older version are still coming while the newer one is spoken: the first report tells.
        return [kind for kind, _ in want["reports"][:1]] == [kind for kind, _ in got["reports"][:1]]
    if compared(want) == compared(got):
        return True
    if ACTIONS[name] < 2:
        return False
    # Reports that were to be one may be two, and answers of their own times may meet in one.
    (records, _, errors), (got_records, _, got_errors) = compared(want), compared(got)
    if (records, errors) == (got_records, got_errors):
        return True
    joins = any(word in str(got["reports"]) for word in ("TO_EX", "ALLOW"))
    return joins and known_to_router(want) == known_to_router(got)


def brief(step):
    rows = [f"errors {step['errors']}"] if step["errors"] else []
    for kind, inside in step["reports"]:
        rows.append(kind + " " + " ".join(f"{record}({group} {{{','.join(sources)}}})" for record, group, sources in inside))
    return rows or ["nothing"]


# Running ------------------------------------------------------------------------------------------------------------


def play(name, host, querier):
    """The steps of a scenario as they stand in a recording."""
    for label, seconds, actions in SCENARIOS[name]:
        # An answer may be drawn so early that it is on its way before the second question comes; not three times.
        for _ in range(3 if " and then " in label else 1):
            done = take_step(name, label, seconds, actions, host, querier)
            if len(done["reports"]) <= 1:
                break
        yield done


def take_step(name, label, seconds, actions, host, querier):
    querier.wire.take()
    errors, lines = [], []
    for action in actions:
        if isinstance(action, str):
            lines.append(action)
        else:
            # What another host says comes after the query was read.
            action(querier)
            time.sleep(0.01 if len(actions) < 5 else 0)
    if lines:
        errors = [answer.get("errno", answer["error"]) for answer in host.ask(*lines) if "error" in answer]
    time.sleep(seconds)
    reports = [shown(message) for message in querier.wire.take() if message["incoming"]]
    return {"scenario": name, "step": label, "errors": errors, "reports": reports}


def recorded():
    with open(RECORDING) as file:
        rows = [json.loads(line) for line in file if not line.startswith("#")]
    return {(row["scenario"], row["step"]): row for row in rows}


def verdict(want, got):
    key = got["scenario"], got["step"]
    name = f"igmp probe: {key[0]}: {key[1]}"
    known = {} if lab.KERNEL_IS_HOST else KNOWN.get(key, {})
    if same(want, got):
        # A difference that is gone must leave the list.
        lab.judge(name, not known, "this was known to differ, and does not", known.get("why"))
    elif known and compared({"reports": known["reports"], "errors": known["errors"]}) == compared(got):
        lab.say("known", f"{name}: {known['why']}")
    else:
        lab.say("FAIL", name, *(f"want {row}" for row in brief(want)), *(f"got  {row}" for row in brief(got)))


def main():
    recording = None
    names = sys.argv[1:]
    if names[:1] == ["--record"]:
        recording, names = names[1], []
    names = names or [name for name in SCENARIOS if not (lab.KERNEL_IS_HOST and name.endswith(STANDARD))]
    lab.add_namespace("probe")
    steps = {}
    host = None if lab.KERNEL_IS_HOST else lab.Chimney("probe", "probe")
    plans = [(f"h{list(SCENARIOS).index(name)}", name) for name in names]
    if host:
        for stack, _ in plans:
            host.add(stack, stack, addresses=[f"{OURS}/24"])
        host.up()

    def one(stack, name):
        if host:
            if name in KERNEL_RULES:
                host.believe_as_the_kernel(stack)
            if name == "limits":
                host.limit(stack, *LIMITS)
            lines = host.lines(stack)
        else:
            lab.kernel_namespace(f"probe-{stack}", peer=stack, peer_namespace="probe", ipv4=f"{OURS}/24",
                                 many=name == "two hundred groups")
            lines = lab.kernel_lines(f"probe-{stack}", 5000)
        # Whatever the coming up of the link has them say is said before.
        time.sleep(2.5)
        steps[name] = list(play(name, lines, Querier("probe", stack)))
        lines.close()

    lab.together([lambda plan=plan: one(*plan) for plan in plans])
    if recording:
        with open(recording, "w") as file:
            for name in names:
                file.writelines(json.dumps(step) + "\n" for step in steps[name])
        return
    want = recorded()
    for name in names:
        for step in steps.get(name, []):
            verdict(want[name.removesuffix(STANDARD), step["step"]], step)
    if host:
        lab.judge("igmp probe: chimney up ends", host.down())


main()
