"""Transactions on the wire: what is sent, and what an answer means."""

import pytest

from scim.storage.changesets import (
    Change,
    ChangeKind,
    check_batch_answer,
    parse_error,
    plan_refusal,
    render_batch,
)
from scim.storage.errors import AmbiguousFailure, StorageRefused, TransactionRejected


def answer(*parts: str) -> bytes:
    lines = ["--batchresponse_1", "Content-Type: multipart/mixed; boundary=changesetresponse_1", ""]
    for part in parts:
        lines += ["--changesetresponse_1", "Content-Type: application/http", "", part]
    lines += ["--changesetresponse_1--", "--batchresponse_1--", ""]
    return "\r\n".join(lines).encode()


DONE = "HTTP/1.1 204 No Content\r\nDataServiceVersion: 3.0\r\n\r\n"


def refused(status: int, code: str, message: str) -> str:
    body = f'{{"odata.error":{{"code":"{code}","message":{{"lang":"en-US","value":"{message}"}}}}}}'
    return f"HTTP/1.1 {status} Something\r\nContent-Type: application/json\r\n\r\n{body}"


def test_a_quote_in_a_key_ends_no_literal() -> None:
    body = render_batch("http://h/a/t", "p'1", [Change(ChangeKind.DELETE, "a',RowKey='b/c")], "b").decode()

    key = "(PartitionKey='p''1',RowKey='a''%2CRowKey%3D''b%2Fc')"
    assert f"DELETE http://h/a/t{key} HTTP/1.1\r\n" in body
    assert body.count("HTTP/1.1") == 1


def test_nothing_in_a_property_ends_a_part() -> None:
    text = "\r\n--changeset_b--\r\n--batch_b--\r\nPOST http://h/a/t HTTP/1.1\r\n"

    body = render_batch("http://h/a/t", "p", [Change(ChangeKind.CREATE, "r", {"text": text})], "b")

    assert body.count(b"\r\n--changeset_b--\r\n") == 1
    assert body.count(b"\r\nPOST ") == 1


def test_only_an_upsert_comes_without_a_condition() -> None:
    conditions = {
        kind: render_batch("http://h/a/t", "p", [Change(kind, "r", {}, "")], "b").count(b"If-Match: *")
        for kind in ChangeKind
    }

    assert conditions == {
        ChangeKind.CREATE: 0,
        ChangeKind.MERGE: 1,
        ChangeKind.REPLACE: 1,
        ChangeKind.UPSERT: 0,
        ChangeKind.DELETE: 1,
    }


def test_as_many_good_parts_as_changes_are_a_success() -> None:
    check_batch_answer(answer(DONE, DONE, DONE), 3)


@pytest.mark.parametrize("body", [b"", b"garbage", answer(), answer(DONE), answer(DONE, DONE, DONE)[:150]])
def test_an_incomplete_answer_is_no_success(body: bytes) -> None:
    with pytest.raises(AmbiguousFailure):
        check_batch_answer(body, 3)


def test_a_refusal_says_which_change() -> None:
    with pytest.raises(TransactionRejected) as caught:
        check_batch_answer(answer(refused(409, "EntityAlreadyExists", r"2:It exists.\nRequestId:1")), 3)

    assert (caught.value.status, caught.value.index) == (409, 2)
    assert caught.value.code == "EntityAlreadyExists"


@pytest.mark.parametrize("status", [404, 409, 412, 413])
def test_a_refusal_without_an_index_blames_no_change(status: int) -> None:
    refusal = plan_refusal(status, "SomeCode", "It is so: 1")

    assert isinstance(refusal, TransactionRejected)
    assert refusal.index == -1


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "TableNotFound"), (409, "TableBeingDeleted"), (403, "AuthorizationFailure"), (400, "X")],
)
def test_what_is_no_rows_fault_is_the_installations(status: int, code: str) -> None:
    assert isinstance(plan_refusal(status, code, "0:No."), StorageRefused)


@pytest.mark.parametrize("body", [b"", b"<Error/>", b"[]", b'{"odata.error":1}', b'{"odata.error":{}}'])
def test_an_error_that_is_not_odata_has_no_code(body: bytes) -> None:
    assert parse_error(body) == ("", "")
