"""The API's description: docs/contract.md, 5 and 5.4."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import httpx2
import jsonschema_rs
import pytest
import schemathesis

from hsp_otp.entrypoints.app import ROUTES
from hsp_otp.entrypoints.http.verification.routes import ROUTES as VERIFICATIONS
from tests.e2e.server import PATIENCE_SECONDS, Server

BODY: Final = {
    400: {"malformed_request"},
    413: {"body_too_large"},
    415: {"unsupported_media_type"},
}
"""What 5.5 says of every route that takes a body."""

KEYS: Final = {401: {"unauthorized"}, 403: {"forbidden"}, 429: {"rate_limited"}}
"""What 5.8 says of every route that takes an API key."""

KEPT_ONCE: Final = {"invalid_idempotency_key"}
"""What 13.6 says of every route of the verification API."""

STANDING: Final = {
    "to_required",
    "invalid_phone",
    "invalid_email",
    "region_not_allowed",
    "client_ip_required",
    "channel_not_available",
    "purpose_not_available",
    "invalid_subject",
    "invalid_client_ip",
    "invalid_limits",
}
"""What 13.1 says of the members that limits see."""

SENDS: Final = {
    409: {"idempotency_in_progress"},
    422: {"idempotency_mismatch"},
    429: {
        "rate_limited",
        "phone_rate_limited",
        "email_rate_limited",
        "app_rate_limited",
        "named_limit",
        "range_rate_limited",
        "region_rate_limited",
        "spend_limited",
        "resend_too_soon",
        "locked_out",
    },
}
"""What 13.1 says of every send."""

NAMED: Final[dict[tuple[str, str], dict[int, set[str]]]] = {
    ("post", "/customer/validate-pass/"): {
        200: {"success", "pass_not_found", "pass_not_paid"},
        400: {"pass_code_required", "invalid_format", "no_phone"},
        429: {"lookup_rate_limited"},
    },
    ("post", "/customer/send-otp/"): {
        200: {"success"},
        400: {
            "pass_code_required",
            "channel_not_available",
            "invalid_pass",
            "no_phone_number",
            "sms_failed",
        },
        429: {
            "lookup_rate_limited",
            "locked_out",
            "phone_rate_limited",
            "rate_limited",
            "region_rate_limited",
            "resend_too_soon",
            "spend_limited",
            "work_required",
        },
    },
    ("post", "/customer/verify-otp/"): {
        200: {"success"},
        400: {
            "missing_fields",
            "invalid_pass",
            "malformed_otp",
            "invalid_otp",
            "otp_expired",
            "too_many_attempts",
        },
        429: {"locked_out", "rate_limited", "lookup_rate_limited"},
    },
    ("get", "/users/api/csrf/"): {200: {"success"}},
    ("post", "/users/api/send-otp/"): {
        200: {"success"},
        400: {
            "phone_required",
            "channel_not_available",
            "invalid_phone",
            "region_not_allowed",
            "session_not_found",
            "already_verified",
            "sms_failed",
        },
        403: {"csrf_failed"},
        429: {
            "phone_rate_limited",
            "rate_limited",
            "range_rate_limited",
            "region_rate_limited",
            "resend_too_soon",
            "spend_limited",
            "locked_out",
            "work_required",
        },
    },
    ("post", "/users/api/verify-otp/"): {
        200: {"success"},
        400: {
            "missing_fields",
            "session_not_found",
            "malformed_otp",
            "invalid_otp",
            "otp_expired",
            "already_verified",
        },
        403: {"csrf_failed"},
        429: {"too_many_attempts", "locked_out", "rate_limited"},
    },
    ("post", "/token/refresh/"): {
        200: {"success"},
        400: {"missing_fields"},
        401: {"token_reused", "invalid_token"},
        429: {"rate_limited"},
    },
    ("post", "/token/revoke/"): {
        200: {"success"},
        400: {"missing_fields"},
        429: {"rate_limited"},
    },
    ("post", "/token/exchange/"): {
        200: {"success"},
        400: {"missing_fields", "invalid_code"},
        **KEYS,
    },
    ("get", "/customer/me/"): {200: {"success"}, 401: {"invalid_token"}},
    ("put", "/v1/passes/{pass_code}"): {
        200: {"success"},
        400: {
            "invalid_pass_code",
            "invalid_payment_status",
            "invalid_plan_name",
            "invalid_expires_at",
            "invalid_id",
            "invalid_email",
            "invalid_first_name",
            "invalid_last_name",
            "invalid_phone_number",
            "invalid_user",
        },
        **KEYS,
        404: {"not_found"},
        409: {"user_id_taken"},
    },
    ("get", "/v1/passes/{pass_code}"): {
        200: {"success"},
        400: {"invalid_pass_code"},
        **KEYS,
        404: {"not_found", "pass_not_found"},
    },
    ("delete", "/v1/passes/{pass_code}"): {
        200: {"success"},
        400: {"invalid_pass_code"},
        **KEYS,
        404: {"not_found"},
    },
    ("post", "/v1/verifications"): {
        200: {"success"},
        400: {
            *KEPT_ONCE,
            *STANDING,
            "invalid_locale",
            "invalid_app_hash",
            "invalid_metadata",
            "transaction_not_allowed",
            "delivery_failed",
        },
        **KEYS,
        404: {"app_not_found"},
        **SENDS,
    },
    ("post", "/v1/verifications/{verification_id}/resend"): {
        200: {"success"},
        400: {
            *KEPT_ONCE,
            "channel_not_available",
            "delivery_failed",
            "otp_expired",
            "too_many_attempts",
        },
        **KEYS,
        404: {"not_found", "verification_not_found"},
        **SENDS,
    },
    ("post", "/v1/verifications/{verification_id}/check"): {
        200: {"success"},
        400: {
            *KEPT_ONCE,
            "missing_fields",
            "invalid_client_ip",
            "malformed_otp",
            "invalid_otp",
            "otp_expired",
            "too_many_attempts",
        },
        **KEYS,
        404: {"not_found", "verification_not_found"},
        429: {"rate_limited", "locked_out"},
    },
    ("post", "/v1/verifications/{verification_id}/cancel"): {
        200: {"success"},
        400: {*KEPT_ONCE, "otp_expired"},
        **KEYS,
        404: {"not_found", "verification_not_found"},
    },
    ("get", "/v1/verifications/{verification_id}"): {
        200: {"success"},
        400: KEPT_ONCE,
        **KEYS,
        404: {"not_found", "verification_not_found"},
    },
    ("get", "/v1/standing"): {
        200: {"success"},
        400: {*KEPT_ONCE, *STANDING},
        **KEYS,
        404: {"app_not_found"},
    },
    ("post", "/v1/standing"): {
        200: {"success"},
        400: {*KEPT_ONCE, *STANDING},
        **KEYS,
        404: {"app_not_found"},
    },
    ("get", "/.well-known/jwks.json"): {200: {"success"}},
    ("get", "/healthz"): {200: {"success"}},
    ("get", "/readyz"): {200: {"success"}},
}
"""What the tables of 5.1 to 5.9 and of 13 say of each route."""

FLOWS: Final = {
    "/customer/validate-pass/": "valid",
    "/customer/send-otp/": "sent",
    "/customer/verify-otp/": "success",
    "/users/api/send-otp/": "success",
    "/users/api/verify-otp/": "success",
    "/token/exchange/": "success",
    "/v1/verifications/{verification_id}/check": "valid",
}
OWN_MEMBERS: Final = {
    "invalid_otp": {"attempts_remaining"},
    "already_verified": {"next_step"},
    "resend_too_soon": {"live"},
}
WAITS: Final = {
    "invalid_otp", "otp_expired", "too_many_attempts", "sms_failed", "delivery_failed",
}  # fmt: skip
"""Words that say when a new code may be asked for."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in development mode, where the description is on; without Twilio's routes."""
    with Server(tmp_path_factory.mktemp("docs"), TWILIO_VERIFY="false") as found:
        yield found


def fetch(server: Server, path: str) -> httpx2.Response:
    """Look at something."""
    url = f"http://127.0.0.1:{server.port}{path}"
    return httpx2.get(url, timeout=PATIENCE_SECONDS, trust_env=False)


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    """The document that the server serves."""
    found: dict[str, Any] = fetch(server, "/docs/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every method with its path."""
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def examples(operation: dict[str, Any], status: int) -> dict[str, Any]:
    """The examples of an answer, by their names."""
    (content,) = operation["responses"][str(status)]["content"].values()
    return {name: example["value"] for name, example in content["examples"].items()}


def refusals(
    document: dict[str, Any],
) -> Iterator[tuple[str, int, str, dict[str, Any]]]:
    """Path, status, name and body of every example of an error."""
    for (_, path), operation in operations(document).items():
        for status in map(int, operation["responses"]):
            for name, body in examples(operation, status).items():
                if "error" in body and "admitted" not in body:
                    yield path, status, name, body


def test_the_document_is_openapi_3_1(server: Server, document: dict[str, Any]) -> None:
    """GET /docs/openapi.json is JSON that keeps to OpenAPI 3.1, and names this version."""
    assert fetch(server, "/docs/openapi.json").headers["content-type"] == "application/json"
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] == "hsp-otp"
    schemathesis.openapi.from_dict(document).validate()


def test_every_route_is_described(document: dict[str, Any]) -> None:
    """Every route but those that providers call stands in the document, and nothing else does."""
    served = {
        (method.lower(), re.sub(r":\w+}", "}", path))
        for route in (*ROUTES, *VERIFICATIONS)
        for method in route.http_methods - {"OPTIONS"}
        for path in route.paths
        if not path.startswith("/callbacks/")
    }
    assert {(method, path.rstrip("/")) for method, path in operations(document)} == served
    assert operations(document).keys() == NAMED.keys()
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("route", NAMED, ids=" ".join)
def test_every_answer_has_an_example(document: dict[str, Any], route: tuple[str, str]) -> None:
    """Each route has an example of every status and word that the contract names, and no other."""
    operation = operations(document)[route]
    named = {status: set(words) for status, words in NAMED[route].items()}
    if route[0] in {"post", "put"}:
        for status, words in BODY.items():
            named.setdefault(status, set()).update(words)
    shown = {status: set(examples(operation, status)) for status in named}
    assert shown == named
    assert {int(status) for status in operation["responses"]} - set(named) <= {500, 503}
    assert ("requestBody" in operation) == (route[0] in {"post", "put"})


def test_every_example_keeps_to_its_schema(document: dict[str, Any]) -> None:
    """What an example shows is what the schema beside it describes, in requests and answers."""
    seen = 0
    for operation in operations(document).values():
        contents = [
            content
            for response in operation["responses"].values()
            for content in response["content"].values()
        ]
        if "requestBody" in operation:
            contents.append(operation["requestBody"]["content"]["application/json"])
            assert "example" in contents[-1]
        for content in contents:
            schema = {**content["schema"], "components": document["components"]}
            validator = jsonschema_rs.Draft202012Validator(schema)
            values = [example["value"] for example in content.get("examples", {}).values()]
            for value in values or [content["example"]]:
                validator.validate(value)
                # An empty object would keep to a schema that asks for nothing.
                known = _members(schema, document)
                assert set(value) <= known
                seen += 1
    assert seen > 60


def _members(schema: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """All members that *schema* knows, in any of its forms."""
    forms = schema.get("oneOf", [schema])
    names = [form["$ref"].rpartition("/")[2] for form in forms]
    schemas = document["components"]["schemas"]
    return {member for name in names for member in schemas[name].get("properties", {})}


def test_an_example_of_an_error_is_what_is_answered(document: dict[str, Any]) -> None:
    """Examples of errors have exactly the members that section 5 gives their status and word."""
    for path, status, name, body in refusals(document):
        members = {"error", "message", "request_id"}
        if status != 200:
            members |= {"type", "title", "status", "detail"}
            assert (body["type"], body["status"]) == ("about:blank", status)
            assert body["detail"] == body["message"]
        if path in FLOWS:
            members.add(FLOWS[path])
            assert body[FLOWS[path]] is False
        if name == "work_required":
            members |= {"work", "work_seconds"}
        elif status == 429:
            members.add("retry_after_seconds")
        members |= OWN_MEMBERS.get(name, set())
        if name in WAITS:
            members.add("resend_in")
        if path.startswith("/v1/verifications"):
            members |= {"verification_status"} if name == "otp_expired" else set()
            members |= _next_of(path, name, body)
        if status == 429 and name in WAITS:
            assert body["retry_after_seconds"] == body["resend_in"]
        assert (path, body["error"], set(body)) == (path, name, members)
        is_reason = path.startswith("/v1/passes/") and name.startswith("invalid_")
        assert body["message"].endswith(".") != is_reason


def _next_of(path: str, name: str, body: dict[str, Any]) -> set[str]:
    """What a refused send says of the next one; a failed authentication is not told apart here."""
    if name == "named_limit":
        return {"limit", "next"}
    sends = path.endswith(("/verifications", "/resend")) and "next" in body
    return {"next"} if sends else set()


def test_what_a_route_asks_for_is_described(document: dict[str, Any]) -> None:
    """A bearer token where there is one to show, and both halves of the pair against forgeries."""
    pair: list[dict[str, list[str]]] = [{"csrfCookie": [], "csrfHeader": []}]
    asked = {
        path: operation["security"]
        for (_, path), operation in operations(document).items()
        if "security" in operation
    }
    of_keys = {path for (_, path), words in NAMED.items() if "unauthorized" in words.get(401, ())}
    of_apps = {path for path in of_keys if path.startswith(("/v1/verifications", "/v1/standing"))}
    assert [asked.pop(path) for path in of_apps] == len(of_apps) * [[{"appKey": []}]]
    of_keys -= of_apps
    assert [asked.pop(path) for path in of_keys] == len(of_keys) * [[{"apiKey": []}]]
    assert asked == {
        "/customer/me/": [{"bearer": []}],
        "/users/api/send-otp/": pair,
        "/users/api/verify-otp/": pair,
    }
    schemes = document["components"]["securitySchemes"]
    places = {
        name: (scheme["type"], scheme.get("in"), scheme.get("name"))
        for name, scheme in schemes.items()
    }
    assert places == {
        "bearer": ("http", None, None),
        "apiKey": ("http", None, None),
        "appKey": ("http", None, None),
        "appBasic": ("http", None, None),
        "csrfCookie": ("apiKey", "cookie", "csrftoken"),
        "csrfHeader": ("apiKey", "header", "x-csrftoken"),
    }


def test_the_token_of_signup_is_explained(document: dict[str, Any]) -> None:
    """5.3: what signup asks for is told beside its routes: the cookie, the header, and how."""
    told = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    assert list(told)[:2] == ["pass login", "signup"]
    for word in ("`csrftoken`", "`__Host-csrftoken`", "`x-csrftoken`", "`GET /users/api/csrf/`"):
        assert word in told["signup"]
    assert "Try it out" in told["signup"]


def test_real_answers_are_as_described(server: Server, document: dict[str, Any]) -> None:
    """The server's own sentences are those of the examples."""
    answer = server.post("/customer/verify-otp/", {})
    operation = operations(document)["post", "/customer/verify-otp/"]
    example = examples(operation, 400)["missing_fields"]
    assert answer.body == {**example, "request_id": answer["request_id"]}


class Links(HTMLParser):
    """What a page loads or leads to, and whether anything stands in it that its policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of a tag."""
        names = dict(attrs)
        self.found += [value for name in ("src", "href") if (value := names.get(name))]
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.inline.append(tag)


def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    """All that /docs loads is here and is answered, what its style sheet loads included."""
    page = fetch(server, "/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    links = Links()
    links.feed(page.text)
    assert {path.rpartition(".")[2] for path in links.found} == {"css", "js", "png", "json"}
    assert links.inline == []
    for path in links.found:
        assert re.fullmatch(r"/docs/[a-z./-]+", path)
        answer = fetch(server, path)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        if path.endswith(".css"):
            loaded = re.findall(r"url\(\s*['\"]?([^)]{5})", answer.text)
            assert set(loaded) == {"data:"}
            assert "@import" not in answer.text
    assert 'url: "/docs/openapi.json"' in fetch(server, "/docs/static/start.js").text


def test_the_policy_of_the_page(server: Server) -> None:
    """The page's Content-Security-Policy names no foreign host, and allows nothing inline."""
    policy = fetch(server, "/docs").headers["content-security-policy"]
    directives = {
        name: values.split()
        for name, _, values in (part.strip().partition(" ") for part in policy.split(";"))
    }
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == directives["connect-src"] == ["'self'"]
    assert directives["frame-ancestors"] == directives["base-uri"] == ["'none'"]
    allowed = {value for values in directives.values() for value in values}
    assert allowed == {"'none'", "'self'", "data:"}
    assert [name for name, values in directives.items() if "data:" in values] == ["img-src"]


@pytest.mark.parametrize("path", ["..%2findex.html", "../docs.py", "%2e%2e/docs.py", "", "x.js"])
def test_nothing_else_is_served_beside_the_page(server: Server, path: str) -> None:
    """Whatever is no file of the page is 404, what lies above its folder included."""
    answer = fetch(server, f"/docs/static/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"


def test_the_description_can_be_switched_off(tmp_path: Path) -> None:
    """HSP_OTP_DOCS=false takes the document, the page and its files away."""
    with Server(tmp_path, DOCS="false") as server:
        paths = ("/docs", "/docs/", "/docs/openapi.json", "/docs/static/start.js")
        assert [fetch(server, path).status_code for path in paths] == [404] * 4


def test_the_description_can_be_switched_on(tmp_path: Path) -> None:
    """HSP_OTP_DOCS=true serves the document and the page."""
    with Server(tmp_path, DOCS="true") as server:
        paths = ("/docs", "/docs/", "/docs/openapi.json", "/docs/openapi.json/")
        assert [fetch(server, path).status_code for path in paths] == [200] * 4
