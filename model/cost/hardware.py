"""Machines that multiply matrices, as their makers describe them: data, with the document each figure comes from.

Peaks are those of dense matrix products (makers like to print twice as much, for matrices half empty); GB and TB are powers of 1000.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from model.errors import Refusal
from model.space import Interval

GIGA, TERA = 10**9, 10**12


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One machine: peak FLOP/s in 32 and in 16 bits, `memory` in bytes, `bandwidth` of that memory in bytes/s, `watts` at full load."""

    title: str
    fp32: float
    bf16: float
    memory: float
    bandwidth: float
    watts: float
    source: str


ACCELERATORS: dict[str, Accelerator] = {
    "v100": Accelerator(
        "V100 SXM2 32 GB", 15.7 * TERA, 125 * TERA, 32 * GIGA, 900 * GIGA, 300, "NVIDIA Tesla V100 GPU Accelerator data sheet, 2018 (16 bits: fp16)"
    ),
    "a100": Accelerator("A100 SXM 80 GB", 19.5 * TERA, 312 * TERA, 80 * GIGA, 2_039 * GIGA, 400, "NVIDIA A100 Tensor Core GPU data sheet, 2021"),
    "h100": Accelerator(
        "H100 SXM 80 GB", 66.9 * TERA, 989.4 * TERA, 80 * GIGA, 3_350 * GIGA, 700, "NVIDIA H100 Tensor Core GPU Architecture, white paper, 2022"
    ),
    "h200": Accelerator("H200 SXM 141 GB", 66.9 * TERA, 989.4 * TERA, 141 * GIGA, 4_800 * GIGA, 700, "NVIDIA H200 Tensor Core GPU data sheet, 2023"),
    "rtx4090": Accelerator(
        "GeForce RTX 4090", 82.6 * TERA, 165.2 * TERA, 24 * GIGA, 1_008 * GIGA, 450, "NVIDIA Ada GPU Architecture, white paper, 2022, appendix A"
    ),
    "laptop": Accelerator(
        "Ryzen 7 7840U",
        8 * 3.3e9 * 32,
        8 * 3.3e9 * 64,
        32 * GIGA,
        120 * GIGA,
        28,
        "AMD Ryzen 7 7840U product page, 2023: 8 cores at 3.3 GHz, LPDDR5X-7500 on 128 bits, 28 W; two 256-bit fused multiply-adds a cycle "
        "(A. Fog, The microarchitecture of Intel, AMD and VIA CPUs)",
    ),
}


# ---------------------------------------------------------------- which machine is assumed


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A machine of the table."""

    model: Literal["a100", "h100", "h200", "v100", "rtx4090", "laptop"] = "a100"

    def __post_init__(self) -> None:
        if self.model not in ACCELERATORS:
            raise Refusal("paper.machine", "no accelerator is called {given!r}; there are {known}", given=self.model, known=", ".join(ACCELERATORS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """A machine of one's own: memory in GB, peak in TFLOP/s (in whatever precision it computes), bandwidth in GB/s, watts at full load."""

    memory: Annotated[float, Interval(1, 2_000, log=True)] = 80.0
    peak: Annotated[float, Interval(0.1, 20_000, log=True)] = 300.0
    bandwidth: Annotated[float, Interval(10, 50_000, log=True)] = 2_000.0
    watts: Annotated[float, Interval(5, 5_000, log=True)] = 400.0

    def __post_init__(self) -> None:
        for name in ("memory", "peak", "bandwidth", "watts"):
            if not 0 < getattr(self, name) < float("inf"):
                raise Refusal("paper.above_zero", "{name} is a number above 0; got {given}", name=name, given=getattr(self, name))


Machine = Listed | Own


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """Which machine, and the `usable` share of its memory: the rest is for what computing needs beside (vLLM leaves a tenth: Kwon et al.
    2023, arXiv:2309.06180, and its documentation)."""

    machine: Machine = field(default_factory=Listed)
    usable: Annotated[float, Interval(0.5, 1.0, step=0.05)] = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.usable <= 1:
            raise Refusal("paper.usable", "the usable share of a memory is above 0 and at most 1; got {given}", given=self.usable)

    @property
    def accelerator(self) -> Accelerator:
        """The machine's figures."""
        return accelerator(self.machine)

    @property
    def room(self) -> float:
        """Bytes of one machine that may be filled."""
        return self.usable * self.accelerator.memory


def accelerator(machine: Machine) -> Accelerator:
    """The machine's figures."""
    match machine:
        case Listed(model=model):
            return ACCELERATORS[model]
        case Own(memory=memory, peak=peak, bandwidth=bandwidth, watts=watts):
            return Accelerator("", peak * TERA, peak * TERA, memory * GIGA, bandwidth * GIGA, watts, "")
