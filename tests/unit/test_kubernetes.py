"""Variables that Kubernetes sets for Services, which look like settings: docs/contract.md, 9."""

import pytest

from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.settings.kubernetes import is_service_variable
from hsp_otp.entrypoints.settings.load import described, load, passed_over

ADDRESSES = ["10.0.0.1", "fd00::1"]


def service(name: str, address: str, port: int, protocol: str, port_name: str) -> dict[str, str]:
    """What the kubelet sets for a Service with one port that has a name."""
    host = f"[{address}]" if ":" in address else address
    at = f"{protocol.lower()}://{host}:{port}"
    return {
        f"{name}_SERVICE_HOST": address,
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_SERVICE_PORT_{port_name}": str(port),
        f"{name}_PORT": at,
        f"{name}_PORT_{port}_{protocol}": at,
        f"{name}_PORT_{port}_{protocol}_PROTO": protocol.lower(),
        f"{name}_PORT_{port}_{protocol}_PORT": str(port),
        f"{name}_PORT_{port}_{protocol}_ADDR": address,
    }


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
@pytest.mark.parametrize(
    "name",
    [
        "HSP_OTP",
        "HSP_OTP_METRICS",
        "HSP_OTP_REDIS",
        "HSP_OTP__2",
        "HSP_OTP_PORT",
        "HSP_OTP_SERVICE",
    ],
)
def test_variables_of_a_service_are_passed_over(name: str, protocol: str, address: str) -> None:
    """No variable that Kubernetes sets for a Service is a setting, whatever the Service's name."""
    given = service(name, address, 8000, protocol, "HTTP_8000")
    assert [one for one, value in given.items() if not is_service_variable(one, value)] == []
    assert load(given | {"HSP_OTP_CODE_DIGITS": "8"}) == load({"HSP_OTP_CODE_DIGITS": "8"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HSP_OTP_PROT", "tcp://10.0.0.1:8000"),
        ("HSP_OTP_PROT", "8000"),
        ("HSP_OTP_SERVICE_HOST", "otp.example.com"),
        ("HSP_OTP_SERVICE_HOST", ""),
        ("HSP_OTP_SERVICE_HOSTS", "10.0.0.1"),
        ("HSP_OTP_SERVICE_PORT", "http"),
        ("HSP_OTP_SERVICE_PORT", "0"),
        ("HSP_OTP_SERVICE_PROT", "8000"),
        ("HSP_OTP_PORTS", "tcp://10.0.0.1:8000"),
        ("HSP_OTP_PORT_8000", "tcp://10.0.0.1:8000"),
        ("HSP_OTP_PORT_8000_TCP", "tcp://10.0.0.1:8001"),
        ("HSP_OTP_PORT_8000_TCP", "udp://10.0.0.1:8000"),
        ("HSP_OTP_PORT_8000_TCP", "tcp://otp.example.com:8000"),
        ("HSP_OTP_PORT_8000_HTTP", "http://10.0.0.1:8000"),
        ("HSP_OTP_PORT_8000_TCP_PROTO", "udp"),
        ("HSP_OTP_PORT_8000_TCP_PORT", "8001"),
        ("HSP_OTP_PORT_8000_TCP_ADDR", "here"),
        ("HSP_OTP_PORT_8000_TCP_ADDRESS", "10.0.0.1"),
    ],
)
def test_a_typo_still_stops_the_start(name: str, value: str) -> None:
    """What has not the name and the value of a Service's variable is an unknown setting."""
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    assert str(caught.value) == f"{name}: there is no such setting; see hsp-otp settings"


@pytest.mark.parametrize(
    "value",
    [
        "tcp://10.0.0.1",
        "tcp://otp.example.com:8000",
        "http://10.0.0.1:8000",
        "tcp://fd00::1:8000",
        "tcp://10.0.0.1:8000/",
        "TCP://10.0.0.1:8000",
    ],
)
def test_a_port_of_another_shape_is_refused(value: str) -> None:
    """A port that Kubernetes would not write is somebody's mistake."""
    with pytest.raises(SettingsError, match=r"^HSP_OTP_PORT: got .*, takes a whole number"):
        load({"HSP_OTP_PORT": value})


def test_a_shadowed_setting_is_told() -> None:
    """A setting whose name Kubernetes takes has its default, and one line says so."""
    given = {
        **service("HSP_OTP", "10.0.0.1", 9000, "TCP", "HTTP"),
        **service("HSP_OTP_METRICS", "10.0.0.2", 9464, "UDP", "METRICS"),
    }
    settings = load(given)
    assert (settings.port, settings.metrics_port) == (8000, None)
    assert passed_over(given) == (
        "HSP_OTP_METRICS_PORT and HSP_OTP_PORT: set by Kubernetes for a Service, and ignored"
    )
    assert passed_over(service("HSP_OTP_REDIS", "10.0.0.3", 6379, "TCP", "REDIS")) == ""
    assert passed_over({"HSP_OTP_PORT": "8001"}) == ""


def test_no_other_setting_is_called_like_a_service() -> None:
    """Only ports are shadowed: no other setting has a name and a value that Kubernetes gives."""
    values = ("10.0.0.1", "8000", "tcp", "tcp://10.0.0.1:8000")
    shadowed = {
        name
        for name, *_ in described()
        if any(is_service_variable(name, value) for value in values)
    }
    assert shadowed == {"HSP_OTP_PORT", "HSP_OTP_METRICS_PORT"}
