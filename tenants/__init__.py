"""Who may come in: tenants, their credentials, and how a request proves whose it is."""
