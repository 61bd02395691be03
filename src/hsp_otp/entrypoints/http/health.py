"""Whether the process lives, and whether it can serve."""

from typing import Any

from litestar import Request, Response, get

from hsp_otp.entrypoints.wiring import House


@get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives. Touches nothing."""
    return {"status": "ok"}


@get("/readyz")
async def readyz(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Whether requests can be served: 503 where a part that is needed is away."""
    house: House = request.app.state.house
    ready = await house.database_answers()
    if not ready:
        request.scope["state"]["outcome"] = "unavailable"
    return Response(
        {
            "status": "ready" if ready else "unavailable",
            "checks": {
                "database": "ok" if ready else "away",
                "redis": "not configured",
                "senders": "ok",
            },
        },
        status_code=200 if ready else 503,
    )
