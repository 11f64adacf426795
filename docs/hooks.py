"""What MkDocs calls while it builds the site: the page of all keys gets its tables."""

import html
from typing import Any

from pix2pix_jax.core.keys import KEYS
from pix2pix_jax.core.rules import Text

PLACE = "<!-- the tables of all keys -->"
_COLUMNS = ("key", "default", "meaning", "values")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put a table of keys for each section of the configuration in their place on a page."""
    return markdown.replace(PLACE, "\n".join(_tables())) if PLACE in markdown else markdown


def _tables() -> list[str]:
    """Return the lines of the tables, with a heading for each section."""
    lines, before = [], None
    for name, key in KEYS.items():
        section = name.rpartition(".")[0] or "general"
        if section != before:
            lines += ["", f"## {section}", "", f"| {' | '.join(_COLUMNS)} |", "|---" * 4 + "|"]
        before = section
        values = "" if type(key.rule) is Text else key.rule.expected
        cells = [f"`{name}`", f"`{key.default!r}`", _plain(key.meaning), _plain(values)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _plain(text: str) -> str:
    """Return a text for a cell, in which nothing is markup."""
    return html.escape(text).replace("|", "&#124;").replace("*", "&#42;").replace("_", "&#95;")
