"""The registry: each rule does what its examples say, and the documentation says so too."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scim.dialects import normalise_query
from scim.dialects.rules import EVERY_TENANT, Entry, Example, Rule, render_reference, rules
from scim.dialects.sources import TITLES
from scim.profile import IdentityProvider

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "dialect-rules.md"

EXAMPLES = [(rule, example) for rule in rules() for example in rule.examples]
NAMES = [f"{rule.name}-{example.entry.name.lower()}" for rule, example in EXAMPLES]


def read(dialects: Any, example: Example, given: Any) -> Any:
    match example.entry:
        case Entry.RESOURCE:
            return dialects.resource(given, group=example.group)
        case Entry.PATCH:
            return dialects.patch(*given, group=example.group)
        case Entry.FILTER:
            return dialects.filter(given, group=example.group)
    return normalise_query(given)


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=NAMES)
def test_a_rule_does_what_its_example_says(dialects: Any, rule: Rule, example: Example):
    assert example.gives == read(dialects, example, example.given)


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=NAMES)
def test_what_a_rule_gives_is_left_alone(dialects: Any, rule: Rule, example: Example):
    assert example.gives == read(dialects, example, example.gives)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_is_documented(rule: Rule):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)
    assert rule.does.endswith(".")
    assert rule.examples
    assert any(mark in rule.source for mark in TITLES) or "seen" in rule.source


def test_only_these_rules_run_for_some_tenants_only():
    restricted = {rule.name: rule.tenants for rule in rules() if rule.tenants != EVERY_TENANT}

    assert {"no-operations-change-nothing": frozenset({IdentityProvider.ENTRA})} == restricted


def test_the_reference_is_current():
    """``python -m scim.dialects > docs/reference/dialect-rules.md`` renders it."""
    assert render_reference() == REFERENCE.read_text()


def test_the_module_prints_the_reference(capsys: pytest.CaptureFixture[str]):
    runpy.run_module("scim.dialects", run_name="__main__")

    assert capsys.readouterr().out == render_reference()


@pytest.mark.parametrize("provider", [IdentityProvider.OKTA, IdentityProvider.GENERIC])
def test_other_tenants_learn_of_an_empty_array_of_operations(
    of: Callable[[IdentityProvider], Any], provider: IdentityProvider
):
    """RFC 7644 §3.5.2: one operation or more. The engine refuses what is left empty."""
    assert of(provider).patch() == []
