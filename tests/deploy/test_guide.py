"""Every command of docs/operations.md, in its order, on a machine of its own."""

import os
import re
import textwrap
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.deploy.conftest import ROOT, Machine
from tests.e2e.production import by, number_of, pass_of
from tests.gateway import Gateway
from tests.integration import postgres_server
from tests.integration.redis_server import free_port

GUIDE: Final = (ROOT / "docs" / "operations.md").read_text("utf-8")
BENCH: Final = "bench/growth.py"
STUBS: Final = Path(__file__).with_name("bin")

PATIENCE_SECONDS: Final = 120

API_KEY_ID: Final = "9f86d081884c7d659a2feaa0c55ad015"
"""The id that the guide writes for that of the key it makes."""

SETTINGS: Final = "/etc/hsp-otp/hsp-otp.toml"
HEADING: Final = (
    "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number"
)


def blocks() -> list[str]:
    """The pieces of shell."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", GUIDE, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(text) for _, text in found]


def fill_in(machine: Machine, printed: str, **values: str) -> None:
    """Do what the guide says of the file of settings."""
    text = machine.run(f"cat {SETTINGS}")
    lines = dict(re.findall(r"^HSP_OTP_(\w+)=(.*)$", printed, re.MULTILINE))
    for name, value in (lines | values).items():
        line = f'{name.lower()} = "{value}"'
        text, count = re.subn(rf"^{name.lower()} = .*$", line, text, flags=re.MULTILINE)
        text += "" if count else f"{line}\n"
    machine.run(f"cat > {SETTINGS} <<'END'\n{text}\nEND")


def sign_in(machine: Machine, gateway: Gateway, origin: str, person: int) -> None:
    """Somebody signs in through the service that the guide has set up."""
    asked = f"curl -fsS {origin}/customer/{{}}/ -H 'X-Forwarded-For: 10.0.0.{person}' --json"
    told = f'"pass_code": "{pass_of(person)}"'
    machine.run(f"{asked.format('send-otp')} '{{{told}}}'")
    code = gateway.to(number_of(person))[-1].code
    answer = machine.run(f'{asked.format("verify-otp")} \'{{{told}, "otp": "{code}"}}\'')
    assert '"success":true' in answer


@pytest.mark.timeout(600)
def test_the_commands_of_the_guide(checkout: Path, public: Path) -> None:
    """From a bare machine to a service that signs in, is restored, rotated and upgraded."""
    binaries = postgres_server.found().folder
    log = public / "docker"
    with postgres_server.Server("fsync=on") as postgres, Gateway() as gateway:
        postgres.folder.chmod(0o755)
        port = free_port()
        origin = f"http://127.0.0.1:{port}"
        path = f"{STUBS}:{postgres.binaries.folder}:{binaries}:{os.environ['PATH']}"
        given = {"PGHOST": str(postgres.folder), "PGUSER": "postgres", "DOCKER_LOG": str(log)}
        with Machine(public, PATH=path, **given) as machine:
            served = False
            key_id = ""
            for block in blocks():
                if BENCH in block:
                    continue  # below
                if "VACUUM INTO" in block:
                    url = "HSP_OTP_DATABASE_URL=sqlite+aiosqlite:////var/lib/hsp-otp/hsp-otp.db"
                    machine.run(f"sudo -u hsp-otp {url} /opt/hsp-otp/bin/hsp-otp db upgrade")
                here = block.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
                here = here.replace("/var/run/postgresql", str(postgres.folder))
                here = here.replace(API_KEY_ID, key_id)
                # A machine that others use too takes longer to start a server.
                here = here.replace("--retry 20 ", f"--retry {PATIENCE_SECONDS} ")
                printed = machine.run(here, cwd=checkout)
                if made := re.match(r"hspotp_(\w{32})_", printed):
                    key_id = made[1]
                if SETTINGS in block and "hsp-otp keys new" in block:
                    fill_in(
                        machine,
                        printed,
                        PORT=str(port),
                        PUBLIC_URL="https://otp.example.com",
                        DATABASE_URL="postgresql+asyncpg://hsp-otp@/hsp-otp?host="
                        + str(postgres.folder),
                        **{
                            name: value
                            for name, value in by(twilio=gateway).items()
                            if name != "SENDERS"
                        },
                    )
                if "enable --now" in block:
                    rows = (
                        f"{pass_of(n)},paid,Gold,,u{n}@example.com,A,B,{number_of(n)}"
                        for n in range(3)
                    )
                    machine.run(
                        "\n".join([f"cat > {public}/passes.csv <<'END'", HEADING, *rows, "END"])
                        + f"\nsudo -u hsp-otp HSP_OTP_CONFIG={SETTINGS} /opt/hsp-otp/bin/hsp-otp "
                        + f"passes import {public}/passes.csv"
                    )
                    sign_in(machine, gateway, origin, 0)
                    served = True
            assert served
            assert key_id
            told = machine.run(
                f"sudo -u hsp-otp HSP_OTP_CONFIG={SETTINGS} /opt/hsp-otp/bin/hsp-otp doctor || true"
            )
            assert "with the newest schema" in told
            assert "the service's user" not in told
            assert "other users may" not in told
            for backup in ("hsp-otp.dump", "hsp-otp-keys.tar.gz", "/var/lib/hsp-otp/copy.db"):
                assert machine.run(f"stat -c %a {backup}", cwd=checkout) == "600\n"
            patiently = f"--retry {PATIENCE_SECONDS} --retry-delay 1 --retry-connrefused"
            machine.run(f"curl -fsS {patiently} {origin}/readyz")
            sign_in(machine, gateway, origin, 1)
            machine.run("sudo systemctl stop hsp-otp.service")
            assert "Traceback" not in machine.run("cat /var/log/hsp-otp.service")
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    asked = log.read_text().splitlines()
    assert asked[0] == "compose build hsp-otp"
    assert asked[1].split()[-4:] == [
        services["hsp-otp"]["image"],
        "keys",
        "new",
        "/etc/hsp-otp/keys",
    ]
    assert asked[2:] == ["compose up -d", "compose run --rm purge"]
    assert services["purge"]["command"] == ["purge"]
