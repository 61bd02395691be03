"""Which language a caller is answered in: docs/contract.md, sections 5 and 6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.names import Language
from hsp_otp.entrypoints.http.languages import MAX_HEADER, chosen, look_up, negotiate

THERE = [Language(tag) for tag in ("en", "es", "hi")]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("es", "es"),
        ("hi", "hi"),
        ("ES", "es"),
        ("es-MX", "es"),
        ("es-419", "es"),
        ("hi-Deva-IN", "hi"),
        ("hi-in-u-nu-deva", "hi"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en-GB,en;q=0.9,hi;q=0.8", "en"),
        ("fr-FR,fr;q=0.9,hi;q=0.7,en;q=0.3", "hi"),
        # the weight orders, not the place; equal weights keep theirs
        ("en;q=0.1,hi;q=0.2,es;q=0.3", "es"),
        ("es;q=0.500,hi;q=0.501", "hi"),
        ("hi;q=0.5,es;q=0.5", "hi"),
        ("es;q=0.9,hi", "hi"),
        ("hi;q=1.000,es", "hi"),
        # white space, and an upper-case q
        (" es\t;\tQ=0.2 , hi ; q=0.1 ", "es"),
        (",, ,hi,", "hi"),
        # any language will do
        ("*", "en"),
        ("fr,*;q=0.5", "en"),
        ("*,hi;q=0.1", "hi"),
        ("en;q=0,*", "es"),
        ("en;q=0,es;q=0.0,*;q=0.1", "hi"),
        # not acceptable
        ("es;q=0,hi", "hi"),
        ("es;q=0.000", "en"),
        ("es-MX,es;q=0", "en"),
        ("es-MX;q=0,es", "es"),
        ("*;q=0", "en"),
        ("*;q=0,hi", "hi"),
        ("en;q=0", "en"),
        ("en;q=0,es;q=0,hi;q=0,*", "en"),
        # none there is
        ("", "en"),
        ("fr", "en"),
        ("fr-CA,de;q=0.8", "en"),
        ("e", "en"),
        ("est", "en"),
        ("espanol", "en"),
        ("x-es", "en"),
    ],
)
def test_negotiation(header: str, language: str) -> None:
    """RFC 4647's lookup over the weights of RFC 9110; English where nothing fits."""
    assert negotiate(header, THERE) == language


@pytest.mark.parametrize(
    "header",
    [
        "es;q=2",
        "es;q=1.001",
        "es;q=0.1234",
        "es;q=-1",
        "es;q=nan",
        "es;q=inf",
        "es;q=1e0",
        "es;q=٠",
        "es;q=",
        "es;q",
        "es;",
        "es;level=1",
        "es;q=1;q=1",
        "es MX",
        "es_MX",
        "es-",
        "-es",
        "es--MX",
        "es-abcdefghi",
        "es\n",
        "es\x00",
        "és",
        "ｅｓ",
        "*-MX",
        "**",
        "<script>",
        "../es",
        ";q=1",
        "{0}",
    ],
)
def test_rubbish_is_passed_over(header: str) -> None:
    """What is no language range says nothing, and hides no other one."""
    assert negotiate(header, THERE) == "en"
    assert negotiate(f"{header},hi;q=0.1", THERE) == "hi"


@pytest.mark.slow
@given(st.text(max_size=1100), st.lists(st.sampled_from(THERE), unique=True))
def test_any_header_has_an_answer(header: str, there: list[Language]) -> None:
    """Whatever a header says, the answer is English or a language there is."""
    assert negotiate(header, there) in {*there, "en"}


def test_a_header_that_no_browser_sends() -> None:
    """A header of 1000 characters is read, and of a longer one nothing."""
    assert MAX_HEADER == 1000
    assert negotiate("es".ljust(1000, ","), THERE) == "es"
    assert negotiate("es".ljust(1001, ","), THERE) == "en"


def test_the_closest_language_is_taken() -> None:
    """Of a language and its regional form, the longest that the range begins with is taken."""
    there = [Language(tag) for tag in ("en", "pt", "pt-BR")]
    assert negotiate("pt-BR", there) == "pt-BR"
    assert negotiate("pt-br-x-home", there) == "pt-BR"
    assert negotiate("pt-PT", there) == "pt"
    assert negotiate("pt-BRA", there) == "pt"


@pytest.mark.parametrize(
    ("accepted", "cookies", "language"),
    [
        ([], [], "en"),
        (["hi"], [], "hi"),
        (["fr", "hi;q=0.5"], [], "hi"),
        (["hi"], ["language=es"], "es"),
        (["hi"], ["csrftoken=abc; language=es; theme=dark"], "es"),
        (["hi"], ["csrftoken=abc;language=es"], "es"),
        (["hi"], ["csrftoken=abc", "language=es"], "es"),
        (["hi"], ["language=fr; language=es"], "es"),
        (["hi"], ["language=en"], "en"),
        (["hi"], ["language=fr"], "hi"),
        (["hi"], ["language=ES"], "hi"),
        (["hi"], ["language=es-MX"], "hi"),
        (["hi"], ["language"], "hi"),
        (["hi"], ["language="], "hi"),
        (["hi"], ["Language=es"], "hi"),
        (["hi"], ["mylanguage=es"], "hi"),
        (["hi"], ['language="es"'], "hi"),
        (["hi"], [";;=;"], "hi"),
    ],
)
def test_a_choice_goes_first(accepted: list[str], cookies: list[str], language: str) -> None:
    """A cookie that names a language there is goes before what the browser says."""
    assert chosen(accepted, cookies, THERE) == language


@pytest.mark.parametrize(
    "line",
    [
        "a-" * 30_000,
        "es;q=0," * 9_000,
        "es" + ";" * 60_000,
        "es;" + " " * 60_000 + "!",
        "hi;q=0," * 9_000,
        "language=" * 7_000,
        "language=es-;" * 5_000,
        "language=\\" * 6_000,
    ],
    ids=lambda line: line[:10],
)
def test_hostile_headers_are_english(line: str) -> None:
    """Tens of thousands of characters in a header neither hang nor name a language."""
    assert chosen([line, line], [line, line], THERE) == "en"
    assert negotiate(line[:MAX_HEADER], THERE) == "en"


@pytest.mark.parametrize(
    ("tag", "language"),
    [("es", "es"), ("ES-mx", "es"), ("hi-Deva-IN", "hi"), ("de", None), ("english", None)],
)
def test_the_language_of_a_tag(tag: str, language: str | None) -> None:
    """A tag finds a language as a header would, and otherwise none (13.1)."""
    assert look_up(tag, THERE) == language


@pytest.mark.parametrize("tag", ["", "*", "es_MX", "es;q=1", "es,hi", "é", "es\n", "a" * 36])
def test_what_is_no_tag(tag: str) -> None:
    """Anything else than one tag of at most 35 characters is an error."""
    with pytest.raises(ValueError, match="not a language tag"):
        look_up(tag, THERE)
