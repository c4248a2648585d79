"""Webhooks over real sockets: what is delivered and how it is signed, and everything that is refused."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from ipaddress import ip_address

import pytest

from core.clock import SystemClock
from core.errors import InvalidRequest
from core.ops.public_addresses import Address, is_of_this_machine, is_public
from core.ops.webhooks import MAX_URL_CHARS, Message, Outcome, Webhooks, checked_url, signature
from tests.fakes.hook_server import Answer, HookServer, says
from tests.fakes.tls import contexts_for_localhost

HERE = ip_address("127.0.0.1")
PUBLIC = ip_address("93.184.215.14")
NOT_PUBLIC = Outcome(is_delivered=False, said="The address does not lead to the public internet.")
INSIDE = """
    127.0.0.1 127.9.9.9 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 0.0.0.0 192.0.0.192
    224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 198.18.0.1 203.0.113.5 168.63.129.16
    :: ::1 fd00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1 2001:db8::1 100::1 4000::1
    ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::127.0.0.1 ::10.0.0.1
    2002:7f00:1:: 2002:a9fe:a9fe:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
    64:ff9b:1::808:808 2001:4860:4860::5efe:7f00:1 2001:4860:4860::200:5efe:a9fe:a9fe
""".split()
OUTSIDE = "8.8.8.8 93.184.215.14 2606:4700:4700::1111 2002:808:808:: 64:ff9b::808:808".split()


def names(**found: str) -> Callable[[str, float], list[Address]]:
    """A resolver that knows these names alone."""

    def resolve(name: str, _within_s: float) -> list[Address]:
        if name not in found:
            raise OSError
        return [ip_address(each) for each in found[name].split()]

    return resolve


def message(url: str, body: bytes = b'{"a":1}') -> Message:
    return Message(url, "a secret", "delivery-1", body)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Context of the receiver, and of a sender that trusts it."""
    return contexts_for_localhost(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def receiver(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[HookServer]:
    """A receiver for the name localhost."""
    with HookServer(tls[0]) as server:
        yield server


@pytest.fixture
def sender(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[Webhooks]:
    """A sender that is allowed to call this machine, and knows two names of it."""
    known = names(localhost="127.0.0.1", elsewhere="127.0.0.1")
    webhooks = Webhooks(SystemClock(), resolve=known, is_allowed=lambda _: True, tls=tls[1], total_s=1.5)
    with closing(webhooks):
        yield webhooks


@pytest.fixture
def strict(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[Webhooks]:
    """A sender with the rules and the resolver that the workbench has."""
    with closing(Webhooks(SystemClock(), tls=tls[1])) as webhooks:
        yield webhooks


def test_a_message_arrives_signed_and_under_the_name_that_was_given(receiver: HookServer, sender: Webhooks) -> None:
    sent = message(f"https://localhost:{receiver.port}/hook/1?a=b")
    assert sender.deliver(sent) == Outcome(is_delivered=True)
    got = receiver.received.get_nowait()
    assert (got.target, got.body, got.asked_name) == ("/hook/1?a=b", sent.body, "localhost")
    assert got.headers["host"] == f"localhost:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-assay-delivery"] == "delivery-1"
    moment, _, signed = got.headers["x-assay-signature"].removeprefix("t=").partition(",v1=")
    assert abs(int(moment) - time.time()) < 60
    assert signed == signature("a secret", int(moment), got.body)


def test_a_signature_is_of_moment_and_body_as_receivers_compute_it() -> None:
    assert signature("whsec", 1_700_000_000, b"{}") == (
        "7d44587dddbaf4c7f70fef20f48cd594834ffea1641e3ac227b84408298738af"
    )


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_of_an_inside_network_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_machine_knows_its_own_addresses() -> None:
    assert is_of_this_machine(HERE)
    assert not is_of_this_machine(ip_address("192.0.2.77"))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "[::ffff:127.0.0.1]"),
        *("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "１２７.0.0.1", "localhost."),
    ],
)
def test_nothing_inside_is_called_however_it_is_written(receiver: HookServer, strict: Webhooks, host: str) -> None:
    outcome = strict.deliver(message(f"https://{host}:{receiver.port}/"))
    assert not outcome.is_delivered
    assert outcome.said in (NOT_PUBLIC.said, "The address's name is not known.")
    assert receiver.received.empty()


@pytest.mark.parametrize("found", ["93.184.215.14 127.0.0.1", "10.0.0.1 93.184.215.14", "2606:4700::1 ::1", ""])
def test_a_name_with_any_address_inside_is_not_called(tls: tuple[ssl.SSLContext, ssl.SSLContext], found: str) -> None:
    webhooks = Webhooks(SystemClock(), resolve=names(mixed=found), tls=tls[1])
    assert webhooks.deliver(message("https://mixed/")) == NOT_PUBLIC


def test_a_name_is_looked_up_at_each_delivery_once_and_what_was_checked_is_called(
    receiver: HookServer, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    answers = [[HERE], [ip_address("10.0.0.1")], [HERE]]
    webhooks = Webhooks(
        SystemClock(), resolve=lambda *_: answers.pop(0), is_allowed=lambda each: each == HERE, tls=tls[1]
    )
    sent = message(f"https://localhost:{receiver.port}/")
    assert webhooks.deliver(sent).is_delivered  # a second look-up within it would have led to 10.0.0.1
    assert len(answers) == 2
    assert webhooks.deliver(sent) == NOT_PUBLIC
    assert webhooks.deliver(sent).is_delivered


@pytest.mark.parametrize(
    ("problem", "is_sent"),
    [
        (TimeoutError(), False),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), False),
        (socket.gaierror(socket.EAI_FAIL, "broken"), False),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), True),
        (OSError("no such name"), True),
    ],
    ids=["time-out", "again", "broken", "unknown", "no-name"],
)
def test_where_its_own_name_cannot_be_looked_up_nothing_is_sent(
    receiver: HookServer, tls: tuple[ssl.SSLContext, ssl.SSLContext], problem: OSError, is_sent: bool
) -> None:
    def resolve(name: str, _within_s: float) -> list[Address]:
        if name == "assay.test":
            raise problem
        return [HERE]

    webhooks = Webhooks(SystemClock(), own_host="assay.test", resolve=resolve, is_allowed=lambda _: True, tls=tls[1])
    outcome = webhooks.deliver(message(f"https://localhost:{receiver.port}/"))
    assert (outcome.is_delivered, receiver.received.empty()) == (is_sent, not is_sent)
    if not is_sent:
        assert outcome.said == "This workbench cannot look its own name up now, and sends nothing without."
        with pytest.raises(InvalidRequest):
            webhooks.check("https://localhost/")


@pytest.mark.parametrize(
    ("head", "wait_s"),
    [
        ("HTTP/1.1 429 Slow\nRetry-After: 7", 7),
        ("HTTP/1.1 429 Slow\nRetry-After: 0.65", 0.65),
        ("HTTP/1.1 503 Busy\nRetry-After: 120", 120),
        ("HTTP/1.1 429 Slow\nRetry-After: 999999999", 24 * 3600),
        ("HTTP/1.1 429 Slow\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("HTTP/1.1 429 Slow\nRetry-After: -5", 0),
        ("HTTP/1.1 429 Slow\nRetry-After: nan", None),
        ("HTTP/1.1 429 Slow\nRetry-After: soon", None),
        ("HTTP/1.1 429 Slow\nRetry-After: Fri, 31 Dec 1999 23:59:59 -0000", None),
        ("HTTP/1.1 429 Slow", None),
        ("HTTP/1.1 404 Gone\nRetry-After: 7", None),
    ],
)
def test_how_long_a_receiver_asks_to_be_left_alone_is_read(
    receiver: HookServer, sender: Webhooks, head: str, wait_s: float | None
) -> None:
    receiver.answer = says(head)
    assert sender.deliver(message(f"https://localhost:{receiver.port}/")).retry_after_s == wait_s


def test_the_installation_itself_is_not_called(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    known = names(**{"assay.test": "93.184.215.14", "other.test": "93.184.215.14"})
    webhooks = Webhooks(SystemClock(), own_host="assay.test", resolve=known, tls=tls[1])
    assert webhooks.deliver(message("https://other.test/")) == NOT_PUBLIC


def test_a_redirect_is_not_followed(receiver: HookServer, sender: Webhooks) -> None:
    receiver.answer = says(f"HTTP/1.1 307 Away\nLocation: https://localhost:{receiver.port}/inside")
    outcome = sender.deliver(message(f"https://localhost:{receiver.port}/"))
    assert outcome == Outcome(is_delivered=False, said="The receiver answers 307: redirects are not followed.")
    assert receiver.received.qsize() == 1


def test_no_proxy_of_the_environment_is_used(
    receiver: HookServer, sender: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert sender.deliver(message(f"https://localhost:{receiver.port}/")).is_delivered


@pytest.mark.parametrize("status", ["400 Bad", "404 Not found", "410 Gone", "500 Broken"])
def test_any_other_answer_is_a_failure_and_told_by_its_number(
    receiver: HookServer, sender: Webhooks, status: str
) -> None:
    receiver.answer = says(f"HTTP/1.1 {status}", b"<pre>Traceback</pre>")
    outcome = sender.deliver(message(f"https://localhost:{receiver.port}/"))
    assert outcome == Outcome(is_delivered=False, said=f"The receiver answers {status[:3]}.")


def _drips(line: ssl.SSLSocket) -> None:
    with suppress(OSError):
        for sign in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000:
            line.sendall(bytes([sign]))
            line.settimeout(0.05)
            with suppress(TimeoutError):
                if not line.recv(1):
                    return


def _waits(line: ssl.SSLSocket) -> None:
    line.settimeout(20)
    with suppress(OSError):
        line.recv(1)


def _endless(line: ssl.SSLSocket) -> None:
    with suppress(OSError):
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.sendall(b"X-Filler: " + b"y" * 10_000 + b"\r\n")


def _huge(line: ssl.SSLSocket) -> None:
    with suppress(OSError):
        line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2_000):
            line.sendall(b"4000\r\n" + b"z" * 0x4000 + b"\r\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_drips, "The receiver takes too long."),
        (_waits, "The receiver takes too long."),
        (_endless, "The receiver's answer cannot be read."),
        (lambda line: line.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"), "The receiver's answer cannot be read."),
        (lambda line: None, "The receiver cannot be reached."),
    ],
)
def test_an_answer_that_is_slow_endless_or_none_ends_in_time(
    receiver: HookServer, sender: Webhooks, answer: Answer, said: str
) -> None:
    receiver.answer = answer
    began = time.monotonic()
    assert sender.deliver(message(f"https://localhost:{receiver.port}/")) == Outcome(is_delivered=False, said=said)
    assert time.monotonic() - began < 5


def test_a_huge_answer_is_left_where_it_is(receiver: HookServer, sender: Webhooks) -> None:
    receiver.answer = _huge
    assert sender.deliver(message(f"https://localhost:{receiver.port}/")).is_delivered


def test_a_certificate_of_another_name_or_of_nobody_is_refused(
    receiver: HookServer, sender: Webhooks, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    refused = Outcome(is_delivered=False, said="The receiver's certificate is not valid for this address.")
    assert sender.deliver(message(f"https://elsewhere:{receiver.port}/")) == refused
    unknown = Webhooks(SystemClock(), resolve=names(localhost="127.0.0.1"), is_allowed=lambda _: True)
    assert unknown.deliver(message(f"https://localhost:{receiver.port}/")) == refused
    assert receiver.received.empty()


def test_a_receiver_that_speaks_no_tls_or_is_not_there_is_told_so(sender: Webhooks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.close()
        outcome = sender.deliver(message(f"https://localhost:{port}/"))
    assert outcome == Outcome(is_delivered=False, said="The receiver cannot be reached.")
    assert sender.deliver(message("https://no.such.name/")).said == "The address's name is not known."


def test_the_next_address_of_a_name_is_tried_where_the_first_is_not_there(
    receiver: HookServer, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    several = names(localhost="127.0.0.2 127.0.0.1")
    webhooks = Webhooks(SystemClock(), resolve=several, is_allowed=lambda _: True, tls=tls[1])
    assert webhooks.deliver(message(f"https://localhost:{receiver.port}/")).is_delivered


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("https://ann:secret@example.com/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com:22/", "port"),
        ("https://example.com:99999/", "not an address"),
        ("https:///hook", "not an address"),
        ("https://example..com/", "not an address"),
        ("https://example.com/a b", "not an address"),
        ("https://example.com/\r\nX: y", "not an address"),
        ("https://example.com/\nhook", "not an address"),
        ("https://example.com\\@127.0.0.1/", "not an address"),
        ("https://example.com/#part", "not an address"),
        ("https://[::1/", "not an address"),
        ("https://exa%6dple.com/%zz" + "a" * MAX_URL_CHARS, "characters"),
        ("https://169.254.169.254/latest", "public internet"),
        ("https://[::ffff:10.0.0.1]/", "public internet"),
        ("javascript:alert(1)", "https://"),
        ("", "https://"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_what_is_wrong(url: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        checked_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?x=1", "https://bücher.example:8443", "https://8.8.8.8/", "HTTPS://Example.com/"]
)
def test_an_address_that_can_be_is_taken_as_it_is(url: str) -> None:
    assert checked_url(f" {url} ") == url


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "a secret" not in repr(message("https://example.com/"))
