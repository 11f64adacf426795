"""What one training step is in a compiled program: kernels, bytes, convolutions, all-reduces."""

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from compiling.hlo import Array, Computation, Instruction, Program

# These run nothing, or are counted where they start.
_NO_KERNEL = {"parameter", "get-tuple-element", "tuple", "bitcast", "constant", "after-all"}
_NO_KERNEL |= {"opt-barrier", "partition-id", "replica-id", "domain"}
_SLICES = {"slice", "dynamic-slice", "slice-start", "dynamic-slice-start"}  # read a part
_NO_ROUTINE = {
    "AllocateBuffer",
    "ConcatBitcast",
    "Sharding",
    "SPMDFullToShardShape",
    "SPMDShardToFullShape",
}
_LOOSE = {"while", "call", "conditional"}  # what they call has kernels of its own
_MATMUL = re.compile(r"cublas|gemm|matmul")
_CUDNN = {
    "Forward": "forward",
    "BiasActivationForward": "forward",
    "ForwardGraph": "forward",
    "BackwardInput": "input gradient",
    "BackwardFilter": "filter gradient",
}
# A library's convolution with a window of this side is none that a network asked for: the filter is
# as large as an image.
_IMAGE_SIZED = 16
KINDS = ("forward", "input gradient", "filter gradient")


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution of the compiled program.

    Attributes:
        kind: One of `KINDS`: what it computes. A transposed convolution is the input gradient of a
            strided one.
        window: Largest side of its window.
        dtype: Dtype of its first operand, as HLO writes it.
        in_library: Whether it is a call of cuDNN.
    """

    kind: str
    window: int
    dtype: str
    in_library: bool

    @property
    def is_image_sized(self) -> bool:
        """Whether its filter is an image: a filter's gradient that the library does not see as one.

        Other compilers write every gradient of a filter like this, and know what it is.
        """
        return self.in_library and self.kind == "forward" and self.window >= _IMAGE_SIZED


@dataclasses.dataclass(frozen=True)
class StepCounts:
    """What one step is in a compiled program.

    Attributes:
        kernels: Launches on the device.
        bytes: Operands and results of all kernels: an upper bound of the traffic.
        convolutions: Its convolutions.
        products: Number of matrix products.
        all_reduces: Number of sums over devices.
        all_reduce_bytes: Their results.
        cycles: The compiler's own estimate; 0 if it writes none.
        open_loops: Loops of unknown length, whose body is counted once.
    """

    kernels: int = 0
    bytes: int = 0
    convolutions: tuple[Convolution, ...] = ()
    products: int = 0
    all_reduces: int = 0
    all_reduce_bytes: int = 0
    cycles: int = 0
    open_loops: int = 0

    @property
    def image_sized(self) -> int:
        """Number of convolutions with a filter as large as an image."""
        return sum(one.is_image_sized for one in self.convolutions)

    def by(self, name: str) -> dict[str, int]:
        """Count the convolutions by one of their attributes."""
        return dict(Counter(str(getattr(one, name)) for one in self.convolutions))


def step_of(program: Program, *, on_chip: str = "") -> str:
    """Return the computation that takes one step: the body of the call's loop.

    Args:
        program: The program of a call.
        on_chip: See `count`.

    Returns:
        The name of the body of the largest loop at the top; the entry if there is none, as the
        compiler unrolls a loop of one step.
    """
    loops = [
        each.called[0] for each in program.computations[program.entry] if each.opcode == "while"
    ]
    sizes = {name: count(program, name, on_chip=on_chip).bytes for name in loops}
    return max(sizes, key=sizes.__getitem__, default=program.entry)


def count(
    program: Program,
    computation: str,
    *,
    apart: Collection[tuple[int, ...]] = (),
    on_chip: str = "",
) -> StepCounts:
    """Count what a computation runs, with what it calls; a loop as often as it goes round.

    Args:
        program: The program.
        computation: Name of the computation.
        apart: Shapes of arrays that are read in small parts only, such as resident pairs. They do
            not count as operands.
        on_chip: Mark of a layout that is in memory on the chip; '' if there is none.
    """
    total: Counter[str] = Counter()
    convolutions: list[Convolution] = []
    for inside, each, times, is_kernel in _walk(program, computation, 1):
        convolution = _convolution(each, inside)
        if convolution:
            convolutions += times * [convolution]
        elif _is_product(each):
            total["products"] += times
        if each.opcode in ("all-reduce", "all-reduce-start"):
            total["all_reduces"] += times
            total["all_reduce_bytes"] += times * sum(array.bytes for array in each.results)
        if each.opcode == "while" and not _trips(each):
            total["open_loops"] += times
        if is_kernel:
            counted = [
                array.bytes
                for array in _moved(each, inside)
                if array.shape not in apart and not (on_chip and on_chip in array.layout)
            ]
            total["kernels"] += times
            total["bytes"] += times * sum(counted)
            total["cycles"] += times * int(each.attribute(r'"estimated_cycles":\s*"?(\d+)') or 0)
    return StepCounts(convolutions=tuple(convolutions), **total)


def _walk(
    program: Program, name: str, times: int
) -> Iterator[tuple[Computation, Instruction, int, bool]]:
    """Yield each instruction with its computation, how often it runs, and if it is a kernel."""
    inside = program.computations.get(name, ())
    for each in inside:
        loose = each.opcode in _LOOSE
        yield inside, each, times, not loose and _launches(each)
        rounds = times * (_trips(each) or 1) if each.opcode == "while" else times
        for called in [*each.called, *each.branches[:1]]:
            deeper = _walk(program, called, rounds)
            yield from ((*found, loose and is_kernel) for *found, is_kernel in deeper)


def _launches(each: Instruction) -> bool:
    """Return whether an instruction is a kernel, or a copy."""
    is_end = each.opcode.endswith(("-done", "-update"))
    return each.opcode not in _NO_KERNEL and not is_end and each.target not in _NO_ROUTINE


def _trips(loop: Instruction) -> int:
    """Return how often a loop goes round; 0 if the compiler does not know."""
    return int(loop.attribute(r'"known_trip_count":\s*\{\s*"n":\s*"?(\d+)') or 0)


def _moved(each: Instruction, inside: Computation) -> Sequence[Array]:
    """Return the arrays that an instruction reads and writes."""
    taken = _operands(each, inside)
    if each.opcode in _SLICES and taken:
        shapes = [array.shape for array in taken]
        parts = [array for array in each.results if array.shape not in shapes]
        return [*parts, *(dataclasses.replace(part, layout=taken[0].layout) for part in parts)]
    written = each.results[:1] if each.opcode == "copy-start" else each.results
    return [*written, *taken]


def _operands(each: Instruction, inside: Computation) -> Sequence[Array]:
    """Return the arrays that an instruction takes."""
    taken = set(each.operands)
    return [array for other in inside if other.name in taken for array in other.results]


def _is_product(each: Instruction) -> bool:
    """Return whether an instruction is a matrix product."""
    # A TPU's compiler writes products as convolutions, too.
    return each.opcode in ("dot", "convolution") or bool(_MATMUL.search(each.target))


def _convolution(each: Instruction, inside: Computation) -> Convolution | None:
    """Return what kind of convolution an instruction is, or None if it is none."""
    cudnn = re.match(r"__cudnn\$conv(\w+)", each.target)
    window = each.attribute(r"\bwindow=\{([^}]*)\}")
    sides = [int(side) for side in re.findall(r"\d+", _field(window, "size"))]
    is_product = not sides or "dot_general" in each.attribute(r'op_name="([^"]*)"')
    if not cudnn and (each.opcode != "convolution" or is_product):
        return None
    first = next((one for one in inside if one.name in each.operands[:1]), None)
    dtype = first.results[0].dtype if first and first.results else "?"
    kind = _CUDNN.get(cudnn[1], "forward") if cudnn else _kind_of_window(window, sides)
    return Convolution(kind, max(sides, default=0), dtype, bool(cudnn))


def _kind_of_window(window: str, sides: Sequence[int]) -> str:
    """Tell what a plain convolution computes; of a filter's gradient, the window is an image."""
    if max(sides) >= _IMAGE_SIZED or "rhs_dilate" in window:
        return "filter gradient"
    return "input gradient" if "lhs_dilate" in window or "rhs_reversal" in window else "forward"


def _field(window: str, name: str) -> str:
    found: Any = re.search(rf"\b{name}=(\S+)", window)
    return found[1] if found else ""
