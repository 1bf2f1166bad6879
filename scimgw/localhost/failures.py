"""Why the local host does not start: one sentence that a person can act on."""


class CannotStart(Exception):
    """Something outside the code is missing or taken; the text says what to do about it."""
