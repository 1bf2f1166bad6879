"""Secrets in a folder, in place of Key Vault: for a laptop and for tests.

``<folder>/<name>/<version>.json`` holds one version. Folders have mode 0700 and files 0600, whatever the
umask says; a version is written under another name and moved into place, so nobody reads half of one.
"""

import asyncio
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tenants.secrets import NAME_PATTERN, Secret, SecretEntry, SecretNotFound, SecretStoreUnavailable

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


def _now() -> datetime:
    return datetime.now(UTC)


class LocalSecretStore:
    """A ``SecretStore`` on a folder. Its writing side is what Key Vault's own tools are in Azure."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = _now) -> None:
        self._folder = folder
        self._now = now

    async def get(self, name: str) -> Secret:
        """Return the newest version that may be used now."""
        now = self._now()
        for secret in await asyncio.to_thread(self._read_all, name):
            if secret.is_current(now):
                return secret
        raise SecretNotFound(name)

    async def versions(self, name: str) -> list[Secret]:
        """Return every live version, newest first."""
        now = self._now()
        return [secret for secret in await asyncio.to_thread(self._read_all, name) if secret.is_live(now)]

    async def entries(self, prefix: str = "") -> list[SecretEntry]:
        """Return what there is under names with this prefix, sorted by name."""
        return await asyncio.to_thread(self._entries, prefix.lower())

    async def close(self) -> None:
        """Nothing is held open."""

    def set(
        self,
        name: str,
        value: str,
        *,
        not_before: datetime | None = None,
        expires: datetime | None = None,
        enabled: bool = True,
        content_type: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Secret:
        """Add a version. Local only: in Azure, people and pipelines write to Key Vault."""
        folder = self._make_folder(self._path(name))
        # What is added is the newest, also within one tick of the clock and after it was set back.
        earlier = [secret.created + timedelta(microseconds=1) for secret in self._read_all(name)]
        return self._write(
            folder,
            Secret(
                name=name,
                value=SecretStr(value),
                version=secrets.token_hex(16),
                created=max([self._now(), *earlier]),
                not_before=not_before,
                expires=expires,
                enabled=enabled,
                content_type=content_type,
                tags=dict(tags or {}),
            ),
        )

    async def add_version(self, name: str, value: SecretStr, *, content_type: str = "") -> str:
        """Add a version and return its name: what ``signing_keys.SecretWriter`` asks of a store's writer."""
        added = await asyncio.to_thread(self.set, name, value.get_secret_value(), content_type=content_type)
        return added.version

    def update(self, name: str, version: str, *, enabled: bool) -> None:
        """Enable or disable one version."""
        found = next((secret for secret in self._read_all(name) if secret.version == version), None)
        if found is None:
            raise SecretNotFound(name)
        self._write(self._path(name), replace(found, enabled=enabled))

    def ensure(self, name: str, make: Callable[[], SecretStr], *, content_type: str = "") -> None:
        """Make the first version of a secret unless there is one; of two processes that try, one wins.

        The version is written into a folder of its own, which is then renamed to the secret's name: a rename
        onto a folder that holds something fails, and the loser uses what the winner made.
        """
        target = self._path(name)
        if target.is_dir() and any(target.iterdir()):
            return
        self._make_folder(self._folder)
        draft = self._make_folder(self._folder / f".{target.name}.{secrets.token_hex(8)}")
        try:
            self._write(
                draft,
                Secret(
                    name,
                    make(),
                    version=secrets.token_hex(16),
                    created=self._now(),
                    content_type=content_type,
                ),
            )
            draft.rename(target)
        except OSError:
            if not any(target.glob("*.json")):
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _path(self, name: str) -> Path:
        """Return a secret's folder; a name that is none of Key Vault's never reaches the file system."""
        if not NAME_PATTERN.match(name):
            raise SecretNotFound(name)
        return self._folder / name.lower()

    def _make_folder(self, folder: Path) -> Path:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        folder.chmod(_FOLDER_MODE)
        return folder

    def _write(self, folder: Path, secret: Secret) -> Secret:
        draft = folder / f".{secret.version}.{secrets.token_hex(4)}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(_render(secret), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / f"{secret.version}.json")
        return secret

    def _read_all(self, name: str) -> list[Secret]:
        """Return every version there is, newest first."""
        try:
            texts = [path.read_text("utf-8") for path in self._path(name).glob("*.json")]
            found = [_parse(name, json.loads(text)) for text in texts]
        except SecretNotFound:
            return []
        except (OSError, ValueError, KeyError) as error:
            raise SecretStoreUnavailable(f"{name} cannot be read: {type(error).__name__}") from error
        return sorted(found, key=lambda secret: (secret.created, secret.version), reverse=True)

    def _entries(self, prefix: str) -> list[SecretEntry]:
        if not self._folder.is_dir():
            return []
        names = sorted(path.name for path in self._folder.iterdir() if NAME_PATTERN.match(path.name))
        entries = []
        for name in names:
            if name.startswith(prefix) and (all_versions := self._read_all(name)):
                newest = all_versions[0]
                state = json.dumps([newest.version, newest.enabled])
                entries.append(
                    SecretEntry(
                        name=name,
                        changed=hashlib.sha256(state.encode()).hexdigest()[:16],
                        content_type=newest.content_type,
                        tags=newest.tags,
                        enabled=newest.enabled,
                    )
                )
        return entries


def make_pepper() -> SecretStr:
    """Return a new pepper: 32 random bytes, which is HMAC-SHA-256's own strength."""
    return SecretStr(secrets.token_urlsafe(32))


def _render(secret: Secret) -> dict[str, Any]:
    """The one place in which a secret's value is written out: into its own file."""
    return {
        "value": secret.value.get_secret_value(),
        "version": secret.version,
        "created": secret.created.isoformat(),
        "not_before": secret.not_before.isoformat() if secret.not_before else None,
        "expires": secret.expires.isoformat() if secret.expires else None,
        "enabled": secret.enabled,
        "content_type": secret.content_type,
        "tags": dict(secret.tags),
    }


def _parse(name: str, stored: dict[str, Any]) -> Secret:
    return Secret(
        name=name,
        value=SecretStr(stored["value"]),
        version=stored["version"],
        created=datetime.fromisoformat(stored["created"]),
        not_before=_parse_time(stored["not_before"]),
        expires=_parse_time(stored["expires"]),
        enabled=stored["enabled"],
        content_type=stored["content_type"],
        tags=stored["tags"],
    )


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
