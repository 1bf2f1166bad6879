"""``python -m scimgw``: the same as the ``scimgw`` command."""

from scimgw.cli import main

main()
