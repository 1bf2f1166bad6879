"""A browser that does what a person's would: opens the page, and lets its form post itself."""

import re
import threading
from html import unescape
from pathlib import Path

import requests


def visit(url: str, trust: Path) -> bool:
    """Start to open a page, as ``webbrowser.open`` does.

    Args:
        url: The page.
        trust: Certificate of the authority that its server's is by.
    """
    threading.Thread(target=_visit, args=(url, trust), daemon=True).start()
    return True


def _visit(url: str, trust: Path) -> None:
    page = requests.get(url, verify=str(trust), timeout=60).text
    action = unescape(re.findall(r'action="([^"]*)"', page)[0])
    fields = {name: unescape(value) for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', page)}
    requests.post(action, data=fields, timeout=60).raise_for_status()
