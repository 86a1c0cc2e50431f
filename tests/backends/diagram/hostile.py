"""Names that try to be more than text."""

from __future__ import annotations

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]><!-- -->",
    "&lt;b&gt; & &amp;",
    "line one\nline two\ttabbed",
    "quote ' and \\ backslash \\n",
    "end\n}\nsubgraph evil [x]\n%% comment",
    "control \x00\x07\x1b[31m red",
    "direction ‮ turned ⁦ around",
    "ünïcode 日本語 Ωμ→\N{MULTIPLICATION SIGN}",
    "very long " * 400,
    "Verylongwithoutaspace" * 100,
    "#quot; #35; `code` **bold** <br>",
    "",
)
