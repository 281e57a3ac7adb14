"""Where a Chimney host is known to differ from the recording, what it does instead, and the section that says so."""

KNOWN = {}
