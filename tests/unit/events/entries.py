"""Rows of a feed, as the relay makes them, and what events must look like."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from events.rendering import Source
from scim.storage import rows
from scim.storage.changes import EventKind, FeedEntry

TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"
SOURCE = Source(TENANT, "https://gateway.example")
NOTICES = Source(TENANT, "https://gateway.example", has_values=False)
RESOURCE = "5f0c" * 8
OPERATION = "k" + "0193" * 4 + "a" * 10
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/event-schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def member_ids(count, start=0):
    return [f"{number:032x}" for number in range(start, start + count)]


def entry(kind, change, *, sequence=7, version=3, row=None):
    return FeedEntry(
        sequence=sequence,
        kind=EventKind(kind),
        resource_id=RESOURCE,
        resource_sequence=version,
        operation=OPERATION,
        time="2026-02-03T04:05:06.789Z",
        correlation_id="c0ffee" * 5 + "00",
        subject="0123456789abcdef",
        row=row if row is not None else rows.pack(change),
    )


def check(event):
    """Validate an event against the published schema."""
    VALIDATOR.validate(event)
    return event
