"""The composition: settings to clients to services, and one function a trigger. Only this package knows every part."""
