"""The function app: one trigger a URL root, each handed to the composition. No logic here."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
