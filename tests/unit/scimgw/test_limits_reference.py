"""The page of limits: current, whole, and what the service publishes."""

import inspect
from typing import Any

from scim import limits
from scim.provider import TenantProvider
from scimgw import limits_reference
from scimgw.client import PROJECT_DIR
from scimgw.limits_reference import FILE, render_limits, sections


def numbers_of(value: int) -> set[str]:
    """A number as the page may write it."""
    return {f"{value:,}", str(value), f"{value // 1024} KiB", f"{value // 1024 // 1024} MiB"}


def test_the_page_is_current():
    """After a change of a limit: ``python -m scimgw.limits_reference``."""
    assert (PROJECT_DIR / FILE).read_text(encoding="utf-8") == render_limits()


def test_every_limit_has_its_line():
    """A new constant needs one."""
    source = inspect.getsource(limits_reference)
    names = [name for name in vars(limits) if name.isupper()]

    assert len(names) >= 16
    assert [name for name in names if f"limits.{name}" not in source] == []


def test_what_is_published_agrees():
    """RFC 7643 §5: a client that reads /ServiceProviderConfig is told the same."""
    config: Any = TenantProvider((), ()).config.model_dump()
    published = {
        (name, line.limit)
        for part in sections().values()
        for line in part
        for name in line.published.split(", ")
        if name
    }

    assert len(published) == 6
    for name, limit in published:
        section, attribute = name.split(".")
        assert any(limit.startswith(text) for text in numbers_of(config[section][attribute])), name
