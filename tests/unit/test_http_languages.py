"""Answers and messages in the caller's language: docs/contract.md, sections 5 and 6."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http import ME, REFRESH, SEND, VALIDATE, VERIFY, Client, problem
from tests.world import PASS_CODE, PHONE, ring

WRONG_FORM = {
    "en": "A pass code looks like HSP-1234-5678. Please check yours.",
    "es": "Un código de pase tiene la forma HSP-1234-5678. Revise el suyo.",
    "hi": "पास कोड HSP-1234-5678 जैसा होता है। कृपया अपना पास कोड जाँच लें।",
}


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with the contract's numbers; one paid pass is held."""
    with Client() as opened:
        opened.world.add()
        yield opened


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("hi-IN", "hi"),
        ("fr", "en"),
    ],
)
def test_an_answer_is_in_the_caller_s_language(
    client: Client, accepted: str | None, language: str
) -> None:
    """Section 5: `message` and `detail` are, and nothing else changes with it."""
    reply = client.post(VALIDATE, {"pass_code": "nonsense"}, headers={"accept-language": accepted})
    assert reply.json == problem(
        400, "Bad Request", "invalid_format", WRONG_FORM[language], valid=False
    )
    assert reply.headers["content-language"] == language


@pytest.mark.parametrize(
    ("request_line", "error", "message"),
    [
        (("GET", "/nothing"), "not_found", "No hay nada en esta dirección."),
        (
            ("GET", VALIDATE),
            "method_not_allowed",
            "Esta dirección no admite este tipo de solicitud.",
        ),
        (("POST", SEND), "unsupported_media_type", "La solicitud debe ser JSON."),
        (("GET", ME), "invalid_token", "Su sesión ha terminado. Inicie sesión de nuevo."),
    ],
)
def test_every_refusal_is_translated(
    client: Client, request_line: tuple[str, str], error: str, message: str
) -> None:
    """Section 5: also what is refused before any flow."""
    reply = client.request(*request_line, headers={"accept-language": "es"})
    assert reply.json["error"] == error
    assert reply.json["message"] == reply.json["detail"] == message
    assert reply.headers["content-language"] == "es"


def test_a_plain_refusal_is_translated(client: Client) -> None:
    """Section 5.1: a 200 with a message, too."""
    reply = client.post(VALIDATE, {"pass_code": "HSP-0000-0000"}, headers={"accept-language": "hi"})
    assert reply.status == 200
    assert reply.json["message"] == "इस कोड का कोई पास नहीं मिला। कृपया कोड जाँच लें।"
    assert reply.headers["content-language"] == "hi"


def test_several_lines_are_one_list(client: Client) -> None:
    """RFC 9110, 5.3: lines of one header are joined."""
    reply = client.request(
        "GET",
        "/nothing",
        headers={"accept-language": "fr"},
        more_headers=[("accept-language", "hi;q=0.5"), ("accept-language", "es;q=0.9")],
    )
    assert reply.headers["content-language"] == "es"


@pytest.mark.parametrize(
    ("cookie", "language"),
    [("language=es", "es"), ("a=b; language=es", "es"), ("language=fr", "hi")],
)
def test_a_choice_on_the_page_goes_first(client: Client, cookie: str, language: str) -> None:
    """Section 6: the cookie `language`, where it names one there is."""
    reply = client.request("GET", "/nothing", headers={"accept-language": "hi", "cookie": cookie})
    assert reply.headers["content-language"] == language


@pytest.mark.parametrize(("language", "named"), [("en", ""), ("es", " in es"), ("hi", " in hi")])
def test_the_message_is_in_the_caller_s_language(client: Client, language: str, named: str) -> None:
    """Section 6: the text message is in the language of the request that asked for it."""
    reply = client.post(SEND, {"pass_code": PASS_CODE}, headers={"accept-language": language})
    assert reply.status == 200
    (sms,) = client.world.outbox.sent
    assert f" is your code{named}, " in sms.text


def test_a_success_has_no_language(client: Client) -> None:
    """What says nothing to a person names no language."""
    code = client.code()
    reply = client.post(
        VERIFY, {"pass_code": PASS_CODE, "otp": code}, headers={"accept-language": "es"}
    )
    assert reply.status == 200
    assert "content-language" not in reply.headers


def test_signup_speaks_the_caller_s_language(client: Client) -> None:
    """Section 5.3: what a success says, its text message, and the refusal of a forgery."""
    token = ring("csrf").seal("0123456789abcdef")
    spanish = {"accept-language": "es-MX", "cookie": f"csrftoken={token}"}
    headers = {**spanish, "x-csrftoken": token}
    sent = client.post("/users/api/send-otp/", {"phone": PHONE}, headers=headers)
    assert sent.json["message"] == "Enviamos un código a su teléfono."
    assert " is your code in es, " in client.world.outbox.sent[0].text
    code = {"session_id": sent.json["session_id"], "otp_code": client.world.outbox.codes[0]}
    verified = client.post("/users/api/verify-otp/", code, headers=headers)
    assert verified.json["message"] == "Su número de celular está verificado."
    forged = client.post("/users/api/verify-otp/", code, headers=spanish)
    assert forged.json["message"] == (
        "Esta página ya no es válida. Vuelva a cargarla e inténtelo de nuevo."
    )
    for reply in (sent, verified, forged):
        assert reply.headers["content-language"] == "es"


@given(
    st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=200),
        st.text(st.sampled_from("es-MX,;q=0.19* \t"), max_size=200),
    )
)
def test_any_header_is_answered(header: str) -> None:
    """Section 5.5: whatever the header says, the answer is the same but for its language."""
    with Client() as client:
        reply = client.post(
            REFRESH, {}, headers={"accept-language": header, "cookie": f"language={header}"}
        )
    assert reply.status == 400
    assert reply.json["error"] == "missing_fields"
    assert reply.headers["content-language"] in {"en", "es", "hi"}


@pytest.mark.parametrize("size", [2_000, 60_000])
def test_a_long_header_is_english(client: Client, size: int) -> None:
    """Section 6: a header longer than any browser's is not read."""
    reply = client.request("GET", "/nothing", headers={"accept-language": "es," * (size // 3)})
    assert reply.json["message"] == "There is nothing at this address."
    assert reply.headers["content-language"] == "en"
