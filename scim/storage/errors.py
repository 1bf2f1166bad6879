"""Failures of the table, as the storage modules tell each other about them. No client sees one as such."""


class StorageError(Exception):
    """The table did not do what was asked."""


class TransactionRejected(StorageError):
    """The table refused a transaction: nothing of it was written.

    Attributes:
        status: HTTP status of the operation that was refused: 409 exists already, 404 is not there, 412 was
            changed since it was read, 413 too large, 400 malformed.
        index: Which of the transaction's changes it was, from 0; -1 where the service did not say.
        code: Azure's word for it (``EntityAlreadyExists``).
    """

    def __init__(self, status: int, index: int, code: str = "") -> None:
        super().__init__(f"{status} {code} at change {index}")
        self.status = status
        self.index = index
        self.code = code


class AmbiguousFailure(StorageError):
    """No usable answer: the transaction may have been committed or not.

    Attributes:
        status: 500, 503, 504 or another status that says nothing about the outcome; 0 without any answer.
        retry_after_seconds: What the service asked for, 0 if nothing.
    """

    def __init__(self, status: int = 0, retry_after_seconds: float = 0.0) -> None:
        super().__init__(f"no usable answer, status {status}")
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class StorageRefused(StorageError):
    """The table service refused the request as a whole: no permission, no such table, malformed.

    Nothing that a client sends should cause it; it says that the set-up or the program is wrong.
    """

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class UnknownFormat(StorageError):
    """A row was written in a format that this version does not know."""
