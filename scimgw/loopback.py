"""Which URLs stay on this machine."""

from urllib.parse import urlsplit

NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine: no proxy is asked for it, and nobody else hears what is sent."""
    return urlsplit(url).hostname in NAMES
