"""Where tenants are declared: entries in Key Vault, or JSON files in a folder on a laptop.

An entry is the JSON of a ``TenantEntry``. Its name (a secret's or a file's) is what messages point at, and
its ``changed`` mark says when it has to be read again.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from tenants.secrets import ENTRY_CONTENT_TYPE, ENTRY_PREFIX, ENTRY_TAG, SecretNotFound, SecretStore
from tenants.tenant import TenantEntry

# Longest entry, in bytes: what Key Vault holds in one secret.
ENTRY_BYTES_MAX = 25 * 1_024
# Files read from the folder; more of them are a mistake in the setting.
FILES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class EntryMark:
    """An entry as a listing shows it.

    Attributes:
        name: The secret's or the file's name.
        changed: Opaque; differs when the content may differ.
    """

    name: str
    changed: str


class InvalidEntry(Exception):
    """An entry that declares no tenant; the text says which field is wrong, without any value."""


class EntrySource(Protocol):
    """Where the entries are. Both methods may raise ``SecretStoreUnavailable``."""

    async def find_all(self) -> list[EntryMark]:
        """Return what entries there are, by name, without reading them."""

    async def read(self, name: str) -> str:
        """Return an entry's text.

        Raises:
            InvalidEntry: It is gone, disabled, too long or no text.
        """


class VaultEntries:
    """Entries as ``infra/tenant.bicep`` writes them: secrets that hold nothing secret."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    async def find_all(self) -> list[EntryMark]:
        """Return the secrets that call themselves a tenant entry; a disabled one counts as missing."""
        tag, value = ENTRY_TAG
        return [
            EntryMark(entry.name, entry.changed)
            for entry in await self._store.entries(ENTRY_PREFIX)
            if entry.enabled and entry.content_type == ENTRY_CONTENT_TYPE and entry.tags.get(tag) == value
        ]

    async def read(self, name: str) -> str:
        """Return the newest version's text."""
        try:
            secret = await self._store.get(name)
        except SecretNotFound as error:
            raise InvalidEntry("has no version that may be used now") from error
        return secret.value.get_secret_value()


class FolderEntries:
    """Entries as ``*.json`` files: the same content, for development and tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def find_all(self) -> list[EntryMark]:
        """Return the files there are; none while the folder does not exist."""
        return await asyncio.to_thread(self._find_all)

    async def read(self, name: str) -> str:
        """Return a file's text."""
        return await asyncio.to_thread(self._read, name)

    def _find_all(self) -> list[EntryMark]:
        marks = []
        for path in sorted(self._folder.glob("*.json"))[:FILES_MAX]:
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            marks.append(EntryMark(path.name, f"{state.st_mtime_ns}-{state.st_size}-{state.st_ino}"))
        return marks

    def _read(self, name: str) -> str:
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(ENTRY_BYTES_MAX + 1).decode("utf-8")
        except FileNotFoundError as error:
            raise InvalidEntry("is gone") from error
        except OSError as error:
            raise InvalidEntry(f"cannot be read: {type(error).__name__}") from error
        except UnicodeDecodeError as error:
            raise InvalidEntry("is not UTF-8 text") from error


def parse_entry(text: str) -> TenantEntry:
    """Read an entry.

    Raises:
        InvalidEntry: Not JSON, or not a tenant; the text names every field that is wrong.
    """
    if len(text.encode()) > ENTRY_BYTES_MAX:
        raise InvalidEntry(f"is longer than {ENTRY_BYTES_MAX} bytes")
    try:
        return TenantEntry.model_validate_json(text)
    except ValidationError as error:
        raise InvalidEntry(render_errors(error)) from None


def render_errors(error: ValidationError) -> str:
    """Write what is wrong as ``field: reason; field: reason``, without the values that were given."""
    return "; ".join(f"{field}: {detail}" if field else detail for field, detail in list_errors(error))


def list_errors(error: ValidationError) -> list[tuple[str, str]]:
    """Return what is wrong as pairs of field and reason; the field is empty where several are at odds."""
    return [
        (".".join(str(part) for part in item["loc"]), item["msg"].removeprefix("Value error, "))
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
