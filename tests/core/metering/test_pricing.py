"""The billing file: margins, packages, and what a call comes to in credits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import ConfigurationError, InvalidRequest
from core.metering.pricing import BILLING_FILE, USD_PER_CREDIT, load_billing, shipped_billing


@pytest.mark.parametrize(
    ("cost_usd", "provider", "credits"),
    [
        ("0.01", "openai", "0.12"),
        ("0.000021", "openai", "0.000252"),
        ("0.000021", "deepseek", "0.000242"),  # 0.0002415
        ("0.000000001", "openai", "0.000001"),
        ("0.01", "nobody's", "0.12"),
        ("0", "openai", "0"),
        ("12345.678901234", "perplexity", "154320.986266"),  # 154320.986265425
    ],
    ids=["round", "few-tokens", "rounded-up", "a-nano-dollar", "default-margin", "nothing", "much"],
)
def test_credits_are_the_cost_times_the_margin_rounded_up_once(cost_usd: str, provider: str, credits: str) -> None:
    assert shipped_billing().credits_of(Decimal(cost_usd), provider) == Decimal(credits)


def test_an_answer_of_several_calls_is_rounded_once_each_at_its_own_margin() -> None:
    billing, nano = shipped_billing(), Decimal("0.000000001")
    assert billing.credits_of_all([(nano, "openai")] * 3) == Decimal("0.000001")
    calls = [(Decimal("0.01"), "openai"), (Decimal("0.01"), "mistral")]
    assert billing.credits_of_all(calls) == Decimal("0.12") + Decimal("0.125")
    assert billing.credits_of_all([]) == 0


def test_the_shipped_file_has_the_packages_of_the_contract() -> None:
    billing = shipped_billing()
    starter = billing.package("starter")
    assert (starter.credits, starter.price_usd, billing.usd_per_credit) == (100, Decimal("10.00"), USD_PER_CREDIT)
    sizes = [package.credits for package in billing.packages]
    assert sizes == sorted(sizes)
    for package in billing.packages:  # a larger one is never dearer by the credit, and none is given away
        assert Decimal("0.08") <= package.price_usd / package.credits <= USD_PER_CREDIT
    with pytest.raises(InvalidRequest, match="starter"):
        billing.package("free-money")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('usd_per_credit: "0.10"', 'usd_per_credit: "0.20"', "written at this rate"),
        ('usd_per_credit: "0.10"', "usd_per_credit: 0.10", "amount as text"),
        ('  default: "1.20"\n', "", "must name a default"),
        ('  default: "1.20"', '  default: "0.90"', "line 11"),
        ('  default: "1.20"', '  default: "NaN"', "line 11"),
        ("  - id: desk", "  - id: starter", "id of its own"),
        ("credits: 11500", "credits: 50", "in order"),
        ("credits: 11500", "credits: -1", "greater than or equal to 1"),
        ('price_usd: "10.00"', 'price_usd: "-10.00"', "greater than 0"),
        ("currency: usd", "currency: eur", "currency"),
    ],
    ids=["rate", "number", "no-default", "below-cost", "nan", "same-id", "order", "negative", "price", "currency"],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = BILLING_FILE.read_text("utf-8")
    assert old in text
    path = tmp_path / "billing.yaml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationError, match=told):
        load_billing(path)
