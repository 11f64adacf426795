"""Cells of CSV files that a spreadsheet shows as text, whatever they begin with."""

# A cell that begins with one of these is a formula to a spreadsheet, which could run commands.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"  # spreadsheets take what follows for text


def guard(text: str) -> str:
    """Write a text from outside, such as the name of a file, as a cell of a CSV file.

    Returns:
        The text, after an apostrophe if it could be taken for a formula, or begins with one.
    """
    return _MARK + text if text.startswith((*_FORMULA, _MARK)) else text


def unguard(cell: str) -> str:
    """Return the text that `guard` made a cell of."""
    return cell.removeprefix(_MARK)
