"""Holds answers of the management API to its OpenAPI document, wherever a test asks it something."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from gateway.manage import _pattern
from gateway.manage_answers import ProblemAnswer
from gateway.openapi import OPERATIONS


def check_described(method: str, path: str, status: int, body: Any) -> None:
    """Check that an answer is one that the document describes.

    Args:
        method: As sent.
        path: As sent, ``/manage/…``; a query may follow.
        status: What was answered.
        body: The answer's JSON; None for none.
    """
    if status >= HTTPStatus.BAD_REQUEST:
        ProblemAnswer.model_validate(body)
        return
    segments = tuple(urlsplit(path).path.strip("/").split("/")[1:])
    operation = OPERATIONS[method, _pattern(segments)]
    assert status == operation.status, (method, path)
    if operation.answer is not None:
        operation.answer.model_validate(body)
    elif operation.status is HTTPStatus.NO_CONTENT:
        assert body is None
