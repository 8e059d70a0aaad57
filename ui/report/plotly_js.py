"""plotly.js as it is shipped with plotly: compressed for a page, and the hash that a policy needs."""

from __future__ import annotations

import base64
import gzip
import hashlib
from functools import cache

from plotly.offline import get_plotlyjs


@cache
def compressed() -> str:
    """gzip in base64; less than half the size, and nothing is run before a report asks for it."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode("ascii")


@cache
def hash_of_plotly() -> str:
    return script_hash(get_plotlyjs())


def script_hash(text: str) -> str:
    """A script as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
