"""The OAuth 2.0 token endpoint of a tenant, its metadata and its keys (RFC 6749, 7523, 8414, 9068)."""
