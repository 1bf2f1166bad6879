"""The function app: one trigger a URL root, each handed to the composition. No logic here.

The Functions host takes the first route that matches, in the order of the functions' names and whatever the
letter case; what no route matches gets an empty 404. So each root is one catch-all, and is routed on below.
"""

import logging

import azure.functions as func

from gateway import endpoints

# The worker writes a line at INFO for every invocation, which costs a fifth of its CPU.
logging.getLogger("azure.functions").setLevel(logging.WARNING)
# The SDK's lines name every request's URL, in which keys made of user names occur.
logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.function_name("scim")
@app.route("scim/{*path}")
async def scim(req: func.HttpRequest) -> func.HttpResponse:
    """Serve a tenant's SCIM root."""
    return await endpoints.answer("scim_endpoint", req)


@app.function_name("manage")
@app.route("manage/{*path}")
async def manage(req: func.HttpRequest) -> func.HttpResponse:
    """Serve the operator's management API."""
    return await endpoints.answer("manage", req)


@app.function_name("oauth2")
@app.route("oauth2/{*path}")
async def oauth2(req: func.HttpRequest) -> func.HttpResponse:
    """Serve a tenant's token endpoint, its metadata and its keys."""
    return await endpoints.answer("oauth_endpoint", req)


@app.function_name("events")
@app.route("events/{*path}")
async def events(req: func.HttpRequest) -> func.HttpResponse:
    """Serve a tenant's change feed."""
    return await endpoints.answer("events_endpoint", req)


@app.function_name("wellknown")
@app.route(".well-known/{*path}")
async def well_known(req: func.HttpRequest) -> func.HttpResponse:
    """Serve the metadata that RFC 8414 puts at the root of the host."""
    return await endpoints.answer("oauth_endpoint", req)


@app.function_name("health")
@app.route("health", methods=["GET", "HEAD"])
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the binding's name
    """Tell whether this instance can serve."""
    return await endpoints.health()


@app.function_name("relay")
@app.timer_trigger("timer", "0 * * * * *")
async def relay(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Move events that a process left behind into the feeds."""
    await endpoints.run("relay")


@app.function_name("deliver")
@app.timer_trigger("timer", "30 * * * * *")
async def deliver(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Deliver events that a process left behind, and retry those that failed."""
    await endpoints.run("deliver")


@app.function_name("reconcile")
@app.timer_trigger("timer", "30 */2 * * * *", run_on_startup=False)
async def reconcile(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Apply tenant entries that changed."""
    await endpoints.run("reconcile")


@app.function_name("sweep")
@app.timer_trigger("timer", "0 17 * * * *")
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001
    """Relay every tenant, finish journals, and let old feed entries go."""
    await endpoints.run("sweep")
