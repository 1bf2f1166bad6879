"""Print the reference of the rules: ``python -m scim.dialects > docs/reference/dialect-rules.md``."""

import sys

from scim.dialects.rules import render_reference

if __name__ == "__main__":
    sys.stdout.write(render_reference())
