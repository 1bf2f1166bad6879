"""Bodies of the management API's receivers: what is asked, and what is shown; never a secret."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from events.receivers import OVERLAP_DEFAULT, Receiver, ReceiverKind
from events.records import Attempt, DeadLetter
from tenants.entries import list_errors
from tenants.management import Problem
from tenants.tenant import GuidOrNothing, check_printable

OVERLAP_HOURS_MAX = 7 * 24

type Json = dict[str, Any]


def _check_label(label: str) -> str:
    return check_printable(label) if label else ""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ReceiverRequest(_Request):
    """Body of ``POST /manage/receivers``.

    Attributes:
        tenant_id: Whose events; empty for all tenants', also those to come.
        kind: How they are delivered.
        url: Where to.
        label: The operator's own text.
        audience: ``aud`` of tokens; the URL unless given.
        start: Whether it also gets the events that the feed still has.
    """

    tenant_id: GuidOrNothing = ""
    kind: ReceiverKind = ReceiverKind.WEBHOOK
    url: str = Field(max_length=1_024)
    label: Annotated[str, Field(max_length=100), AfterValidator(_check_label)] = ""
    audience: Annotated[str, Field(max_length=1_024), AfterValidator(_check_label)] = ""
    start: bool = False


class ReceiverRotationRequest(_Request):
    """Body of ``POST …/rotate``: how long the present secret signs beside the new one."""

    overlap_hours: int = Field(int(OVERLAP_DEFAULT.total_seconds()) // 3600, ge=0, le=OVERLAP_HOURS_MAX)


class ReplayRequest(_Request):
    """Body of ``POST …/replay``: of which tenant; empty for all."""

    tenant_id: GuidOrNothing = ""


def render(receiver: Receiver) -> Json:
    """Write a receiver for the operator; never with its secret."""
    overlap = receiver.overlap_until
    return {
        "receiver_id": receiver.id,
        "tenant_id": receiver.tenant_id or None,
        "kind": receiver.kind.value,
        "url": receiver.url,
        "label": receiver.label,
        "audience": receiver.audience,
        "issuer": f"{receiver.base_url}/oauth2/{receiver.tenant_id or '{tenant}'}",
        "state": receiver.state.value,
        "reason": receiver.reason,
        "generation": receiver.generation.number,
        "overlap_until": render_time(overlap) if overlap and overlap > datetime.now(UTC) else None,
        "declared": receiver.is_declared,
        "created": render_time(receiver.created),
    }


def render_letter(receiver: Receiver, letter: DeadLetter) -> Json:
    """Write a dead letter for the operator."""
    return {
        "receiver_id": receiver.id,
        "tenant_id": letter.tenant_id,
        "event_id": letter.event_id or None,
        "after": letter.before.render(letter.tenant_id),
        "cursor": letter.after.render(letter.tenant_id),
        "attempts": letter.attempts,
        "reason": letter.reason,
        "given_up": render_time(letter.given_up),
    }


def render_attempt(attempt: Attempt) -> Json:
    """Write an attempt for the operator."""
    return {
        "tenant_id": attempt.tenant_id,
        "time": render_time(attempt.time),
        "first_event": attempt.first,
        "events": attempt.count,
        "status": attempt.status,
        "reason": attempt.reason,
        "milliseconds": attempt.milliseconds,
    }


def parse_body[Model: BaseModel](model: type[Model], body: Json) -> Model:
    """Read a request's body.

    Raises:
        Problem: It is wrong; the text names the fields.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors = list_errors(error)
        detail = "; ".join(f"{name}: {why}" if name else why for name, why in errors)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors) from None


def render_time(moment: datetime) -> str:
    """Write a time in UTC, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
