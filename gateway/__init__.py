"""The composition: settings to clients to services. Only this package knows every part."""
