"""Tenants on their way: out of a gateway, out of another SCIM server, and into a tenant."""
