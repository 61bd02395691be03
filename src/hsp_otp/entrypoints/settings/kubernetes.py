"""
The variables that Kubernetes sets in every container for each Service in the namespace.

Those of a Service whose name begins with ``hsp-otp`` look like settings: ``HSP_OTP_SERVICE_HOST``,
``HSP_OTP_PORT=tcp://10.0.0.1:8000``, ``HSP_OTP_PORT_8000_TCP_ADDR``.
"""

import re
from ipaddress import ip_address
from typing import Final

HOW_TO_STOP_IT: Final = "set enableServiceLinks: false for the pod, or rename the Service"

_PORT: Final = "[1-9][0-9]{0,4}"

_ADDRESS_NAME: Final = re.compile(rf".*_(SERVICE_HOST|PORT_{_PORT}_(TCP|UDP|SCTP)_ADDR)")
_SERVICE_PORT_NAME: Final = re.compile(r".*_SERVICE_PORT(_[A-Z0-9_]+)?")
_LINK_NAME: Final = re.compile(rf".*_PORT(_(?P<port>{_PORT})_(?P<protocol>TCP|UDP|SCTP))?")
_PART_NAME: Final = re.compile(
    rf".*_PORT_(?P<port>{_PORT})_(?P<protocol>TCP|UDP|SCTP)_(?P<part>PORT|PROTO)"
)
_LINK: Final = re.compile(
    rf"(?P<protocol>tcp|udp|sctp)://(\[(?P<v6>[^]]+)\]|(?P<v4>[^]:]+)):(?P<port>{_PORT})"
)


def is_service_variable(name: str, value: str) -> bool:
    """
    Return whether a variable has the name and the value of one that Kubernetes sets for a Service.

    The name is not enough, because ``HSP_OTP_PORT`` is also a setting.
    """
    if _ADDRESS_NAME.fullmatch(name):
        return _is_address(value)
    if _SERVICE_PORT_NAME.fullmatch(name) and re.fullmatch(_PORT, value):
        return True
    if found := _PART_NAME.fullmatch(name):
        return value == (found["port"] if found["part"] == "PORT" else found["protocol"].lower())
    found = _LINK_NAME.fullmatch(name)
    return found is not None and _is_link(value, found["port"], found["protocol"])


def _is_link(value: str, port: str | None, protocol: str | None) -> bool:
    link = _LINK.fullmatch(value)
    return (
        link is not None
        and _is_address(link["v6"] or link["v4"])
        and port in {None, link["port"]}
        and (protocol is None or protocol.lower() == link["protocol"])
    )


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True
