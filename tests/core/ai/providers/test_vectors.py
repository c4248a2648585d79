"""Vectors as text, and which are refused."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ai.providers.vectors import embedded_text, packed_vectors, unpacked, vectors_of

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=20), max_size=5))
def test_vectors_come_back_as_they_went(vectors: list[list[float]]) -> None:
    assert vectors_of(embedded_text(vectors)) == vectors


def test_numbers_are_kept_in_32_bits() -> None:
    assert vectors_of(embedded_text([[0.1, 1]])) == [[struct.unpack("<f", struct.pack("<f", 0.1))[0], 1.0]]


def test_each_vector_is_one_base64_string() -> None:
    text = embedded_text([[1.0, 2.0], [3.0, 4.0]])

    assert packed_vectors(text) == json.loads(text)
    assert [unpacked(packed) for packed in packed_vectors(text)] == [[1.0, 2.0], [3.0, 4.0]]
    assert " " not in text


@pytest.mark.parametrize(
    "vector",
    [
        [],
        "text",
        [1.0, None],
        [1.0, "2"],
        [1.0, True],
        [[1.0]],
        [math.nan],
        [math.inf],
        [-math.inf],
        [1e39],
        [10**400],
    ],
)
def test_what_is_no_vector_of_finite_numbers_is_refused(vector: Sequence[object]) -> None:
    with pytest.raises(ValueError, match="not a vector"):
        embedded_text([[1.0], vector])


@pytest.mark.parametrize("text", ["AAAA", "AAAAAAA", "????", "ä", "AAAAA==="])
def test_text_that_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked(text)
