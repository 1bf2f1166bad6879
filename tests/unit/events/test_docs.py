"""What the docs say of events is true."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from events import rendering, types
from events.rendering import render_events
from events.retries import PAUSES_SECONDS
from tests.unit.events.entries import SCHEMA, SOURCE, VALIDATOR, check, entry

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE = (DOCS / "reference/events.md").read_text()
GUIDE = (DOCS / "guides/consume-events.md").read_text()


def test_schema_is_one_and_names_its_version():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["change"]["properties"]["schema"] == {"const": rendering.SCHEMA_VERSION}
    assert SCHEMA["$id"].endswith(f":{rendering.SCHEMA_VERSION}")
    assert SCHEMA["$defs"]["members"]["maxItems"] == rendering.MEMBERS_MAX
    assert set(SCHEMA["properties"]["events"]["properties"]) == set(types.EVENT_TYPES)


def test_example_is_an_event():
    (example,) = re.findall(r"```json\n(\{\n  \"iss\".*?)```", REFERENCE, re.DOTALL)
    check(json.loads(example))


@pytest.mark.parametrize(
    "path", [("jti",), ("sub_id", "uri"), ("change", "sequence"), ("change", "version"), ("events",)]
)
def test_schema_misses_what_an_event_must_have(path):
    """A schema that takes anything would hold nothing to its word."""
    (event,) = render_events(entry("user.created", {"new": {}}), SOURCE)
    claims = json.loads(json.dumps(event.claims))
    part = claims
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]

    assert not VALIDATOR.is_valid(claims)
    assert not VALIDATOR.is_valid(event.claims | {"surprise": 1})


def test_guide_tells_the_pauses():
    told = re.search(r"tried again: after (.*?),\s+up to three days", GUIDE, re.DOTALL)[1]
    units = {"s": 1, "min": 60, "h": 3600}
    pauses = [int(number) * units[unit] for number, unit in re.findall(r"(\d+)\s(s|min|h)\b", told)]

    assert tuple(pauses) == PAUSES_SECONDS
