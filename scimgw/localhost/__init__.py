"""The local host: function_app.py through Microsoft's worker library, routed as the Functions host does."""
