"""What commands end with when something does not work."""


class GatewayError(Exception):
    """Something that a person can understand and act on, in one line."""
