"""Writes ``docs/reference/limits.md`` from the limits themselves: ``python -m scimgw.limits_reference``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scim import limits
from scim.storage.rows import PACKED_BYTES_MAX
from scim.storage.users import EMAILS_MAX
from scimgw.client import PROJECT_DIR
from settings import Settings

FILE = Path("docs") / "reference" / "limits.md"

_KIBIBYTE: Final = 1024
_MEBIBYTE: Final = 1024 * 1024

# Long lines: a table of Markdown has one line a row.
# ruff: noqa: E501
HEAD = """\
# Limits of the SCIM API

<!-- Written by `python -m scimgw.limits_reference`; a test compares. -->

What the gateway takes in one request, what it answers at most, and what it says beyond that. Nothing is cut
silently: what is too much is refused as a whole, with a SCIM error and a `detail` that names the limit, and
nothing of it is stored. A client can read the limits that RFC 7643 §5 and RFC 9865 §4 have names for from
`/ServiceProviderConfig`; they are marked with their name there.
"""
TAIL = """
## Of other parts

[Settings](settings.md) has how long a request may take, how many resources a filter may read, and how long the
change feed is kept. [Events](events.md) has the limits of the feed and of deliveries. What the table service
takes, and what that means for the number of tenants and of requests a second, is in [the guide to
cost](../guides/cost.md) and in [the benchmarks](../../bench/README.md).
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """A line of the page.

    Attributes:
        what: What is limited.
        limit: The limit, with its unit.
        beyond: What happens beyond it: the answer's status, and the ``scimType`` where it has one.
        published: The limit's name in ``/ServiceProviderConfig``, if it has one.
    """

    what: str
    limit: str
    beyond: str
    published: str = ""


def sections() -> dict[str, list[Limit]]:
    """Return the lines of the page by their headings."""
    scanned = Settings.model_fields["scan_candidates_max"].default
    return {
        "Bodies": [
            Limit("Body of a POST, PUT or PATCH of a user", _size(limits.RESOURCE_BYTES_MAX), "413"),
            Limit("Any other body", _size(limits.BODY_BYTES_MAX), "413", "bulk.maxPayloadSize"),
            Limit(
                "Arrays and objects inside each other",
                f"{limits.NESTING_DEPTH_MAX} levels",
                "400 `invalidSyntax`",
            ),
            Limit(
                "Numbers, on either side of zero",
                f"{limits.INTEGER_MAX:,}, the largest that every JSON implementation keeps",
                "400 `invalidValue`",
            ),
            Limit(
                "Operations of a PATCH that are not about members", f"{limits.PATCH_OPERATIONS_MAX:,}", "413"
            ),
            Limit(
                "Operations of a bulk request", f"{limits.BULK_OPERATIONS_MAX:,}", "413", "bulk.maxOperations"
            ),
        ],
        "Resources": [
            Limit("A resource without its members, as JSON", _size(limits.RESOURCE_BYTES_MAX), "413"),
            Limit("The same, compressed", _size(PACKED_BYTES_MAX), "413"),
            Limit("Different e-mail addresses of a user", str(EMAILS_MAX), "400 `invalidValue`"),
            Limit(
                "Members that one request names",
                f"{limits.MEMBERS_PER_REQUEST_MAX:,}; a group may have any number",
                "413: send several requests",
            ),
            Limit(
                "Repetitions of a change where others write the same resource",
                str(limits.WRITE_ATTEMPTS_MAX),
                "429: the client tries again",
            ),
        ],
        "Queries": [
            Limit(
                "`filter`",
                f"{limits.QUERY_LENGTH_MAX:,} characters",
                "400 `invalidFilter`",
            ),
            Limit(
                "`attributes`, `excludedAttributes`, `sortBy`",
                f"{limits.QUERY_LENGTH_MAX:,} characters",
                "400 `invalidValue`",
            ),
            Limit("`cursor`", f"{limits.CURSOR_LENGTH_MAX:,} characters", "400 `invalidCursor`"),
            Limit(
                "`startIndex`, `count`",
                f"{limits.INTEGER_MAX:,}",
                "400 `invalidValue`",
            ),
            Limit(
                "Resources that a filter without an index reads",
                f"{scanned:,} (`SCIM_SCAN_CANDIDATES_MAX`)",
                "400 `tooMany`; with a cursor there is no limit",
            ),
            Limit(
                "Resources that a filter reads which only members or groups decide",
                f"{limits.COMPLETED_CANDIDATES_MAX:,}",
                "400 `tooMany`",
            ),
            Limit(
                "How deep a sorted search of all resource types goes",
                f"{limits.SORTED_DEPTH_MAX:,} resources",
                "400 `tooMany`",
            ),
        ],
        "Answers": [
            Limit(
                "Resources of a page, where no `count` is asked for",
                str(limits.PAGE_SIZE_DEFAULT),
                "the next page",
                "pagination.defaultPageSize",
            ),
            Limit(
                "Resources of a page",
                f"{limits.PAGE_SIZE_MAX:,}",
                "a larger `count` gets as many",
                "filter.maxResults, pagination.maxPageSize",
            ),
            Limit(
                "Members of all groups of a list together",
                f"{limits.MEMBERS_PER_LIST_MAX:,}; one group is answered whole",
                "400 `tooMany`: use `excludedAttributes=members`",
            ),
            Limit(
                "Age of a cursor",
                f"{limits.CURSOR_TIMEOUT_SECONDS:,} seconds",
                "400 `expiredCursor`",
                "pagination.cursorTimeout",
            ),
        ],
    }


def render_limits() -> str:
    """Return the page."""
    parts = [HEAD]
    for heading, lines in sections().items():
        parts.append(
            f"\n## {heading}\n\n| what | at most | beyond | published as |\n| --- | --- | --- | --- |\n"
        )
        parts += [
            f"| {line.what} | {line.limit} | {line.beyond} | {_code(line.published)} |\n" for line in lines
        ]
    return "".join(parts) + TAIL


def _size(count: int) -> str:
    """Return a number of bytes in the largest unit that it is a whole number of."""
    return f"{count // _MEBIBYTE} MiB" if count % _MEBIBYTE == 0 else f"{count // _KIBIBYTE} KiB"


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""


if __name__ == "__main__":
    (PROJECT_DIR / FILE).write_text(render_limits(), encoding="utf-8")
