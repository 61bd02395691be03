"""
All answers against the OpenAPI document that Twilio publishes for Verify, twilio_verify_v2.json.

It is not collected by itself: `script/test-sdks` names it where TWILIO_DOCUMENT names the document,
which is the vendor's, and no part of this repository.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import jsonschema_rs
import pytest
import requests
from twilio.http.http_client import TwilioHttpClient

from tests.sdks.refusals import ROWS, Row
from tests.sdks.shop import Backend, Site, new_address, played

OPERATIONS: Final = {
    ("GET", "/v2/Services"),
    ("GET", "/v2/Services/{Sid}"),
    ("POST", "/v2/Services/{ServiceSid}/Verifications"),
    ("GET", "/v2/Services/{ServiceSid}/Verifications/{Sid}"),
    ("POST", "/v2/Services/{ServiceSid}/Verifications/{Sid}"),
    ("POST", "/v2/Services/{ServiceSid}/VerificationCheck"),
}
"""What the service offers of it."""

OFFERED_BY_TWILIO: Final = {
    ("POST", "/v2/Services"),
    ("DELETE", "/v2/Services/{Sid}"),
    ("POST", "/v2/Services/{ServiceSid}/RateLimits"),
}
"""What the tests try of it, and the service refuses."""

TOO_MANY: Final = 429
FIRST_ERROR: Final = 400


def with_null(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Write `nullable` of OpenAPI 3.0 as JSON Schema does."""
    if isinstance(schema, list):
        return [with_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: with_null(value) for name, value in schema.items()}
    if found.pop("nullable", False) is True and "type" in found:
        found["type"] = [found["type"], "null"]
    return found


@attrs.define
class Document:
    """
    The document, and what it has accepted.

    Attributes:
        accepted: Methods, paths and statuses.
    """

    content: dict[str, Any]
    accepted: set[tuple[str, str, int]] = attrs.field(factory=set)

    def judge(self, answer: requests.Response, **_: object) -> None:
        """
        Judge an answer of the service, as a hook of the SDK's HTTP client.

        An answer has exactly the members of its schema. Of errors, the document describes one, 429
        of a start, and the others have to be like it.
        """
        method = str(answer.request.method)
        path = self._path(str(answer.request.path_url).partition("?")[0])
        assert (method, path) in OPERATIONS | OFFERED_BY_TWILIO
        schema = self._schema(method, path, answer.status_code)
        body = answer.json()
        validator = jsonschema_rs.Draft202012Validator(
            {**self.content, **schema}, validate_formats=True
        )
        assert [str(error) for error in validator.iter_errors(body)] == []
        if answer.status_code < FIRST_ERROR:
            assert body.keys() == self._properties(schema).keys()
        else:
            assert body.keys() == self._properties(schema).keys() | {"details"}
            assert body["status"] == answer.status_code
        self.accepted.add((method, path, answer.status_code))

    def _path(self, path: str) -> str:
        """The path of the document for one of the service."""
        parts = path.split("/")
        (found,) = (
            one
            for one in self.content["paths"]
            if len(parts) == len(one.split("/"))
            and all(
                ours == theirs or theirs.startswith("{")
                for ours, theirs in zip(parts, one.split("/"), strict=True)
            )
        )
        return str(found)

    def _schema(self, method: str, path: str, status: int) -> dict[str, Any]:
        if status >= FIRST_ERROR:
            method, path = "POST", "/v2/Services/{ServiceSid}/Verifications"
            status = TOO_MANY
        told = self.content["paths"][path][method.lower()]["responses"][str(status)]
        schema: dict[str, Any] = told["content"]["application/json"]["schema"]
        return schema

    def _properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            schema = self.content["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        found: dict[str, Any] = schema["properties"]
        return found


@pytest.fixture(scope="module")
def document() -> Iterator[Document]:
    """The document; at the end it has accepted an answer of each operation, and errors."""
    file = Path(os.environ["TWILIO_DOCUMENT"])
    found = Document(with_null(json.loads(file.read_text("utf-8"))))
    yield found
    successes = {(method, path) for method, path, status in found.accepted if status < FIRST_ERROR}
    assert successes == OPERATIONS
    errors = {status for _, _, status in found.accepted if status >= FIRST_ERROR}
    assert errors == {400, 401, 403, 404, 429, 503}


def judged(site: Site, document: Document, key: str = "acme", service: str = "shop") -> Backend:
    """A backend whose answers the document judges."""
    http = TwilioHttpClient(request_hooks={"response": document.judge})
    return site.backend(key, service, http_client=http)


def test_answers(site: Site, document: Document) -> None:
    """It accepts every answer about services and about verifications in each status."""
    backend = judged(site, document)
    backend.service()
    backend.client.verify.v2.services.list()
    backend.start()
    site.wait(31)
    backend.start()
    backend.check("wrong")
    backend.fetch(backend.number)
    backend.check()
    assert backend.fetch().status == "approved"
    backend.number = new_address()
    backend.start(channel="email")
    backend.fetch(backend.number)
    assert backend.check().status == "approved"
    for status, step in (
        ("canceled", lambda one: one.update("canceled")),
        ("expired", lambda one: one.wait(601)),
        ("max_attempts_reached", lambda one: [one.check("wrong") for _ in range(3)]),
        ("deleted", lambda one: [one.wait(500), one.start()]),
    ):
        other = judged(site, document)
        sid = other.start().sid
        step(other)
        assert other.fetch(sid).status == status


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_refusals(sites: dict[str, Site], document: Document, row: Row) -> None:
    """It accepts the errors, all of which are like the one that it describes."""
    assert played(judged(sites[row.site], document, row.key, row.service), row).code == row.code
