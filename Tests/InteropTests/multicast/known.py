"""Where a Chimney host is known to differ from the recording, what it does instead, and the section that says so."""

import scenarios

REPORT = "report3 to 224.0.0.22"
A, X, G = scenarios.A, scenarios.X, scenarios.group(1)
G1, G2 = scenarios.G1, scenarios.G2


def told(kind, group, *sources, times=2):
    return [[REPORT, [[kind, group, list(sources)]]]] * times


def known(scenario, step, why, reports=(), errors=()):
    KNOWN[scenario, step] = {"why": why, "reports": list(reports), "errors": list(errors)}


KNOWN = {}

# Answers about sources of a group that is excluded.
TABLE = "RFC 9776 5.2, the table: of the sources asked about, those that are not excluded are told as included"
many = scenarios.sources(366)
known("source queries", "A, X of G2", TABLE, told("IS_IN", G2, X, times=1))
known("source queries", "A of G1", TABLE, told("IS_IN", G1, A, times=1))
known("source queries", "366 sources of G1", TABLE,
      told("IS_IN", G1, *many[:365], times=1) + told("IS_IN", G1, *many[365:], times=1))

# What calls are refused with.
ABSENT = "RFC 3678 4.1: a call about a group or a source that is not there fails with EADDRNOTAVAIL"
MIXED = "RFC 3678 4.1: one membership is either of any source or of sources, and mixing them fails with EINVAL"
WHOLE = "RFC 3678 4.2: a whole filter is a state, which includes being a member"
known("errors", "leave a source of what is not joined", ABSENT, errors=["EADDRNOTAVAIL"])
known("errors", "block without a membership", ABSENT, errors=["EADDRNOTAVAIL"])
known("errors", "filter without a membership", WHOLE, told("ALLOW", G, A))
known("errors", "close and open", WHOLE, told("BLOCK", G, A))
known("errors", "join A of a group joined as a whole", MIXED, errors=["EINVAL"])
known("errors", "block A", MIXED, told("BLOCK", G, A))
known("errors", "block A twice", ABSENT, errors=["EADDRNOTAVAIL"])
known("errors", "close", MIXED, told("TO_IN", G))
known("errors", "join as a whole", MIXED, errors=["EINVAL"])

# Queries that the standard does not believe, and `ifmcctl eth0 igmp queries kernel` does.
known("queries to doubt, rules of the standard", "no router alert", "RFC 9776 5.2: a query without router alert is ignored")
known("queries to doubt, rules of the standard", "TTL 64", "RFC 9776 4: every message has a TTL of 1")
