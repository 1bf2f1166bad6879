"""The tenants' OAuth 2.0 authorization server: client credentials grant (RFC 6749 §4.4) and nothing else."""
