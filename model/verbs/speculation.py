"""What `generate` tells where a draft proposed: the rounds, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from model.checkpoints import Loaded
from model.generation import Choose, Chosen, Round, speculate, tally
from model.generation.speculative import refuse_strangers
from model.verbs.layout import columns, pairs


def rounds(target: Loaded, draft: Loaded, ids: Sequence[int], choose: Choose, **how: Any) -> list[Round]:
    """The rounds of `speculate`. Raises `Refusal` for a draft that reads by another tokenizer."""
    refuse_strangers(target, draft)
    return list(speculate(target.model, draft.model, ids, choose, **how))


def steps(rounds: Sequence[Round], choose: Choose) -> list[Chosen]:
    """Every token that was written, as the target's own choice."""
    found: list[Chosen] = []
    for round in rounds:
        rows = [verdict.logits for verdict in round.verdicts if verdict.accepted] + ([] if round.added is None else [round.added.logits])
        for number, (id, logits) in enumerate(zip(round.ids, rows, strict=True)):
            found.append(Chosen(len(found), id, choose, (*round.history, *round.ids[:number]), logits))
    return found


def told(rounds: Sequence[Round], piece: Callable[[int], str]) -> dict[str, Any]:
    """The rounds and their sums as plain values: q and p are the probabilities of the proposed token, `accepted` is null where it was
    not judged."""
    count = tally(rounds)
    sums = {
        "passes": count.rounds,
        "tokens": count.tokens,
        "proposed": count.proposed,
        "judged": count.judged,
        "accepted": count.accepted,
        "acceptance": count.rate,
        "tokens_per_pass": count.per_pass,
        "drafting_seconds": sum(round.drafting for round in rounds),
        "verifying_seconds": sum(round.verifying for round in rounds),
    }
    return {"rounds": [_round(round, piece) for round in rounds], "speculation": sums}


def table(result: dict[str, Any]) -> str:
    """A row a proposal or token added, then the sums."""
    head = ("round", "token", "q", "p", "die", "became")
    rows = [row for number, round in enumerate(result["rounds"]) for row in _rows(number, round)]
    sums = {name.replace("_", " "): value for name, value in result["speculation"].items()}
    return f"{columns(head, rows)}\n\n{pairs(sums)}"


def _round(round: Round, piece: Callable[[int], str]) -> dict[str, Any]:
    proposed: list[dict[str, Any]] = []
    for number, draft in enumerate(round.drafts):
        verdict = round.verdicts[number] if number < len(round.verdicts) else None
        judged = {} if verdict is None else {"p": float(verdict.p[draft.id]), "die": verdict.die}
        asked = {"accepted": None if verdict is None else verdict.accepted}
        proposed.append({"id": draft.id, "piece": piece(draft.id), "q": float(draft.q[draft.id]), **judged, **asked})
    last = round.added
    added = None if last is None else {"id": last.id, "piece": piece(last.id), "origin": last.origin, "share": float(last.probabilities[last.id])}
    return {"proposed": proposed, "added": added}


def _rows(number: int, round: dict[str, Any]) -> list[tuple[object, ...]]:
    became = {True: "accepted", False: "rejected", None: "not judged"}
    rows: list[tuple[object, ...]] = []
    for one in round["proposed"]:
        judged = (f"{one['p']:.1%}", f"{one['die']:.3f}") if "p" in one else ("", "")
        rows.append((number, one["piece"], f"{one['q']:.1%}", *judged, became[one["accepted"]]))
    added = round["added"]
    return rows if added is None else [*rows, (number, added["piece"], "", f"{added['share']:.1%}", "", added["origin"])]
