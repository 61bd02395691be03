"""
Say in one line if the packages of pip, npm or apt cannot be reached, and exit with status 1.

The tools themselves would try for a minute. It only opens a connection, to the place or the proxy
that the tool is configured with, and passes if it cannot tell. It needs nothing but Python.
"""

# ruff: noqa: INP001, T201, S603 - a script that prints, and runs the tools

import ast
import ensurepip
import importlib.util
import socket
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SECONDS = 4

PORTS = {"http": 80, "https": 443}

USUAL_INDEX = """
import sys
sys.path[:0] = sys.argv[1:]
from pip._internal.models.index import PyPI
print(PyPI.simple_url)
"""
"""Prints the index that pip uses unless it is configured with another."""


def output(*command: str) -> str:
    """Return what a command prints; nothing if it fails or does not exist."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def pip() -> tuple[str, str]:
    """Return pip's index and proxy, from its own configuration."""
    command, path = ["-m", "pip"], list[str]()
    if importlib.util.find_spec("pip") is None:
        # The one that every new environment gets.
        bundled = Path(ensurepip.__file__).with_name("_bundled")
        shared = Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or "/usr/share/python-wheels")
        wheels = [*bundled.glob("pip-*.whl"), *shared.glob("pip-*.whl")]
        if not wheels:
            return "", ""
        command, path = [f"{wheels[0]}/pip"], [str(wheels[0])]
    lines = output(sys.executable, *command, "config", "list").splitlines()
    told = {
        name: str(ast.literal_eval(value)) for name, _, value in (x.partition("=") for x in lines)
    }

    def setting(name: str) -> str:
        found = (told.get(f"{place}.{name}") for place in (":env:", "install", "global"))
        return next((one for one in found if one), "")

    if setting("no-index"):
        return "", ""
    usual = output(sys.executable, "-c", USUAL_INDEX, *path)
    return setting("index-url") or usual, setting("proxy")


def npm() -> tuple[str, str]:
    """Return npm's registry and proxy."""
    proxy = output("npm", "config", "get", "https-proxy")
    return output("npm", "config", "get", "registry"), "" if proxy == "null" else proxy


def apt() -> tuple[str, str]:
    """Return the first place that apt loads lists from, and its proxy."""
    sites = output("apt-get", "indextargets", "--format", "$(SITE)").split()
    _, _, proxy = output("apt-config", "shell", "PROXY", "Acquire::http::Proxy").partition("=")
    return next(iter(sites), ""), proxy.strip("'")


def trouble(url: str, proxy: str) -> str:
    """Return why *url* cannot be reached; nothing if it can, or if that is not known."""
    to = urlsplit(url)
    if to.scheme not in PORTS or not to.hostname:
        return ""
    if not proxy and not proxy_bypass(to.hostname):
        proxy = getproxies().get(to.scheme, "")
    if proxy and proxy != "DIRECT":
        to = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    host, port = to.hostname or "", to.port or PORTS.get(to.scheme, PORTS["http"])
    told = [f"no answer within {SECONDS} seconds"]

    def connect() -> None:
        try:
            socket.create_connection((host, port), SECONDS).close()
            told[0] = ""
        except TimeoutError:
            pass
        except OSError as error:
            told[0] = error.strerror or str(error)

    # In a thread of its own, because nothing limits the time to look up a name.
    connecting = threading.Thread(target=connect, daemon=True)
    connecting.start()
    connecting.join(SECONDS)
    return f"{host}:{port}: {told[0]}" if told[0] else ""


if __name__ == "__main__":
    found = trouble(*{"pip": pip, "npm": npm, "apt": apt}[sys.argv[1]]())
    if found:
        print(f"{sys.argv[1]} cannot reach {found}")
        sys.exit(1)
