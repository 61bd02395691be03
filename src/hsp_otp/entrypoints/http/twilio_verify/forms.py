"""Reads the forms that Twilio's clients post, and the credentials that they present."""

import base64
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from litestar.exceptions import ClientException, HTTPException

from hsp_otp.domain.api_keys import API_KEY, PresentedKey
from hsp_otp.domain.apps import ACCOUNT
from hsp_otp.domain.names import MalformedSidError, id_of_sid
from hsp_otp.entrypoints.http.api_keys import Credentials
from hsp_otp.entrypoints.http.openapi import FORM
from hsp_otp.entrypoints.http.requests import AnyRequest, bearer_of, body_of, given

_MOST_PARAMETERS: Final = 1000
_BROKEN: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def credentials_of(request: AnyRequest) -> Credentials:
    """
    Return the credentials of *request*: a bearer, or a name and a password (RFC 7617).

    The name is the id of an account, and the password a whole key; or the name is the id of a key,
    and the password that key or its secret part.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return Credentials(bearer_of(request))
    try:
        user, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        if user.startswith(ACCOUNT):
            return Credentials(password, id_of_sid(user, ACCOUNT))
        id_of_sid(user, API_KEY)
    except (ValueError, MalformedSidError):
        return Credentials(None)
    key_id = user.removeprefix(API_KEY)
    whole = PresentedKey.read(password)
    if whole is None:
        return Credentials(PresentedKey(key_id, password).reveal())
    return Credentials(password if whole.id == key_id else None)


async def form_of(request: AnyRequest) -> dict[str, str]:
    """
    Return the parameters of *request*, without those that are empty.

    Raises:
        HTTPException: 415 for a body of another content type.
        ClientException: 400 for a malformed form.
    """
    body = await body_of(request)
    if not body:
        return {}
    media_type, parameters = request.content_type
    if media_type != FORM or parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise HTTPException(status_code=415)
    try:
        form = read_form(body)
    except ValueError:
        raise ClientException from None
    return {name: text for name, value in form.items() if (text := given(value))}


def read_form(body: bytes) -> dict[str, str]:
    """
    Parse a form; of several parameters with one name, the last one counts.

    Raises:
        ValueError: There are more than 1,000 parameters, a NUL, a percent sign without two hex
            digits, or bytes that are not UTF-8.
    """
    pairs = [pair.replace(b"+", b" ") for pair in body.split(b"&") if pair]
    if len(pairs) > _MOST_PARAMETERS or _BROKEN.search(body):
        raise ValueError("too many parameters, or a broken encoding")
    form: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        form[_decoded(name)] = _decoded(value)
    return form


def _decoded(text: bytes) -> str:
    decoded = unquote_to_bytes(text).decode()
    if "\0" in decoded:
        raise ValueError("a NUL")
    return decoded
