"""Requests to hsp-otp with our API key."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

TIMEOUT_SECONDS = 5


class UnavailableError(Exception):
    """Nothing is known of what became of the request: it may be repeated."""


def call(method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """
    Send a request, and return the status and the members of the answer.

    It follows no redirect, which could lead the key elsewhere.

    Raises:
        UnavailableError: There was no answer in time, or none in JSON.
    """
    url = urlsplit(settings.HSP_OTP_URL)
    scheme = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = scheme(url.netloc, timeout=TIMEOUT_SECONDS)
    headers = {
        "Authorization": f"Bearer {settings.HSP_OTP_API_KEY}",
        "Content-Type": "application/json",
    }
    try:
        connection.request(method, url.path + path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, dict(json.loads(response.read()))
    except (OSError, HTTPException, ValueError, TypeError) as error:
        raise UnavailableError(type(error).__name__) from error
    finally:
        connection.close()
