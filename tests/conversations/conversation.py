"""Conversations as data: what a peer sends, and what it must get to read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PEERS = ("entra", "okta")

# In the order in which a provisioning service meets them.
TOPICS = (
    "Connection",
    "Test Connection and matching",
    "Users: create",
    "Users: read, disable, restore, delete",
    "Users: replace",
    "Users: patch",
    "Users: manager",
    "Users: roles",
    "Users: custom attributes",
    "Groups",
    "Discovery",
    "Queries",
    "Errors, versions, bulk",
    "Validators",
)


@dataclass(frozen=True)
class Conversation:
    """One file.

    Attributes:
        path: The file.
        topic: One of ``TOPICS``.
        title: What is promised.
        source: Who says so.
        tenant: The settings of the tenant that it is held with, as the management API takes them.
        steps: Requests, each with what to expect and what to capture.
    """

    path: Path
    topic: str
    title: str
    source: str
    tenant: dict[str, Any]
    steps: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """``entra/010-test-connection``."""
        return f"{self.path.parent.name}/{self.path.stem}"


def load_conversations() -> list[Conversation]:
    """Load every conversation, by peer and number."""
    files = [file for peer in PEERS for file in sorted((FOLDER / peer).glob("*.json"))]
    return [Conversation(path=file, **json.loads(file.read_text())) for file in files]


def render_coverage() -> str:
    """Render the table of topics for README.md."""
    conversations = load_conversations()
    lines = ["| topic | promise | conversation | source |", "|---|---|---|---|"]
    for topic in TOPICS:
        lines += [
            f"| {topic} | {each.title} | [{each.name}]({each.name}.json) | {each.source} |"
            for each in conversations
            if each.topic == topic
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    readme = FOLDER / "README.md"
    head, mark, _ = readme.read_text().partition("<!-- coverage -->\n")
    readme.write_text(head + mark + "\n" + render_coverage())
