"""A report as one self-contained file, and as a fragment for another page.

Nothing is fetched: scripts, styles and data are inside, and the page's own policy forbids the
rest. A fragment lives in a shadow root: no id and no style of its host reaches it, or comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from uringtrace.tracer.report.model import Report
from uringtrace.ui.report.content import asset, content
from uringtrace.ui.report.facts import title
from uringtrace.ui.report.figures import FIGURES
from uringtrace.ui.report.harmless import page_text
from uringtrace.ui.report.plotly_js import compressed, hash_of_plotly, script_hash

_PLOTLY = '<script type="text/plain" class="uringtrace-plotly">{}</script>'


def page(report: Report) -> str:
    """The whole report as an HTML document."""
    return document(title(report), content(report, list(FIGURES), whole=True))


def document(heading: str, inner: str) -> str:
    """A page of its own around content that `report.js` brings to life."""
    script = asset("report.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {script_hash(script)} {hash_of_plotly()}",
            "style-src 'unsafe-inline'",  # plotly.js sets style attributes
            "img-src data: blob:",  # a figure saved as an image
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{page_text(heading)}</title>
<style>{asset("report.css")}</style>
</head>
<body class="uringtrace-page">
<main data-uringtrace="starting">
{inner}
{_PLOTLY.format(compressed())}
<script>{script}</script>
</main>
</body>
</html>
"""


def fragment(report: Report, names: Sequence[str] = tuple(FIGURES), *, with_plotly: bool = True) -> str:
    """A `<div>` with figures, for any page; several may be on one.

    Without plotly.js it uses that of the page, or of another fragment on it.
    """
    return embedded(content(report, names, whole=False), with_plotly=with_plotly)


def embedded(inner: str, *, with_plotly: bool = True) -> str:
    """The same content as a `<div>` for any page."""
    library = _PLOTLY.format(compressed()) if with_plotly else ""
    return f"""<div data-uringtrace="starting">
{library}
<template class="uringtrace-content"><style>{asset("report.css")}</style>
{inner}
</template>
<script>{asset("report.js")}</script>
</div>
"""
