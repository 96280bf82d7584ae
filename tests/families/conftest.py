"""How their masks are drawn where rows of padding are compared."""

from __future__ import annotations

import pytest


@pytest.fixture
def narrow_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their masks in fp32: the least number of float64, which stands for "may not look", becomes minus infinity in their fp32 softmax,
    and a row of padding, all of it hidden, becomes no number at all."""
    masking_utils = pytest.importorskip("transformers.masking_utils")
    spelled_out = masking_utils.eager_mask
    narrow = lambda **given: spelled_out(**given | {"dtype": masking_utils.torch.float32})  # noqa: E731
    monkeypatch.setitem(masking_utils.AttentionMaskInterface._global_mapping, "eager", narrow)
