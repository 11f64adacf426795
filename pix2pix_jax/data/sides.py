"""Where the two sides of some pairs are."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Sides:
    """Where the two sides of some pairs are.

    Attributes:
        folders: Folders of A and of B, in this order. They are the same if files' names tell the
            sides apart. If there are several sources, each has one.
        suffixes: How names of files in each then end, in lower case; (): partners have the same.
        words: What the folders were looked for as.
        mask: Folder of the masks; None: there are none.
    """

    folders: tuple[pathlib.Path, ...]
    suffixes: tuple[str, ...] = ()
    words: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    mask: pathlib.Path | None = None

    def __str__(self) -> str:
        *before, last = self.places
        return f"{', '.join(before)} and {last}"

    @property
    def places(self) -> list[str]:
        """Where the files of each folder are, in words."""
        if not self.suffixes:
            return list(map(str, self.folders))
        ends = [f"*{suffix}.*" for suffix in self.suffixes]
        if len(set(self.folders)) == 1:
            return [f"{self.folders[0]}/{ends[0]}", *ends[1:]]
        return [f"{folder}/{end}" for folder, end in zip(self.folders, ends, strict=True)]

    @property
    def how(self) -> str:
        """Say that files are paired by how their names end, and which key says so."""
        return f"paired by how names end (data.pair_by={','.join(self.suffixes)})"
