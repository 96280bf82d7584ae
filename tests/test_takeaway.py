"""What a reader takes home: numbers as files, a page as a hand-out and as a notebook."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from components.takeaway import numbers

HOSTILE = ["<script>alert(1)</script>", "$x^2$ **bold**", "שלום", "🐟👩‍👩‍👧", "a,\"b\"\n'c'", ""]
TABLE = pd.DataFrame({"token": HOSTILE, "weight × 1/√d": np.linspace(0, 1, 6, dtype=np.float32), "row": range(1, 7), "ids": [True, False] * 3})


# ---------------------------------------------------------------- numbers as files


def test_an_npz_gives_every_column_back_without_pickle() -> None:
    with np.load(io.BytesIO(numbers.npz(TABLE, file=np.array([3, 1]))), allow_pickle=False) as found:
        assert set(found.files) == {*TABLE.columns, "file"}
        assert found["token"].tolist() == HOSTILE
        np.testing.assert_array_equal(found["weight × 1/√d"], TABLE["weight × 1/√d"])
        assert found["row"].dtype.kind == "i"
        assert found["file"].tolist() == [3, 1]


def test_a_column_of_numbers_and_gaps_stays_numbers_and_any_other_becomes_text() -> None:
    frame = pd.DataFrame({"a": [1, None, 2.5], "b": pd.Series([1, "x", None], dtype=object)})
    with np.load(io.BytesIO(numbers.npz(frame)), allow_pickle=False) as found:
        np.testing.assert_array_equal(found["a"], [1, np.nan, 2.5])
        assert found["b"].tolist() == ["1", "x", ""]


def test_a_csv_reads_back_as_it_was() -> None:
    back = pd.read_csv(io.BytesIO(numbers.csv(TABLE)), keep_default_na=False)
    assert back["token"].tolist() == HOSTILE
    assert numbers.csv(TABLE).startswith(b"\xef\xbb\xbf")


def test_a_table_sorts_by_any_column_both_ways_and_keeps_what_is_equal_in_order() -> None:
    frame = pd.DataFrame({"token": ["b", "a", "b", "c"], "weight": [0.5, 2.0, 10.0, 0.5]})
    assert numbers.ordered(frame, 0, 1).index.tolist() == [1, 0, 2, 3]
    assert numbers.ordered(frame, 1, -1).index.tolist() == [2, 1, 0, 3]
    assert numbers.ordered(TABLE, 0, -1).index.tolist()[-1] == 5
