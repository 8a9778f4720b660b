"""Texts that models and foreign files may hold, and that must be shown as text, never run or followed."""

from __future__ import annotations

RAN = "window.__ran"  # what a payload sets when it is run

PAYLOADS = {
    "script": "<script>window.__ran='script'</script>",
    "image": "<img src=x onerror=\"window.__ran='image'\">",
    "svg": "<svg onload=\"window.__ran='svg'\"><circle r=9></svg>",
    "frame": "<iframe srcdoc=\"<script>parent.__ran='frame'</script>\"></iframe>",
    "style": "<style>body{display:none}</style><div style='position:fixed;inset:0;background:red'>over</div>",
    "link": "<a href=\"javascript:window.__ran='link'\">click</a> [also](javascript:window.__ran='link')",
    "closing": "</script></pre></td></div></style><img src=x onerror=\"window.__ran='closing'\">",
    "attribute": "\" onmouseover=\"window.__ran='attribute'\" x='",
    "maths": "$\\href{javascript:window.__ran='maths'}{x}$ $$\\int$$",
    "template": "%{x}{{constructor.constructor('window.__ran=1')()}}${window.__ran=2}",
    "terminal": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x08\x08",
    "turned": "abc\u202ecba\u202c \u2067right\u2069 \u200f",
    "null": "a\x00b",
    "long": "x" * 1_000_000,
    "tall": "y\n" * 20_000,
    "wide": "\u0301" * 2_000 + "\ufdfd" * 50,
    "emoji": "👩‍👩‍👧‍👦" * 20,
    "json": '{"__proto__": {"ran": 1}, "a": "</script>"}',
}


def tame(text: str) -> str:
    """The beginning by which a shown payload is found again."""
    return text[:20]
