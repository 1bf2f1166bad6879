"""Where entries come from: secrets that hold nothing secret, or files."""

import json

import pytest

from tenants.entries import ENTRY_BYTES_MAX, FolderEntries, InvalidEntry, VaultEntries, parse_entry
from tenants.secrets import ENTRY_CONTENT_TYPE

ENTRY = {"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "name": "Contoso"}
TAGS = {"kind": "tenant-entry"}


@pytest.fixture
def vault(secret_store):
    return VaultEntries(secret_store)


def write(store, name, *, content_type=ENTRY_CONTENT_TYPE, tags=TAGS, **attributes):
    return store.set(name, json.dumps(ENTRY), content_type=content_type, tags=tags, **attributes)


async def test_only_secrets_that_call_themselves_entries_are_read(vault, secret_store):
    """What the deployment of ``infra/tenant.bicep`` writes; anything else in the vault is none of ours."""
    write(secret_store, "tenant-contoso")
    write(secret_store, "contoso")
    write(secret_store, "tenant-untagged", tags={})
    write(secret_store, "tenant-text", content_type="text/plain")
    write(secret_store, "tenant-disabled", enabled=False)

    assert [mark.name for mark in await vault.find_all()] == ["tenant-contoso"]
    assert parse_entry(await vault.read("tenant-contoso")).name == "Contoso"


async def test_a_new_version_changes_the_mark(vault, secret_store, time):
    write(secret_store, "tenant-contoso")
    [before] = await vault.find_all()
    time.move(seconds=1)
    write(secret_store, "tenant-contoso")
    [after] = await vault.find_all()

    assert before.changed != after.changed


async def test_an_entry_without_a_usable_version_is_invalid(vault, secret_store):
    version = write(secret_store, "tenant-contoso").version
    secret_store.update("tenant-contoso", version, enabled=False)

    with pytest.raises(InvalidEntry, match="no version"):
        await vault.read("tenant-contoso")


async def test_a_folder_that_does_not_exist_has_no_entries(tmp_path):
    assert await FolderEntries(tmp_path / "missing").find_all() == []


async def test_a_file_that_cannot_be_read_is_invalid(tmp_path):
    (tmp_path / "folder.json").mkdir()
    entries = FolderEntries(tmp_path)

    assert [mark.name for mark in await entries.find_all()] == ["folder.json"]
    with pytest.raises(InvalidEntry, match="cannot be read"):
        await entries.read("folder.json")
    with pytest.raises(InvalidEntry, match="gone"):
        await entries.read("missing.json")


async def test_a_file_that_vanishes_while_listed_is_left_out(tmp_path):
    (tmp_path / "a.json").symlink_to(tmp_path / "missing")

    assert await FolderEntries(tmp_path).find_all() == []


def test_the_longest_entry_is_read_and_a_longer_one_is_not():
    text = json.dumps(ENTRY)
    assert parse_entry(text + " " * (ENTRY_BYTES_MAX - len(text))).name == "Contoso"
    with pytest.raises(InvalidEntry, match="longer"):
        parse_entry(text + " " * (ENTRY_BYTES_MAX - len(text) + 1))
