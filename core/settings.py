"""What an operator can set: environment, then `.env`, then Streamlit secrets; the environment wins."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from core.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
VERSION = "0.1.0"
SESSION_COOKIE = "assay_session"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _unset_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


LEAST_MONTHS = 4
"""Of usage that are kept beside the running one: the simulator replays 92 days over the months in which they lie."""


def _keeps_enough(months: int) -> int:
    if 0 < months < LEAST_MONTHS:
        raise ValueError(f"figures need {LEAST_MONTHS} months or more; 0 keeps everything")
    return months


Secret = Annotated[SecretStr | None, BeforeValidator(_unset_if_blank)]


class Settings(BaseModel):
    """Typed settings; each is read from the variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    assay_home: Path = ROOT / ".assay"
    """Where local state lives: embedded Postgres, the machine's cache, logs."""
    host: str = "127.0.0.1"
    """Address the workbench listens on."""
    port: int = Field(8501, ge=1, le=65535)
    """Port the workbench listens on."""
    plans_file: Path = DATA / "plans.yaml"
    """The plans and their limits."""
    models_file: Path = DATA / "models.yaml"
    """The models that can be asked."""
    public_url: str | None = None
    """The address users see; None is the address the workbench listens on."""
    assay_demo: bool | None = None
    """Load the demo organisation; None loads it when listening on loopback only."""
    default_model: str = "auto"
    """Model of a question that names none."""
    rate_per_address: int = Field(300, ge=1)
    """Requests a minute of one address without a valid token or session."""
    sign_in_attempts: int = Field(30, ge=1)
    """Sign-in attempts a minute of one address."""
    max_prompt_chars: int = Field(20_000, ge=1)
    """Longest prompt, in characters."""
    max_body_bytes: int = Field(1_048_576, ge=1)
    """Largest body of an HTTP request, in bytes."""
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Other origins whose pages may call the API."""
    metrics_token: Secret = None
    """Bearer token that may read /metrics from elsewhere than loopback."""
    database_url: Secret = None
    """A Postgres 15+ server; None starts the embedded one."""
    database_service_url: Secret = None
    """The same database under the service role, where the two roles have separate logins."""
    database_pool_size: int = Field(8, ge=1, le=100)
    """Connections of each role that one process keeps."""
    session_days: int = Field(14, ge=1, le=90)
    """Days without use after which a session ends."""
    allow_sign_up: bool | None = None
    """Let strangers make an account; None lets them in development only."""
    smtp_url: Secret = None
    """The mail server: smtp://user:password@host:587, or smtps:// for TLS from the first byte."""
    mail_from: str | None = None
    """The sender of mails; None is assay@ the host of the address users see."""
    openid_trusted_issuers: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """OpenID issuers whose addresses are believed without their `email_verified`."""
    quote_ttl_s: int = Field(300, ge=1)
    """Seconds for which a quote is fresh."""
    stock_api_provider: Literal["alphavantage", "fmp"] = "alphavantage"
    """The quote source that is asked first."""
    encryption_keys: Secret = None
    """Fernet keys, comma-separated, the newest first: what keys of providers and of webhooks are encrypted under."""
    cron_secret: Secret = None
    """What a scheduler outside shows to start jobs over HTTP; unset, jobs cannot be started that way."""
    stripe_secret_key: Secret = None
    """Key of Stripe's API, under which credits and plans are sold; unset, nothing is."""
    stripe_webhook_secret: Secret = None
    """What Stripe signs its events with, which it sends to /api/webhooks/stripe."""
    stripe_api_base: str | None = None
    """Another address of Stripe's API, without a path; None is Stripe's own."""
    billing_grace_days: int = Field(7, ge=0, le=60)
    """Days for which a plan stays after a payment of its subscription failed."""
    runs_worker: bool = True
    """Whether the server works on queued jobs itself; false where separate `worker` processes do."""
    worker_jobs_at_once: int = Field(3, ge=1, le=16)
    """Jobs that one worker works on at the same time; by default one night, one records job and somebody's scan."""
    scan_processes: int = Field(default_factory=lambda: min(os.cpu_count() or 1, 8), ge=1, le=64)
    """Processes in which one worker computes scans."""
    slack_webhook_url: Secret = None
    """An incoming webhook of Slack that the installation's alerts are sent to."""
    discord_webhook_url: Secret = None
    """A webhook of Discord that the installation's alerts are sent to."""
    cost_alert_usd: Decimal = Field(Decimal(100), gt=0)
    """Cost of all calls in one UTC day, in USD, at which operators are alerted."""
    usage_retention_months: Annotated[int, Field(ge=0, le=1200), AfterValidator(_keeps_enough)] = 0
    """Months of the usage log kept beside the running one; older ones are exported and dropped. 0 keeps all."""
    yahoo_enabled: bool = False
    """Ask Yahoo too; its terms allow personal use only."""
    ecb_enabled: bool = True
    """Ask the European Central Bank for new exchange rates every day, where a source of quotes is live."""
    connect_timeout_s: float = Field(5.0, gt=0)
    """Longest wait for a connection to a provider."""
    first_token_timeout_s: float = Field(30.0, gt=0)
    """Longest wait for the first token of an answer."""
    token_gap_timeout_s: float = Field(20.0, gt=0)
    """Longest wait between two tokens."""
    total_timeout_s: float = Field(120.0, gt=0)
    """Longest time an answer may take in all."""
    offline_delay_s: float = Field(0.015, ge=0, le=1)
    """Pause between two words of the offline glossary, so that its stream can be seen."""
    cache_machine_bytes: int = Field(64 * 1024 * 1024, ge=1024)
    """Size of the cache on this machine."""
    cache_entries_per_organisation: int = Field(20_000, ge=1)
    """Answers that the shared cache keeps for one organisation."""

    secrets_file: Path = ROOT / ".streamlit" / "secrets.toml"
    """The file of secrets, which Streamlit reads too."""

    values: Mapping[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    """All settings as text, for the tables of providers; never logged."""
    auth: Mapping[str, Any] = Field(default_factory=dict, repr=False, exclude=True)
    """The table [auth] of the file of secrets: sign-in by OpenID Connect; never logged."""

    def text(self, name: str) -> str | None:
        """The setting of that name, or None when it is unset or blank."""
        value = self.values.get(name, "").strip()
        return value or None

    @cached_property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can reach the workbench."""
        return self.host in LOOPBACK

    @cached_property
    def loads_demo(self) -> bool:
        """Whether the demo organisation is loaded at start."""
        return self.listens_on_loopback if self.assay_demo is None else self.assay_demo

    @cached_property
    def allows_sign_up(self) -> bool:
        """Whether strangers may make an account."""
        return self.is_development if self.allow_sign_up is None else self.allow_sign_up

    @cached_property
    def is_development(self) -> bool:
        """Whether whoever reads the log is whoever uses the workbench: it listens on loopback, behind no proxy."""
        return self.listens_on_loopback and urlsplit(self.address).hostname in LOOPBACK

    @cached_property
    def address(self) -> str:
        """The address users see, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @cached_property
    def is_https(self) -> bool:
        """Whether users reach the workbench by https, so that cookies can be Secure."""
        return self.address.startswith("https://")


def load_settings(environ: Mapping[str, str] | None = None, *, root: Path = ROOT, **overrides: Any) -> Settings:
    """Settings from the environment over `.env` over `.streamlit/secrets.toml`, all below `root`.

    SECRETS_FILE in the environment names another file of secrets.

    Raises:
        ConfigurationError: a value of the wrong form; the sentence names the variable, never its value.
    """
    variables = os.environ if environ is None else environ
    named = variables.get("SECRETS_FILE", "").strip()
    if named and not Path(named).is_file():
        raise ConfigurationError("SECRETS_FILE names a file that is not there.")
    secrets_file = Path(named or root / ".streamlit" / "secrets.toml")
    secrets = _secrets(secrets_file)
    auth = secrets.get("auth")
    values = {
        **{name: str(value) for name, value in secrets.items() if isinstance(value, str | int | float | bool)},
        **{name: value for name, value in dotenv_values(root / ".env").items() if value is not None},
        **variables,
        "SECRETS_FILE": str(secrets_file),
    }
    given = {name: values[name.upper()] for name in Settings.model_fields if values.get(name.upper(), "").strip()}
    tables = {"values": values, "auth": auth if isinstance(auth, dict) else {}}
    try:
        return Settings.model_validate({**given, **tables, **overrides})
    except ValidationError as error:
        problems = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigurationError(f"Settings: {problems}.") from None


def _secrets(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path.name}: {str(error).split(' (')[0]}.") from None
