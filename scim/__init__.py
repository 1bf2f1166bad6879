"""The directory of one tenant: the SCIM protocol, the identity providers' dialects, and their storage.

Everything here is pure, except ``scim.storage`` (Table Storage) and ``scim.http`` (the Functions' requests).
"""
