"""The numbers of a picture as files."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

BOM = "utf-8-sig"  # spreadsheets read UTF-8 only behind its mark


def csv(frame: DataFrame) -> bytes:
    """A table as a spreadsheet opens it."""
    return frame.to_csv(index=False).encode(BOM)


def npz(frame: DataFrame, **beside: NDArray[Any]) -> bytes:
    """A table's columns by their titles, and what else is given, as `numpy.load` opens them: numbers as numbers, all else as text;
    nothing in it needs pickle."""
    columns = {str(title): array(frame[title].to_numpy()) for title in frame.columns}
    return packed(columns | {name: np.asarray(values) for name, values in beside.items()})


def array(values: NDArray[Any]) -> NDArray[Any]:
    """A column as numbers or, where it holds anything else, as text."""
    if values.dtype.kind in "biuf":
        return values
    if all(isinstance(value, int | float | np.number) or value is None for value in values):
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return np.array(["" if value is None else str(value) for value in values], np.str_)


def ordered(frame: DataFrame, column: int, way: int) -> DataFrame:
    """A table by one of its columns, smallest first (`way` 1) or last (−1); what is equal stays in its order."""
    values = array(frame.iloc[:, column].to_numpy())
    _, rank = np.unique(values, return_inverse=True)
    return frame.iloc[np.argsort(way * rank, kind="stable")]


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as an NPZ file, whatever their names are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, values, allow_pickle=False)
    return file.getvalue()
