"""What the probe does to a host: each scenario is a list of steps, each step calls and queries and a time to listen.

A string is a line for the host, a function gets the querier. Listening lasts long enough for what is repeated: with a
robustness of 2 a second time within a second.
"""

import messages

A, B, C, D, E, X = (f"10.0.0.{last}" for last in range(101, 107))
REPEATED = 3.0
SCENARIOS = {}


def step(label, seconds, *actions):
    return label, seconds, actions


def scenario(name, *steps):
    SCENARIOS[name] = steps


def ask(**what):
    return lambda querier: querier.ask(**what)


def sources(count):
    return [f"10.1.{i // 250}.{i % 250 + 1}" for i in range(1, count + 1)]


def group(net, last=1):
    return f"239.9.{net}.{last}"


G = group(1)
scenario(
    "any-source",
    step("join", REPEATED, "open a", f"join {G} as a"),
    step("leave", REPEATED, f"leave {G} as a"),
    step("close", 0.5, "close a"))
scenario(
    "blocked sources",
    step("join", REPEATED, "open a", f"join {G} as a"),
    step("block A", REPEATED, f"block {G} {A} as a"),
    step("block B", REPEATED, f"block {G} {B} as a"),
    step("unblock A", REPEATED, f"unblock {G} {A} as a"),
    step("unblock C, which is not blocked", 0.5, f"unblock {G} {C} as a"),
    step("leave", REPEATED, f"leave {G} as a"),
    step("close", 0.5, "close a"))
scenario(
    "wanted sources",
    step("join A", REPEATED, "open a", f"sjoin {G} {A} as a"),
    step("join B", REPEATED, f"sjoin {G} {B} as a"),
    step("join B again", 0.5, f"sjoin {G} {B} as a"),
    step("leave A", REPEATED, f"sleave {G} {A} as a"),
    step("leave B, the last", REPEATED, f"sleave {G} {B} as a"),
    step("close", 0.5, "close a"))
scenario(
    "whole filters",
    step("join A", REPEATED, "open a", f"sjoin {G} {A} as a"),
    step("include A, B", REPEATED, f"filter {G} in {A} {B} as a"),
    step("include B, C", REPEATED, f"filter {G} in {B} {C} as a"),
    step("exclude D", REPEATED, f"filter {G} ex {D} as a"),
    step("exclude D, E", REPEATED, f"filter {G} ex {D} {E} as a"),
    step("exclude E", REPEATED, f"filter {G} ex {E} as a"),
    step("exclude nothing", REPEATED, f"filter {G} ex as a"),
    step("include X", REPEATED, f"filter {G} in {X} as a"),
    step("include nothing", REPEATED, f"filter {G} in as a"),
    step("close", 0.5, "close a"))
G = group(3)
scenario(
    "closing leaves",
    step("join", REPEATED, "open a", f"join {G} as a"),
    step("close", REPEATED, "close a"),
    step("join A and B", REPEATED, "open a", f"sjoin {G} {A} as a", f"sjoin {G} {B} as a"),
    step("close again", REPEATED, "close a"))
G = group(4)
scenario(
    "two sockets, any source",
    step("first joins", REPEATED, "open a", f"join {G} as a"),
    step("second joins", 1.5, "open b", f"join {G} as b"),
    step("first leaves", 1.5, f"leave {G} as a"),
    step("second leaves", REPEATED, f"leave {G} as b"),
    step("close", 0.5, "close a", "close b"))
G = group(5)
scenario(
    "two sockets, included sources",
    step("first joins A", REPEATED, "open a", f"sjoin {G} {A} as a"),
    step("second joins B", REPEATED, "open b", f"sjoin {G} {B} as b"),
    step("second joins A too", 1.5, f"sjoin {G} {A} as b"),
    step("first leaves A", 1.5, f"sleave {G} {A} as a"),
    step("second closes", REPEATED, "close b"),
    step("first closes", 0.5, "close a"))
G = group(6)
scenario(
    "two sockets, excluded sources",
    step("first excludes A, B", REPEATED, "open a", f"join {G} as a", f"filter {G} ex {A} {B} as a"),
    step("second excludes nothing", REPEATED, "open b", f"join {G} as b"),
    step("second excludes B, C", REPEATED, f"filter {G} ex {B} {C} as b"),
    step("second closes", REPEATED, "close b"),
    step("first closes", REPEATED, "close a"))
scenario(
    "changes that follow each other",
    step("join, leave", REPEATED, "open a", f"join {group(8, 2)} as a", f"leave {group(8, 2)} as a"),
    step("join, leave, join", REPEATED, *(f"{word} {group(8, 3)} as a" for word in ("join", "leave", "join"))),
    step("close", REPEATED, "close a"))
scenario(
    "ten groups at once",
    step("join", REPEATED, "open a", f"join {group(9)}+10 as a"),
    step("close", REPEATED, "close a"))
G = group(1)
scenario(
    "errors",
    step("open", 0.1, "open a"),
    step("leave what is not joined", 0.1, f"leave {G} as a"),
    step("join an address that is no group", 0.1, "join 10.0.0.5 as a"),
    step("leave a source of what is not joined", 0.1, f"sleave {G} {A} as a"),
    step("block without a membership", 0.1, f"block {G} {A} as a"),
    step("filter without a membership", REPEATED, f"filter {G} in {A} as a"),
    step("close and open", REPEATED, "close a", "open a"),
    step("join", REPEATED, f"join {G} as a"),
    step("join twice", 0.1, f"join {G} as a"),
    step("join A of a group joined as a whole", REPEATED, f"sjoin {G} {A} as a"),
    step("block A", REPEATED, f"block {G} {A} as a"),
    step("block A twice", 0.1, f"block {G} {A} as a"),
    step("close", REPEATED, "close a"),
    step("join A", REPEATED, "open a", f"sjoin {G} {A} as a"),
    step("join as a whole", 0.1, f"join {G} as a"),
    step("block B", 0.1, f"block {G} {B} as a"),
    step("leave as a whole", REPEATED, f"leave {G} as a"),
    step("close again", REPEATED, "close a"))
scenario(
    "limits",
    step("join 25 groups", REPEATED, "open a", *(f"join {group(10, i)} as a" for i in range(1, 26))),
    step("close", REPEATED, "close a"),
    step("join 15 sources", REPEATED, "open a", *(f"sjoin {group(10)} {source} as a" for source in sources(15))),
    step("close again", REPEATED, "close a"))

G1, G2, G3 = (group(20, i) for i in (1, 2, 3))
SET_UP = step(
    "exclude nothing of G1 and A, B of G2, include A, B, C of G3", 4.0, "open a", f"join {G1} as a", f"join {G2} as a",
    *(f"block {G2} {source} as a" for source in (A, B)), *(f"sjoin {G3} {source} as a" for source in (A, B, C)))
CLOSE = step("close", REPEATED, "close a")
scenario(
    "general queries",
    SET_UP,
    step("answer within 1 s", 2, ask(code=10)),
    step("with the flag that speaks to routers", 2, ask(code=10, suppress=1)),
    step("answer within 0.1 s", 1, ask(code=1)),
    step("answer at once", 2, ask(code=0)),
    CLOSE)
scenario(
    "group queries",
    SET_UP,
    step("G1", 2, ask(group=G1)),
    step("G2", 2, ask(group=G2)),
    step("G3", 2, ask(group=G3)),
    step("G1 with the flag that speaks to routers", 2, ask(group=G1, suppress=1)),
    step("a group that is not joined", 2, ask(group=group(20, 9))),
    step("G1, sent to all hosts", 2, ask(group=G1, destination=messages.ALL_HOSTS)),
    CLOSE)
scenario(
    "source queries",
    SET_UP,
    step("A, B of G3", 2, ask(group=G3, sources=[A, B])),
    step("A, X of G3", 2, ask(group=G3, sources=[A, X])),
    step("X of G3", 2, ask(group=G3, sources=[X])),
    step("A, X of G2", 2, ask(group=G2, sources=[A, X])),
    step("A of G2", 2, ask(group=G2, sources=[A])),
    step("A of G1", 2, ask(group=G1, sources=[A])),
    step("A of G3 and then B", 3, ask(group=G3, sources=[A], code=20), ask(group=G3, sources=[B], code=20)),
    step("A of G3 and then G3", 3, ask(group=G3, sources=[A], code=20), ask(group=G3, code=20)),
    step("365 others and A of G3", 2, ask(group=G3, sources=[*sources(365), A])),
    step("366 sources of G1", 2, ask(group=G1, sources=sources(366))),
    step("4 sources of G1 claimed and 2 there", 2, ask(group=G1, sources=sources(4), cut=20)),
    CLOSE)
for robustness in (0, 1, 2):
    wait = max(robustness, 2) + 1.5
    scenario(
        f"robustness {robustness}",
        step("query", 1, ask(code=1, robustness=robustness)),
        step("join", wait, "open a", f"join {group(21, robustness + 1)} as a"),
        step("leave", wait, f"leave {group(21, robustness + 1)} as a"),
        step("query with a robustness of 2", 1, ask(code=1)),
        step("close", 0.3, "close a"))
scenario(
    "response code with an exponent",
    step("join 20 groups", 5, "open a", f"join {group(30)}+20 as a"),
    step("20 group queries of 25.6 s", 28, *(ask(group=group(30, i), code=0x90) for i in range(1, 21))),
    step("close", REPEATED, "close a"))
scenario(
    "two hundred groups",
    step("join", 6, "open a", f"join {group(40)}+200 as a"),
    step("general query", 2, ask(code=5)),
    step("close", 6, "close a"))
scenario(
    "a querier of version 2",
    SET_UP,
    step("general query of version 2", 2.5, ask(version=2)),
    step("group query of version 2", 2, ask(version=2, group=G1)),
    step("join a further group", 12, f"join {group(20, 5)} as a"),
    step("leave it", 2, f"leave {group(20, 5)} as a"),
    step("join A of another", 12, f"sjoin {group(20, 6)} {A} as a"),
    step("general query of version 3", 2.5, ask()),
    step("group query, and another host answers", 4, ask(version=2, group=G1, code=30), lambda querier: querier.report(2, G1)),
    step("leave G1", 2, f"leave {G1} as a"),
    step("close", 2, "close a"))
scenario(
    "a querier of version 1",
    SET_UP,
    step("query of version 1", 11.5, ask(version=1)),
    step("join a further group", 11.5, f"join {group(20, 5)} as a"),
    step("leave it", 2, f"leave {group(20, 5)} as a"),
    step("query of version 2", 11.5, ask(version=2)),
    step("close", 2, "close a"))
scenario(
    "an older querier that is gone",
    step("query of version 3 every 3 s", 1.5, ask(interval=3)),
    step("query of version 2", 0.2, ask(version=2)),
    *(step(f"join {2 * i} s later", 2, f"open t{i}", f"join {group(50, i + 1)} as t{i}") for i in range(12)),
    step("close all", 3, *(f"close t{i}" for i in range(12))))
scenario(
    "queries to doubt",
    step("join", 3, "open a", f"join {G1} as a"),
    step("one without fault", 1.2, ask(code=5)),
    step("bad checksum", 1.2, ask(code=5, damage=0x5555)),
    step("no router alert", 1.2, ask(code=5, alert=False)),
    step("TTL 64", 1.2, ask(code=5, ttl=64)),
    step("source 0.0.0.0", 1.2, ask(code=5, source="0.0.0.0")),
    step("source of another network", 1.2, ask(code=5, source="172.31.9.9")),
    step("to the host's own address", 1.2, ask(code=5, destination="10.77.0.2")),
    step("to 224.0.0.22", 1.2, ask(code=5, destination=messages.ALL_REPORTERS)),
    step("about an address that is no group", 1.2, ask(group="10.0.0.77", code=5, destination=messages.ALL_HOSTS)),
    step("of 11 bytes", 1.2, ask(code=5, cut=11)),
    step("40 bytes behind it", 1.2, ask(code=5, padding=b"\xee" * 40)),
    CLOSE)
