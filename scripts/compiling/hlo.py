"""The text of a compiled program (HLO), as far as counting needs it.

    %name = f32[2,3]{1,0} opcode(%operand, %other), attribute=..., backend_config={...}

Each computation is a line `%name (...) -> ... {`, its instructions, and a line `}`; `ENTRY` is
where the program starts. Everything else is passed over.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Sequence

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{\s*$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_OPCODE = re.compile(r"\s*([\w\-]+)\(")
_NAME = re.compile(r"%([\w.\-]+)")
_ARRAY = re.compile(r"\b(pred|[a-z]+(\d+)\w*)\[([\d,]*)\](\{[^}]*\})?")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|called_computations)=\{?%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}|(?:true|false)_computation=%?([\w.\-]+)")


@dataclasses.dataclass(frozen=True)
class Array:
    """An array in the text.

    Attributes:
        dtype: As HLO writes it: f32, bf16, u8, pred.
        shape: Its sides.
        layout: What stands in braces behind it; '' if nothing does.
        bits: Bits of one value.
    """

    dtype: str
    shape: tuple[int, ...]
    layout: str
    bits: int

    @property
    def bytes(self) -> int:
        """Size, without padding."""
        return -(-math.prod(self.shape) * self.bits // 8)


@functools.lru_cache(maxsize=4096)
def arrays(text: str) -> tuple[Array, ...]:
    """Return the arrays of a type, which may be a tuple."""
    return tuple(
        Array(
            dtype,
            tuple(int(side) for side in sides.split(",") if side),
            layout,
            int(bits) if bits else 8,
        )
        for dtype, bits, sides, layout in _ARRAY.findall(text)
    )


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        name: Its name, unique in its computation.
        opcode: What it does, such as `fusion`.
        results: Arrays that it returns.
        operands: Names of the instructions whose results it takes.
        attributes: The rest of its line.
    """

    name: str
    opcode: str
    results: tuple[Array, ...]
    operands: tuple[str, ...]
    attributes: str

    @property
    def called(self) -> tuple[str, ...]:
        """The computation that it runs as a whole: of a fusion, a call or a loop's body."""
        return tuple(_CALLED.findall(self.attributes))

    @property
    def branches(self) -> tuple[str, ...]:
        """The computations of which it runs one."""
        found = _BRANCHES.findall(self.attributes)
        return tuple(
            name.strip().lstrip("%")
            for several, single in found
            for name in (several or single).split(",")
        )

    @property
    def target(self) -> str:
        """The routine of a custom call; '' of other instructions."""
        found = re.search(r'custom_call_target="([^"]*)"', self.attributes)
        return found[1] if found else ""

    def attribute(self, pattern: str) -> str:
        """Return the first group of a pattern in the attributes, or ''."""
        found = re.search(pattern, self.attributes)
        return found[1] if found else ""


Computation = Sequence[Instruction]


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program.

    Attributes:
        computations: Instructions by the name of their computation.
        entry: Name of the computation that the program starts with.
    """

    computations: dict[str, Computation]
    entry: str


def parse(text: str) -> Program:
    """Read the text of a compiled program, as from `Compiled.as_text`.

    Raises:
        ValueError: It has no entry computation.
    """
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        heading = _COMPUTATION.match(line)
        if heading and "->" in line:
            current = computations.setdefault(heading[2], [])
            entry = heading[2] if heading[1] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (found := _INSTRUCTION.match(line)):
            current.append(_instruction(*found.groups()))
    if not entry:
        raise ValueError("this text has no ENTRY computation")
    return Program(dict(computations), entry)


def _instruction(name: str, rest: str) -> Instruction:
    """Read what stands behind the equals sign."""
    end = _end_of_brackets(rest) if rest.startswith("(") else rest.index(" ")
    kind, rest = rest[:end], rest[end:]
    opcode = _OPCODE.match(rest)
    if opcode is None:
        raise ValueError(f"{name}: no opcode in {rest[:60]!r}")
    rest = rest[opcode.end() - 1 :]
    end = _end_of_brackets(rest)
    operands = tuple(_NAME.findall(rest[:end]))
    return Instruction(name, opcode[1], arrays(kind), operands, rest[end:])


def _end_of_brackets(text: str) -> int:
    """Return the place behind the bracket that closes the first one."""
    depth = 0
    for match in re.finditer(r"[()]", text):
        depth += 1 if match[0] == "(" else -1
        if not depth:
            return match.end()
    return len(text)
