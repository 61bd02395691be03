"""The OpenAPI document of the routes for Twilio's clients: docs/contract.md, 5.4 and 14."""

from typing import Any, Final

import jsonschema_rs
import pytest

from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.entrypoints.http.openapi import document
from hsp_otp.entrypoints.http.twilio_verify.routes import ROUTES

SERVICES: Final = "/v2/Services"
ONE: Final = f"{SERVICES}/{{service_sid}}"
VERIFICATION: Final = f"{ONE}/Verifications/{{sid}}"

KEYS: Final = {401: {20003}, 403: {20403}, 429: {20429}, 500: {20500}, 503: {20503}}
"""Of every route."""

FORM: Final = {413: {20413}, 415: {20415}}
"""Of every route that takes a form."""

NAMED: Final[dict[tuple[str, str], dict[int, set[int]]]] = {
    ("post", f"{ONE}/Verifications"): {
        **KEYS,
        **FORM,
        400: {60200, 60206, 60217, 60223},
        403: {20403, 60204, 60205, 60605},
        404: {20404},
        409: {20409},
        429: {20429, 60202, 60203, 60212, 60410},
    },
    ("post", f"{ONE}/VerificationCheck"): {
        **KEYS,
        **FORM,
        400: {60200, 60221},
        404: {20404},
        429: {20429, 60202},
    },
    ("get", VERIFICATION): {**KEYS, 400: {60200}, 404: {20404}},
    ("post", VERIFICATION): {
        **KEYS,
        **FORM,
        400: {60200},
        403: {20403, 60204},
        404: {20404},
    },
    ("get", SERVICES): {**KEYS, 400: {60200}},
    ("get", ONE): {**KEYS, 400: {60200}, 404: {20404}},
}
"""What the tables of section 14 say of each route."""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The document of these routes."""
    return document([one for one in ROUTES if one.include_in_schema], GettextMessages({}))


def test_every_answer_has_an_example(described: dict[str, Any]) -> None:
    """Each route has an example of every code that the contract names, and no other."""
    shown = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            found = shown[method, path] = dict[int, set[int]]()
            for status, response in operation["responses"].items():
                (content,) = response["content"].values()
                values = [example["value"] for example in content["examples"].values()]
                if int(status) >= 400:
                    found[int(status)] = {value["code"] for value in values}
                    assert {value["status"] for value in values} == {int(status)}
    assert shown == NAMED


def test_every_example_keeps_to_its_schema(described: dict[str, Any]) -> None:
    """What an example shows is what the schema beside it describes, in requests and answers."""
    seen = 0
    for methods in described["paths"].values():
        for method, operation in methods.items():
            contents = [
                *(one for a in operation["responses"].values() for one in a["content"].items()),
                *operation.get("requestBody", {"content": {}})["content"].items(),
            ]
            assert ("requestBody" in operation) == (method == "post")
            for media_type, content in contents:
                assert media_type in {"application/json", "application/x-www-form-urlencoded"}
                schema = {**content["schema"], "components": described["components"]}
                validator = jsonschema_rs.Draft202012Validator(schema)
                shown = content.get("examples", {"": {"value": content.get("example")}})
                for example in shown.values():
                    validator.validate(example["value"])
                    seen += 1
    assert seen > 60


def test_sentences_of_examples(described: dict[str, Any]) -> None:
    """An example shows the sentence that is answered, with the wait at its end."""
    operation = described["paths"][f"{ONE}/Verifications"]["post"]
    examples = operation["responses"]["429"]["content"]["application/json"]["examples"]
    message = examples["60212 resend_too_soon"]["value"]["message"]
    assert message.startswith("A code is on its way.")
    assert message.endswith(". Try again in 27 seconds.")
    examples = operation["responses"]["401"]["content"]["application/json"]["examples"]
    assert examples["20003 unauthorized"]["value"]["message"] == "Authenticate"
