"""What changed: the feed that the vendor's application follows, and its delivery.

May import ``scim.storage``, for the feed's rows, and of ``tenants`` the signing keys and the port to secrets.
"""
