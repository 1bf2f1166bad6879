"""An answer of the server, and what is wrong with it. Pure.

A problem is one line for a person. Its ``about`` names what is wrong (an attribute's path, "status" …), so
that the same fault on the same resource is reported once, not again at each later look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from scimgw.simulate.attributes import JsonObject


class Problem(NamedTuple):
    """One disagreement between the server and what it should do."""

    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back on a request.

    Attributes:
        status: The HTTP status; 0 where no answer came.
        headers: By lower-case name.
        body: The parsed JSON body; None where there is none or it cannot be parsed.
        is_empty: Whether the body has no bytes.
        failure: Why there is no answer, or why the body is no JSON; empty otherwise.
        seconds: From sending the request to the last byte.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    is_empty: bool = True
    failure: str = ""
    seconds: float = 0.0

    @property
    def is_outcome_unknown(self) -> bool:
        """Whether the server may or may not have carried out the request."""
        return self.status == 0 or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def is_success(self) -> bool:
        """Whether the server says that it carried the request out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def document(self) -> JsonObject:
        """The body as an object; empty where it is none."""
        return self.body if isinstance(self.body, dict) else {}
