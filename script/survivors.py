"""
Compare the survivors of a run of mutmut with ``docs/mutants.md``; `script/mutants` calls it.

A mutant is identified by its function and the lines that it changes, so it may move in the file.
"""

# ruff: noqa: INP001, S603, T201 - a script that prints, and runs a program beside its interpreter

import re
import subprocess
import sys
from pathlib import Path

LIST = Path("docs/mutants.md")
MUTMUT = Path(sys.executable).with_name("mutmut")


def mutmut(*arguments: str) -> list[str]:
    """Run a command of mutmut, and return the lines that it prints."""
    ran = subprocess.run([MUTMUT, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return ran.stdout.splitlines()


def described(name: str) -> str:
    """Describe a mutant as in the list: its function and the lines that it changes."""
    # hsp_otp.domain.code.x_derive__mutmut_5, or hsp_otp.domain.code.xǁCodeǁparse__mutmut_7
    function = re.sub(r"\.x[_ǁ]", ".", name.removeprefix("hsp_otp.").partition("__mutmut_")[0])
    changed = [
        f"{line[0]} {line[1:].strip()}\n"
        for line in mutmut("show", name)
        if re.match(r"[+-](?!--|\+\+)", line)
    ]
    return f"@@ {function.replace('ǁ', '.')} @@\n{''.join(changed)}"


def main() -> None:
    """Print differences between the list and the survivors, and exit with 1 if there are any."""
    verdicts = dict(line.strip().split(": ") for line in mutmut("results", "--all", "true"))
    survivors = {
        described(name): verdict
        for name, verdict in verdicts.items()
        if verdict not in {"killed", "timeout"}
    }
    listed = set(re.findall(r"```diff\n(.*?)```", LIST.read_text("utf-8"), re.DOTALL))
    for mutant in survivors.keys() - listed:
        print(f"{survivors[mutant]}, but not in {LIST}:\n\n{mutant}", file=sys.stderr)
    for mutant in listed - survivors.keys():
        print(f"in {LIST}, but no longer a survivor:\n\n{mutant}", file=sys.stderr)
    print(f"{len(verdicts)} mutants, {len(survivors)} not killed, {len(listed)} listed")
    sys.exit(not verdicts or survivors.keys() != listed)


main()
