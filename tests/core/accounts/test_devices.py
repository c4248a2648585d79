"""Devices in words, whatever a browser says of itself."""

from __future__ import annotations

import pytest

from core.accounts.devices import MAX_WORDS_CHARS, UNKNOWN, Device, device_of

LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Mobile/15E148 Safari/604.1"
)
PIXEL = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/129.0.0.0 Mobile Safari/537.36"
)


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (LINUX, Device("Firefox on Linux")),
        (WINDOWS, Device("Chrome on Windows")),
        (IPHONE, Device("Mobile Safari on iPhone", is_hand_held=True)),
        (PIXEL, Device("Chrome Mobile on Android", is_hand_held=True)),
        ("curl/8.5.0", Device("curl")),
    ],
)
def test_known_agents_are_named_with_their_system(agent: str, device: Device) -> None:
    assert device_of(agent) == device


@pytest.mark.parametrize("agent", ["", " ", "x" * 300, "\x00" * 300, "<b>Bob</b>", "Mozilla/5.0"])
def test_what_no_table_knows_is_an_unknown_device(agent: str) -> None:
    assert device_of(agent) == Device(UNKNOWN)


def test_words_are_short_whatever_is_sent() -> None:
    assert len(device_of(f"{'Firefox' * 40}/1 (Linux)").words) <= MAX_WORDS_CHARS
