"""How a request target becomes what the worker gets: path, URL, query. Pure.

Percent sequences that are no UTF-8 stay as they are, in .NET as here.
"""

import codecs
import re
from urllib.parse import quote, unquote

_SLASH = re.compile("%2f", re.IGNORECASE)
_ABSOLUTE = re.compile("https?://[^/]*", re.IGNORECASE)
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def _keep_percent(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("scimgw-keep-percent", _keep_percent)


def split_target(target: str) -> tuple[str, str]:
    """Return path and query of a request target (RFC 9112 §3.2), still encoded.

    Of ``http://host/path`` it is the path; ``*`` and ``host:port`` are no path of any function.
    """
    path, _, query = target.partition("?")
    if match := _ABSOLUTE.match(path):
        path = path[match.end() :] or "/"
    return path, query


def decode_path(raw_path: str) -> str:
    """Return the path as Kestrel gives it to the router.

    Percent-decoded, except ``%2F``; then ``.`` and ``..`` segments are resolved.
    """
    path = raw_path
    if "%" in path:
        path = unquote(_SLASH.sub("%252F", path), errors="scimgw-keep-percent")
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for segment in segments:
        if segment == "..":
            kept[-1:] = []
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def render_url(scheme: str, host: str, path: str, query: str) -> str:
    """Return the URL that the worker gets: the decoded path is encoded again, the query is as it came."""
    encoded = _BARE_PERCENT.sub("%25", quote(path, safe="/:@!$&'()*+,;=~%"))
    return f"{scheme}://{host}{encoded}" + (f"?{query}" if query else "")


def parse_query(query: str) -> dict[str, str]:
    """Return the query parameters as the worker gets them.

    Names compare without regard to case, the first spelling stays; repeated values are joined with commas;
    a parameter whose joined value is empty is dropped.
    """
    joined: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if not pair:
            continue
        name, value = _decode(name), _decode(value)
        name = spellings.setdefault(name.lower(), name)
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return {name: value for name, value in joined.items() if value}


def _decode(text: str) -> str:
    return unquote(text.replace("+", " "), errors="scimgw-keep-percent")
