"""A configuration in the making, with a line on each thing that was found."""

from collections.abc import Sequence
from typing import Any

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import override, set_value


class Finding:
    """The configuration in the making, and the lines.

    Attributes:
        config: The configuration; keys that the user gave stay as they are.
        lines: What was found.
    """

    def __init__(self, overrides: Sequence[tuple[str, str]]) -> None:
        """Start from the defaults.

        Args:
            overrides: Keys that the user gave, and their texts.
        """
        self.config = default_config()
        self._given = {key for key, _ in overrides}
        for key, text in overrides:
            override(self.config, key, text)
        self.lines: list[str] = []

    def given(self, key: str) -> bool:
        """Return whether the user gave a key."""
        return key in self._given

    def put(self, key: str, value: Any) -> None:
        """Set a key, unless the user gave it."""
        if not self.given(key):
            set_value(self.config, key, value)

    def say(self, topic: str, text: str, *keys: str) -> None:
        """Add a line: what was found, and the keys that say otherwise."""
        given = [key for key in keys if self.given(key)]
        if given:
            text += f" (given: {', '.join(given)})"
        self.lines.append(f"{topic}: {text}")


def plain(value: Any) -> str:
    """Write a value as a command line has it."""
    if isinstance(value, tuple):
        return ",".join(map(plain, value)) or "()"
    return f"{value:g}" if isinstance(value, float) else str(value)
