"""Settings in a TOML file: docs/contract.md, section 9."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.settings.toml_file import read_toml

DEEP = "[" * 6000
LONG = "9" * 6000


def load_file(folder: Path, content: str | bytes, **variables: str) -> Settings:
    """The settings of a file, and of variables by their names without the prefix."""
    (folder / "otp.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    given = {f"HSP_OTP_{name}": value for name, value in variables.items()}
    return load(given | {"HSP_OTP_CONFIG": f"{folder}/otp.toml"})


def refusal(folder: Path, content: str | bytes) -> str:
    """The line about a file that is refused, with its name alone in place of its path."""
    with pytest.raises(SettingsError) as caught:
        load_file(folder, content)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("content", "read_as"),
    [
        ("", {}),
        ("# nothing but a comment\n", {}),
        ("\ufeffport = 8001", {"port": 8001}),
        ("port = 8001\r\ncode_digits = 8\r\n", {"port": 8001, "code_digits": 8}),
        ("port = 0x1F41", {"port": 8001}),
        ('port = "8001"', {"port": 8001}),
        ("docs = true", {"docs": True}),
        ("docs = 'no'", {"docs": False}),
        ("docs = 1", {"docs": True}),
        ("signup_regions = ['IN', 'gb']", {"signup_regions": frozenset({"IN", "GB"})}),
        ("signup_regions = 'IN, gb'", {"signup_regions": frozenset({"IN", "GB"})}),
        ("senders = []", {"senders": ()}),
        ("service_name = ''", {"service_name": "House Service Pass"}),
    ],
)
def test_files_that_are_read(tmp_path: Path, content: str, read_as: dict[str, object]) -> None:
    """A byte order mark, both line ends, and every way to write a value that has one meaning."""
    found = load_file(tmp_path, content)
    assert {name: getattr(found, name) for name in read_as} == read_as


def test_a_number_for_a_text(tmp_path: Path) -> None:
    """A whole number is as good as its digits in quotes."""
    found = load_file(tmp_path, "twilio_from = 15005550006")
    assert found.accounts["twilio"].from_ == "15005550006"


def test_the_environment_wins_unless_it_is_empty(tmp_path: Path) -> None:
    """A variable overrules the file; an empty one is as good as none, and leaves the file's."""
    assert load_file(tmp_path, "port = 8001", PORT="8002").port == 8002
    assert load_file(tmp_path, "port = 8001", PORT=" ").port == 8001
    assert load({"HSP_OTP_CONFIG": f" {tmp_path}/otp.toml "}).port == 8001


def test_a_file_gives_what_kubernetes_shadows(tmp_path: Path) -> None:
    """A port that Kubernetes took the name of is that of the file."""
    assert load_file(tmp_path, "port = 8001", PORT="tcp://10.0.0.1:9000").port == 8001


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "port = 8000\nhost = 127.0.0.1",
            "is not TOML: line 2, column 13: Expected newline or end of document after a statement",
        ),
        (
            "secret_keys = k1:s3cret",
            "is not TOML: line 1, column 15: Invalid value",
        ),
        (
            'port = 8000\nsecret_keys = "k1:s3cret',
            "is not TOML: line 2, column 25, the end of the file: Unterminated string",
        ),
        (
            "port = 8000\nport = 8001\n",
            "is not TOML: line 2, column 12: the name is set twice",
        ),
        ("[a]\nb = 1\n[a]", "is not TOML: line 3, column 3"),
        ("a = {s3cret = 1, s3cret = 2}", "is not TOML: line 1, column 28"),
        ("a = 's3cret\x07'", "is not TOML: line 1, column 12"),
        (
            "s3cret",
            (
                "is not TOML: line 1, column 7, the end of the file: "
                "Expected '=' after a key in a key/value pair"
            ),
        ),
        (b"port = 8000\nservice_name = 's3cret\xff'", "is not in UTF-8: line 2"),
        (b"\xef\xbb\xbf# \xff", "is not in UTF-8: line 1"),
        ("port = 8000".encode("utf-16"), "is in UTF-16 or UTF-32; it must be in UTF-8"),
        ("port = 8000".encode("utf-32"), "is in UTF-16 or UTF-32; it must be in UTF-8"),
        (
            "port = 8000\n".encode("utf-16-le"),
            "is not text in UTF-8: there is a NUL byte in line 1",
        ),
        ("port = 1\n\0", "is not text in UTF-8: there is a NUL byte in line 2"),
        (f"a = {DEEP}", "cannot be read: its values are nested too deeply"),
        (f"a = {LONG}", "cannot be read: a number in it has too many digits"),
    ],
)
def test_files_that_are_not_toml(tmp_path: Path, content: str | bytes, says: str) -> None:
    """What is wrong with a file is told with its line and column, and nothing of it is repeated."""
    assert refusal(tmp_path, content) == f"HSP_OTP_CONFIG: 'otp.toml' {says}"


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    """A file that is not there or a folder is told by its name and the reason."""
    (tmp_path / "keys").mkdir()
    for name, why in (("none.toml", "No such file or directory"), ("keys", "Is a directory")):
        with pytest.raises(SettingsError) as caught:
            load({"HSP_OTP_CONFIG": f"{tmp_path}/{name}"})
        line = str(caught.value).replace(f"{tmp_path}/", "")
        assert line == f"HSP_OTP_CONFIG: {name!r} cannot be read: {why}"
    with pytest.raises(ValueError, match=r"^cannot be read: this is not a valid file name$"):
        read_toml("otp\0.toml")


@pytest.mark.parametrize("name", ["PORT", "Port", "HSP_OTP_PORT", "hsp_otp_port"])
def test_names_in_another_spelling(tmp_path: Path, name: str) -> None:
    """A setting has one name in a file, and who writes it as in the environment is told it."""
    assert refusal(tmp_path, f"port = 8001\n{name} = 8002") == (
        f"HSP_OTP_CONFIG: 'otp.toml' has {name!r}; in a file, that setting is called port"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "prot = 8000",
            (
                "HSP_OTP_PROT: there is no such setting; it is in 'otp.toml' as prot; "
                "see hsp-otp settings"
            ),
        ),
        (
            "[server]\nport = 8000",
            (
                "HSP_OTP_SERVER: there is no such setting; it is in 'otp.toml' as server; "
                "see hsp-otp settings"
            ),
        ),
        ("'a b' = 1", "HSP_OTP_CONFIG: 'otp.toml' has 'a b', which is not a setting"),
        (
            '"\\u001b[31m" = 1',
            "HSP_OTP_CONFIG: 'otp.toml' has '\\x1b[31m', which is not a setting",
        ),
        ("config = 'b.toml'", "HSP_OTP_CONFIG: 'otp.toml' cannot name another file"),
    ],
)
def test_names_that_are_none(tmp_path: Path, content: str, says: str) -> None:
    """What is no setting is told by the name that it has in the file."""
    assert refusal(tmp_path, content) == says


PORT_TAKES = "takes a whole number from 0 to 65535; it is in 'otp.toml' as port"
KEYS_TAKE = "takes id:base64,... of 32 bytes or more each; it is in 'otp.toml' as secret_keys"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("port = 'eighty'", f"HSP_OTP_PORT: got 'eighty', {PORT_TAKES}"),
        ("port = true", f"HSP_OTP_PORT: got true, {PORT_TAKES}"),
        (
            "port = 80.5",
            f"HSP_OTP_PORT: got a number with a decimal point or an exponent, {PORT_TAKES}",
        ),
        (
            "port = 8e3",
            f"HSP_OTP_PORT: got a number with a decimal point or an exponent, {PORT_TAKES}",
        ),
        (
            "port = inf",
            f"HSP_OTP_PORT: got a number with a decimal point or an exponent, {PORT_TAKES}",
        ),
        ("port = 2026-01-01", f"HSP_OTP_PORT: got a date or time, {PORT_TAKES}"),
        ("port = 08:00:00", f"HSP_OTP_PORT: got a date or time, {PORT_TAKES}"),
        ("port = [8000]", f"HSP_OTP_PORT: got a list, {PORT_TAKES}"),
        ("port = {a = 1}", f"HSP_OTP_PORT: got a table, {PORT_TAKES}"),
        ("port.a = 1", f"HSP_OTP_PORT: got a table, {PORT_TAKES}"),
        ("[[port]]\na = 1", f"HSP_OTP_PORT: got a list, {PORT_TAKES}"),
        (f"port = 0x{'F' * 6000}", f"HSP_OTP_PORT: got a number that is too large, {PORT_TAKES}"),
        ("secret_keys = {k1 = 's3cret'}", f"HSP_OTP_SECRET_KEYS: got a table, {KEYS_TAKE}"),
        (
            "secret_keys = [['k1:s3cret']]",
            f"HSP_OTP_SECRET_KEYS: got a list that contains a list, {KEYS_TAKE}",
        ),
        (
            "secret_keys = ['k1:s3cret', {}]",
            f"HSP_OTP_SECRET_KEYS: got a list that contains a table, {KEYS_TAKE}",
        ),
        (
            "jwt_issuer = true",
            "HSP_OTP_JWT_ISSUER: got true, takes a text; it is in 'otp.toml' as jwt_issuer",
        ),
        (
            "jwt_issuer = ['a', 'b']",
            "HSP_OTP_JWT_ISSUER: got a list, takes a text; it is in 'otp.toml' as jwt_issuer",
        ),
        (
            "docs = 2026-01-01",
            (
                "HSP_OTP_DOCS: got a date or time, takes true/false, yes/no or 1/0; it is in "
                "'otp.toml' as docs"
            ),
        ),
        (
            "signup_regions = ['IN', false]",
            (
                "HSP_OTP_SIGNUP_REGIONS: got a list that contains false, takes comma-separated "
                "ISO 3166-1 alpha-2 codes; it is in 'otp.toml' as signup_regions"
            ),
        ),
    ],
)
def test_values_of_another_type(tmp_path: Path, content: str, says: str) -> None:
    """A value of a type that the setting does not have is told by its type, and by its place."""
    assert refusal(tmp_path, content) == says


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            ["ZQXJ", "'", '"', "=", "[", "]", "{", "}", ",", ".", "\n", "\\", "#", " ", "a", "1"]
        ),
        max_size=12,
    )
)
def test_nothing_of_a_file_is_told(tmp_path: Path, parts: list[str]) -> None:
    """However a file is broken, the line about it repeats nothing that stands in it."""
    (tmp_path / "otp.toml").write_text("".join(parts))
    try:
        read_toml(f"{tmp_path}/otp.toml")
    except ValueError as error:
        assert "ZQXJ" not in str(error)  # noqa: PT017 - it may also be read
