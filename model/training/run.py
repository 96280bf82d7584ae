"""Training as a generator: a run yields one frozen `Step` after the other, and whoever reads it sets the pace.

Nothing here prints, sleeps, saves or calls back. Between two steps the model is whole, in float32 and in evaluation mode:
it may be read, sampled, evaluated or saved, and none of that time is counted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from model.errors import Refusal
from model.layers.frame import own_mask
from model.memory import keep_freed_memory
from model.training.checkpoint import Checkpoint
from model.training.divergence import Evidence, explain
from model.training.loss import cross_entropy
from model.training.precision import resolve
from model.training.recipe import Clip, Recipe
from model.training.source import Batch, Source, deal, together
from model.training.weights import Weights
from model.transformer import Transformer

KEEP_EVERY = 50
"""Steps between two copies of the weights that a diverging run falls back on."""
GOOD = 1.0
"""Nats above the lowest loss up to which weights still count as good."""
SMOOTHING = 0.9
"""How much of the running mean of speed each step keeps."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: `loss` in nats per token on the rows it learned from, before it learned from them; `gradient_norm`
    before clipping; `tokens` and `seconds` since the run began, padding and pauses not counted; `fraction` of the budget spent."""

    step: int
    tokens: int
    seconds: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens_per_second: float
    fraction: float


def train(model: Transformer, source: Source, recipe: Recipe, resume: Checkpoint | None = None, *, clock: Callable[[], float] = perf_counter) -> Run:
    """Train `model` in place on what `source` deals: iterate over the run for its steps, stop whenever you like.

    With `resume`, the weights, moments, data and schedule go on from there: for a budget of steps or tokens bit for bit as
    if nothing had happened. Raises `Refusal` for what does not fit, and while running when the loss is no longer a finite
    number; the model then holds its last good weights.
    """
    if recipe.context > model.config.context:
        raise Refusal(
            "training.context",
            "rows of {given} tokens are longer than the {context} this model reads; train on {context} or fewer",
            given=recipe.context,
            context=model.config.context,
        )
    keep_freed_memory()
    precision = recipe.precision if resume is None else resume.precision
    run = Run(model, source, recipe, resolve(precision, next(model.parameters()).device), clock)
    if resume is not None:
        run.restore(resume)
    return run


class Run:
    """A training run under way. Iterating goes on where the last iteration stopped; `checkpoint()` may be taken between steps."""

    def __init__(self, model: Transformer, source: Source, recipe: Recipe, dtype: torch.dtype, clock: Callable[[], float]) -> None:
        self.model, self.source, self.recipe, self.clock, self.dtype = model.eval(), source, recipe, clock, dtype
        self.weights = Weights(model, dtype)
        self.optimiser = self.weights.optimiser(recipe.optimiser)
        self.steps, self.tokens, self.seconds, self.fraction = 0, 0, 0.0, 0.0
        self.mean_seconds, self.mean_tokens = 0.0, 0.0
        self.norms: deque[float] = deque(maxlen=KEEP_EVERY)
        self.lowest, self.good = math.inf, self.weights.vector.clone()

    def __iter__(self) -> Iterator[Step]:
        while self.fraction < 1:
            yield self.advance()

    def advance(self) -> Step:
        """One step: deal rows, measure the loss, follow its gradient."""
        start = self.clock()
        batch, count = deal(self.source, self.recipe.batch, self.recipe.context, self.model.config.vocabulary)
        self.fraction = self._fraction_after(count)
        rate = self.recipe.rate(self.steps + 1, self.fraction)
        loss, gradient = self._measure(batch)
        norm = float(gradient.norm())
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._give_up(rate)
        self._keep(loss)
        self.norms.append(norm)
        self._move(gradient, norm, rate)
        self._count(count, self.clock() - start)
        return Step(self.steps, self.tokens, self.seconds, loss, rate, norm, self.mean_tokens / max(self.mean_seconds, 1e-9), self.fraction)

    def checkpoint(self) -> Checkpoint:
        """All that it takes to go on from here, independent of what happens to this run next."""
        state = self.optimiser.state_dict()["state"]
        moments = {f"{part}.{name}": value.clone() for part, values in state.items() for name, value in values.items() if value is not None}
        return Checkpoint(
            config=self.model.config,
            recipe=self.recipe,
            precision="bfloat16" if self.dtype == torch.bfloat16 else "float32",
            step=self.steps,
            tokens=self.tokens,
            seconds=self.seconds,
            source=self.source.state(),
            weights={name: value.detach().clone() for name, value in self.model.named_parameters()},
            moments=moments,
        )

    def restore(self, saved: Checkpoint) -> None:
        """Go on from `saved`. Raises `Refusal` when it comes from another configuration or recipe; only the budget may differ."""
        saved.fits(self.model.config, self.recipe)
        self.model.load_state_dict(saved.weights)
        self.weights.refresh()
        self.good.copy_(self.weights.vector)
        self.optimiser.load_state_dict({"state": saved.moments_by_part(), "param_groups": self.optimiser.state_dict()["param_groups"]})
        self.source.restore(saved.source)
        self.steps, self.tokens, self.seconds = saved.step, saved.tokens, saved.seconds
        self.fraction = self.recipe.budget.spent(self.steps, self.tokens, self.seconds)

    def _fraction_after(self, count: int) -> float:
        """What the coming step will have spent; its duration is foreseen, so that a run by time ends annealed."""
        return min(1.0, self.recipe.budget.spent(self.steps + 1, self.tokens + count, self.seconds + self.mean_seconds))

    def _measure(self, batch: Batch) -> tuple[float, Tensor]:
        """The mean loss (nats per token) and its gradient along every weight."""
        home = self.weights.vector.device
        with torch.enable_grad(), self._dropout():
            moved = batch.to(home)
            logits = answer(self.weights.worker, moved)
            loss, slope = cross_entropy(logits, moved.targets, self.source.pad)
            return loss, self.weights.gradient(logits, slope)

    @contextmanager
    def _dropout(self) -> Iterator[None]:
        """Drop activations by dice that depend on nothing but the seed and the step, and leave everyone else's dice alone."""
        if self.model.config.dropout == 0:
            yield
            return
        home = self.weights.vector.device
        with torch.random.fork_rng([home] if home.type == "cuda" else []):
            torch.manual_seed(self.recipe.seed * 1_000_003 + self.steps)
            self.weights.worker.train()
            yield
            self.weights.worker.eval()

    def _give_up(self, rate: float) -> None:
        with torch.no_grad():
            self.weights.vector.copy_(self.good)
        raise explain(Evidence(step=self.steps + 1, learning_rate=rate, norms=tuple(self.norms), width=self.model.config.width, recipe=self.recipe))

    @torch.no_grad()
    def _keep(self, loss: float) -> None:
        """Copy the weights, now that their loss is known, unless the run is already going astray."""
        self.lowest = min(self.lowest, loss)
        if self.steps % KEEP_EVERY == 0 and loss <= self.lowest + GOOD:
            self.good.copy_(self.weights.vector)

    @torch.no_grad()
    def _move(self, gradient: Tensor, norm: float, rate: float) -> None:
        if isinstance(self.recipe.clipping, Clip) and norm > self.recipe.clipping.norm:
            gradient.mul_(self.recipe.clipping.norm / norm)
        for group, slope in zip(self.optimiser.param_groups, gradient.tensor_split([self.weights.matrices]), strict=True):
            group["lr"], group["params"][0].grad = rate, slope
        self.optimiser.step()
        self.weights.refresh()

    def _count(self, count: int, seconds: float) -> None:
        keep = SMOOTHING if self.mean_tokens else 0.0
        self.mean_seconds = keep * self.mean_seconds + (1 - keep) * seconds
        self.mean_tokens = keep * self.mean_tokens + (1 - keep) * count
        self.steps, self.tokens, self.seconds = self.steps + 1, self.tokens + count, self.seconds + seconds


def answer(model: Transformer, batch: Batch) -> Tensor:
    """The logits (B, T, vocabulary) of what a batch reads: texts that share a row are kept apart, a source goes through the encoder."""
    if batch.texts is None:
        return model(batch.ids, mask=batch.allowed)
    length = batch.ids.shape[1]
    own = own_mask(model.config.main, model.config.attention.window, length, length, batch.ids.device) if batch.allowed is None else batch.allowed
    source, memory = batch.source, None
    if source is not None:
        memory = model.encode(source.ids, mask=together(source.texts, source.texts), across=together(batch.texts, source.texts))
    return model(batch.ids, memory=memory, mask=own & together(batch.texts, batch.texts))
