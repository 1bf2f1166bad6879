"""What is sound and what is not: settings, clocks and dates, judged. Pure; ``doctor.py`` looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from settings import Settings
from tenants.secrets import Secret

# Clocks may differ by as much as tokens' leeway (tenants/signing_keys.py) before tokens are refused.
SKEW_WARNING = timedelta(seconds=30)
SKEW_FAILURE = timedelta(seconds=60)
# A key that has signed for longer than this has been forgotten rather than kept.
KEY_AGE_WARNING = timedelta(days=400)
# A version that ends within this time needs a follower.
EXPIRY_WARNING = timedelta(days=30)


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was looked at.
        level: How bad it is.
        detail: What is so; for a person.
        next_step: What to do; empty where nothing is.
    """

    check: str
    level: Level
    detail: str
    next_step: str = ""


def check_settings(values: Settings) -> Iterator[Finding]:
    """Look for settings that do not go together. Pure."""
    problems = list(_find_setting_problems(values))
    yield from problems or [Finding("settings", Level.OK, "They go together.")]


def _find_setting_problems(values: Settings) -> Iterator[Finding]:
    is_azure = not values.table_connection_string.get_secret_value()
    if is_azure and (values.local_secrets_dir or values.local_tenants_dir):
        yield Finding(
            "settings",
            Level.FAILING,
            "Tables are in Azure, and secrets or entries in a local folder.",
            "Remove SCIM_LOCAL_SECRETS_DIR and SCIM_LOCAL_TENANTS_DIR; deploy infra/main.bicep again.",
        )
    if is_azure and values.operator_token.get_secret_value():
        yield Finding(
            "settings",
            Level.WARNING,
            "SCIM_OPERATOR_TOKEN is set, and is not used beside tables in Azure.",
            "Remove it: operators sign in to Entra.",
        )
    if is_azure and not (values.operator_tenant_id and values.operator_audience):
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_OPERATOR_TENANT_ID or SCIM_OPERATOR_AUDIENCE is empty: no operator can sign in.",
            "Set operatorAudience in the parameters of infra/main.bicep, and deploy.",
        )
    yield from _find_url_problems(values, is_azure=is_azure)


def _find_url_problems(values: Settings, *, is_azure: bool) -> Iterator[Finding]:
    public = urlsplit(values.public_url)
    if values.public_url and (public.scheme not in {"https", "http"} or not public.hostname):
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_PUBLIC_URL is no URL.",
            "Set it to https://host, or leave it out.",
        )
    elif public.path.strip("/") or public.query:
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_PUBLIC_URL has a path or a query: every URL that customers get would be wrong.",
            "Set it to https://host alone.",
        )
    elif is_azure and public.scheme == "http":
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_PUBLIC_URL is not https: identity providers refuse it.",
            "Set it to https://host.",
        )
    if is_azure and urlsplit(values.entra_authority).scheme != "https":
        yield Finding(
            "settings",
            Level.FAILING,
            "SCIM_ENTRA_AUTHORITY is not https: keys could be swapped on their way.",
            "Leave it out, or set the https URL of your national cloud.",
        )


def judge_clock(dated: datetime, before: datetime, after: datetime) -> Finding:
    """Judge our clock by an answer that was dated between two readings of it. Pure.

    Args:
        dated: The other's time, in whole seconds.
        before: Ours when we asked.
        after: Ours when we had the answer.
    """
    too_late = before - (dated + timedelta(seconds=1))
    too_early = dated - after
    skew = max(too_late, too_early, timedelta(0))
    if skew <= SKEW_WARNING:
        return Finding("clock", Level.OK, "It agrees with the tables' clock.")
    level = Level.FAILING if skew > SKEW_FAILURE else Level.WARNING
    step = "Set this machine's clock: tokens are refused, and operations get names in the wrong order."
    return Finding("clock", level, f"It differs from the tables' by {skew.total_seconds():.0f} s.", step)


def render_rotation(name: str) -> str:
    """Say how a version is added."""
    return f"Run `scimgw keys rotate --name {name}`"


def judge_secret(current: Secret, versions: list[Secret], now: datetime) -> Finding:
    """Judge the versions of a secret by their dates. Pure."""
    check = f"secret {current.name}"
    step = f"{render_rotation(current.name)}."
    last = max(
        (version.expires or datetime.max.replace(tzinfo=UTC) for version in versions),
        default=current.expires or datetime.max.replace(tzinfo=UTC),
    )
    if last - now < EXPIRY_WARNING:
        return Finding(check, Level.WARNING, f"Its last version ends on {last:%Y-%m-%d}.", step)
    age = now - current.created
    if age > KEY_AGE_WARNING:
        return Finding(check, Level.WARNING, f"Its version is {age.days} days old.", step)
    return Finding(check, Level.OK, f"{len(versions)} live; the current one is {age.days} days old.")
