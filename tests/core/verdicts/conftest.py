"""What the tests of verdicts share: one scan of the shipped market, made once and copied."""

from tests.core.verdicts.batches_made import provider, scanned, world

__all__ = ["provider", "scanned", "world"]
