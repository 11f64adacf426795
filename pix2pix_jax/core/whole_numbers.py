"""Numbers that a user typed."""

import re

# Far more than any count or size needs, and far fewer than make Python slow.
_MOST_DIGITS = 30
_WHOLE = re.compile(rf"[+-]?[0-9]{{1,{_MOST_DIGITS}}}", re.ASCII)


def parse_whole(text: str) -> int | None:
    """Read a whole number, written with the digits 0 to 9.

    `int` also takes digits of other scripts, underscores and surrounding blanks. In what is typed
    or copied these are slips more often than a wish, so they are no numbers here.

    Args:
        text: What was typed.

    Returns:
        The number; None if the text is none, or has more than 30 digits.
    """
    return int(text) if _WHOLE.fullmatch(text) else None
