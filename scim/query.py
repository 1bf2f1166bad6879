"""Filters → how a search is executed. Pure.

A filter becomes a plan: the best rows to read, and a predicate that decides. What is read is always a
superset of what matches, so no index ever decides alone, but for the rows that hold the whole answer under
their key.

``members`` and ``groups`` are in no document. One comparison of them for equality, joined to the rest by
``and``, is an access of its own; whatever else a filter asks of them is decided on documents that were
completed with them (`Query.completed`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeGuard

from scim2_models.path import (
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from scim.attributes import Catalogue
from scim.documents import Access, Plan, ResourceName
from scim.predicate import Predicate, comparison_attribute, compile_filter, get_attribute, never
from scim.pushdown import plan_condition

# Ids are ours: UUIDs as 32 lower-case hexadecimal digits. Nothing else is one, and nothing else is looked up.
_ID: Final = re.compile(r"[0-9a-f]{32}")


class _Access(NamedTuple):
    """A way to read what a term matches: the better, the smaller its rank."""

    rank: int
    access: Access
    value: str
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A planned filter.

    Attributes:
        plan: For the storage.
        completed: Decides on documents that were completed with members or groups; None where ``plan`` does.
    """

    plan: Plan
    completed: Predicate | None = None


EVERYTHING: Final = Query(Plan(Access.SCAN))


def is_id(text: str) -> bool:
    """Tell whether a text can be the id of a resource."""
    return _ID.fullmatch(text) is not None


def plan_filter(node: FilterNode, resource_name: ResourceName, catalogues: Sequence[Catalogue]) -> Query:
    """Plan a search of one resource type.

    Args:
        node: The filter.
        resource_name: The type.
        catalogues: As `compile_filter` takes them.

    Raises:
        InvalidFilterException: The filter names an unknown attribute, or compares what cannot be compared.
    """
    planner = _Planner(resource_name, catalogues)
    terms = list(_terms(node))
    predicates = [compile_filter(term, catalogues) for term in terms]
    if never in predicates:
        return Query(Plan(Access.NOTHING))
    apart = [number for number, term in enumerate(terms) if planner.is_about_members(term)]
    if not apart:
        return Query(planner.plan(terms, predicates, node))
    if len(apart) == 1:
        plan = planner.plan_membership(terms, predicates, apart[0])
        if plan is not None:
            return Query(plan)
    kept = [number for number in range(len(terms)) if number not in apart]
    rest = [terms[number] for number in kept]
    plan = planner.plan(rest, [predicates[number] for number in kept], _conjunction(rest))
    return Query(plan, _conjoined(predicates))


class _Planner:
    """Plans the terms of one filter, which are joined by ``and``."""

    def __init__(self, resource_name: ResourceName, catalogues: Sequence[Catalogue]) -> None:
        self._is_user = resource_name is ResourceName.USER
        self._catalogues = catalogues
        self._apart = "groups" if self._is_user else "members"

    def plan(self, terms: list[FilterNode], predicates: list[Predicate], node: FilterNode | None) -> Plan:
        """Plan terms that documents decide; ``node`` is their conjunction."""
        if node is None:
            return EVERYTHING.plan
        found = [(each, number) for number, term in enumerate(terms) if (each := self._access(term))]
        if not found:
            pushed = plan_condition(node, self._catalogues) if self._is_user else None
            return Plan(Access.SCAN, predicate=_conjoined(predicates), pushed=pushed.text if pushed else "")
        best, number = min(found, key=lambda each: each[0].rank)
        if best.access is Access.NOTHING:
            return Plan(Access.NOTHING)
        if best.is_exact:
            predicates = predicates[:number] + predicates[number + 1 :]
        return Plan(best.access, best.value, predicate=_conjoined(predicates) if predicates else None)

    def plan_membership(
        self, terms: list[FilterNode], predicates: list[Predicate], number: int
    ) -> Plan | None:
        """Plan terms of which the one at ``number`` is about members.

        None: only completed documents can tell.
        """
        value = self._compared_member(terms[number])
        if value is None:
            return None
        if not is_id(value):
            return Plan(Access.NOTHING)
        rest = {index: predicate for index, predicate in enumerate(predicates) if index != number}
        by_id = next(
            (
                (index, found)
                for index, term in enumerate(terms)
                if (found := self._access(term)) and found.rank == 0
            ),
            None,
        )
        if by_id is None:
            access = Access.MEMBERS_OF if self._is_user else Access.GROUPS_OF
            return Plan(access, value, predicate=_conjoined(list(rest.values())) if rest else None)
        index, found = by_id
        if found.access is Access.NOTHING:
            return Plan(Access.NOTHING)
        if self._is_user:
            return None
        del rest[index]
        predicate = _conjoined(list(rest.values())) if rest else None
        return Plan(Access.MEMBER, found.value, other=value, predicate=predicate)

    def is_about_members(self, node: FilterNode) -> bool:
        """Tell whether a filter mentions what documents do not hold."""
        match node:
            case Not():
                return self.is_about_members(node.expr)
            case LogicalExpr():
                return any(self.is_about_members(term) for term in node.terms)
        assert isinstance(node, Comparison | Present | ValuePath)
        attribute = get_attribute(node.attr_path, self._catalogues)
        return attribute is not None and not attribute.schema and attribute.name == self._apart

    def _compared_member(self, node: FilterNode) -> str | None:
        """Return the id that a term compares ``members.value`` or ``groups.value`` with, by ``eq`` alone."""
        if isinstance(node, ValuePath):
            return compared_value(node.val_filter)
        if not _is_equality(node):
            return None
        attribute = comparison_attribute(node.attr_path, self._catalogues)
        is_value = attribute is not None and attribute.sub_name == "value"
        return str(node.value) if is_value else None

    def _access(self, node: FilterNode) -> _Access | None:
        """Return how to read what a term matches without a scan, if there is a way."""
        if isinstance(node, ValuePath):
            return self._email_access(node)
        if not isinstance(node, Comparison) or not isinstance(node.value, str):
            return None
        attribute = comparison_attribute(node.attr_path, self._catalogues)
        path = attribute.path if attribute is not None else ""
        if node.op is CompareOperator.eq:
            return self._equality_access(path, node.value)
        if node.op is CompareOperator.sw and node.value:
            prefix = Access.USER_NAME_PREFIX if self._is_user else Access.DISPLAY_NAME_PREFIX
            indexed = "userName" if self._is_user else "displayName"
            return _Access(4, prefix, node.value) if path == indexed else None
        return None

    def _equality_access(self, path: str, value: str) -> _Access | None:
        if path == "id":
            return (
                _Access(0, Access.ID, value, is_exact=True)
                if is_id(value)
                else _Access(0, Access.NOTHING, "")
            )
        if path == "externalId":
            return _Access(2, Access.EXTERNAL_ID, value)
        if self._is_user:
            if path == "userName":
                return _Access(1, Access.USER_NAME, value, is_exact=True)
            return _Access(3, Access.EMAIL, value) if path == "emails.value" else None
        return _Access(3, Access.DISPLAY_NAME, value) if path == "displayName" else None

    def _email_access(self, node: ValuePath) -> _Access | None:
        """Return the access for ``emails[… and value eq "x"]``."""
        attribute = get_attribute(node.attr_path, self._catalogues)
        if attribute is None or attribute.path != "emails" or not self._is_user:
            return None
        values = [compared_value(term) for term in _terms(node.val_filter)]
        value = next((each for each in values if each is not None), None)
        return _Access(3, Access.EMAIL, value) if value is not None else None


def _is_equality(node: FilterNode) -> TypeGuard[Comparison]:
    return isinstance(node, Comparison) and node.op is CompareOperator.eq and isinstance(node.value, str)


def compared_value(node: FilterNode) -> str | None:
    """Return the text that a filter in brackets compares ``value`` with, if it is just that."""
    return str(node.value) if _is_equality(node) and str(node.attr_path).lower() == "value" else None


def _terms(node: FilterNode) -> Iterator[FilterNode]:
    """Yield what is joined by ``and`` at the top."""
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.and_:
        for term in node.terms:
            yield from _terms(term)
    else:
        yield node


def _conjunction(terms: Sequence[FilterNode]) -> FilterNode | None:
    if len(terms) <= 1:
        return terms[0] if terms else None
    return LogicalExpr(LogicalOperator.and_, tuple(terms))


def _conjoined(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda content: all(predicate(content) for predicate in predicates)
