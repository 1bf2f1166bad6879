"""Print the reference of the rules: ``python -m scim.dialects > docs/reference/dialect-rules.md``."""

import sys

from scim.dialects.rules import render_reference

sys.stdout.write(render_reference())
