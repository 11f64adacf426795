"""Tables as plain text."""

from collections.abc import Sequence


def align(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set rows under a heading, in columns as wide as their longest cell.

    Args:
        heading: Titles of the columns. A title that starts with `<` makes its column left-aligned;
            the mark itself is not shown.
        rows: The cells of each row, one for each column.

    Returns:
        The lines.
    """
    titles = [title.lstrip("<") for title in heading]
    columns = list(zip(titles, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row in [titles, *rows]:
        cells = [
            cell.ljust(width) if title.startswith("<") else cell.rjust(width)
            for title, cell, width in zip(heading, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
