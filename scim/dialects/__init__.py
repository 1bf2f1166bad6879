"""The identity providers' dialects: raw JSON in, RFC-shaped JSON out. One named rule a quirk. Pure."""
