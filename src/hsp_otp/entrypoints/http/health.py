"""The routes `/healthz` and `/readyz`."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from hsp_otp.entrypoints.http.openapi import described
from hsp_otp.entrypoints.services import Services


class AliveBody(msgspec.Struct):
    """The process is alive."""

    status: str = "ok"


class ReadyBody(msgspec.Struct):
    """
    Whether the service can answer requests.

    `status` is ready, degraded or unavailable; each check is ok, away or not configured.
    """

    status: str
    checks: dict[str, str]


@get("/healthz", operation_id="healthz", tags=["health"], **described(success={"status": "ok"}))
async def healthz() -> AliveBody:
    """Report that the process is alive, without checking anything else."""
    return AliveBody()


_AWAY: Final = {
    "status": "unavailable",
    "checks": {"database": "away", "redis": "not configured", "senders": "ok"},
}


_DESCRIBED: Final = described(
    success={
        "status": "ready",
        "checks": {"database": "ok", "redis": "not configured", "senders": "ok"},
    }
)
_DESCRIBED["responses"][503] = ResponseSpec(
    ReadyBody,
    generate_examples=False,
    description="Service Unavailable: a required component is unavailable",
    examples=[Example(summary="unavailable", value=_AWAY)],
)


@get("/readyz", operation_id="readyz", tags=["health"], **_DESCRIBED)
async def readyz(request: Request[Any, Any, Any]) -> Response[ReadyBody]:
    """Report whether the service can answer requests: 503 if a required component is away."""
    services: Services = request.app.state.services
    database, senders = (
        await services.database_answers(),
        all(sender.available() for sender in services.senders.values()),
    )
    redis = None if services.redis_answers is None else await services.redis_answers()
    # If Redis only counts, the database can count instead.
    needed = database and (redis is not False or services.settings.challenge_store != "redis")
    status = "ready" if senders and redis is not False else "degraded"
    if not needed:
        status = request.scope["state"]["outcome"] = "unavailable"
    return Response(
        ReadyBody(
            status=status,
            checks={
                "database": "ok" if database else "away",
                "redis": "not configured" if redis is None else "ok" if redis else "away",
                "senders": "ok" if senders else "away",
            },
        ),
        status_code=200 if needed else 503,
    )
