"""
The least that a server can do with such a request: read JSON, answer JSON.

``app`` is bare ASGI and ``litestar`` the same on the HTTP library.
"""

# ruff: noqa: INP001

import json
from typing import Any

from litestar import Litestar, post

PATH = "/customer/validate-pass/"


async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Answer with the pass code that was sent."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    told = json.loads((await receive())["body"])
    body = json.dumps({"phone_masked": told["pass_code"]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@post(PATH, status_code=200)
async def echo(data: dict[str, str]) -> dict[str, str]:
    """Answer with the pass code that was sent."""
    return {"phone_masked": data["pass_code"]}


litestar = Litestar([echo], openapi_config=None, logging_config=None)
