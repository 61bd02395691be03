"""
Play people and attackers against the rules of the guard, and count dollars and refusals.

Run it as ``PYTHONPATH=. .venv/bin/python -m bench.pumping [--only TEXT] [--keep]``. The rules are
those of the service, over dictionaries: the limits on sends, the guard's verdict, what an admitted
message is charged to, what a right code pays back, and the caps. A week of people comes first, so
that the guard knows what is usual. Then come the days that count, with an attack or without one.

People ask and enter the code, or do not; they ask again if nothing arrives, and try again for a
quarter of an hour if they are refused. Attackers do all work that they are asked for. Nothing is
sent, stored or delayed. Scenes with the same first week share it.

``--only`` plays the scenes whose name contains TEXT. ``--keep`` writes them into
``bench/results/pumping.json``, beside the others that it has, and draws ``docs/fraud.svg`` of all.
"""

# ruff: noqa: INP001, T201 - a script that prints

import argparse
import json
import multiprocessing
import time
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from bench.pumping.play import Play, Result, Scene
from bench.pumping.report import picture, row, table
from bench.pumping.scenes import SCENES

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE.parent / "results" / "pumping.json"
PICTURE: Final = HERE.parents[1] / "docs" / "fraud.svg"

_FORK = multiprocessing.get_context("fork")


def main() -> None:
    """Play, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="play scenes whose name contains this")
    parser.add_argument("--keep", action="store_true", help="write the results and the picture")
    given = parser.parse_args()
    chosen = sorted(
        (scene for scene in SCENES if given.only in scene.name), key=lambda one: repr(one.warm_up)
    )
    found = dict[str, dict[str, Any]]()
    for _, scenes in groupby(chosen, key=lambda one: repr(one.warm_up)):
        for name, one in _play_all(list(scenes)):
            found[name] = one
            print(json.dumps({"scene": name} | one), flush=True)
    rows = {scene.name: found[scene.name] for scene in SCENES if scene.name in found}
    print(table(rows))
    if given.keep:
        kept: dict[str, dict[str, Any]] = (
            json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        )
        kept = {
            scene.name: (kept | rows)[scene.name] for scene in SCENES if scene.name in kept | rows
        }
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        PICTURE.write_text(picture(kept))


def _play_all(scenes: list[Scene]) -> list[tuple[str, dict[str, Any]]]:
    """Play scenes of one warm-up, each in a process that begins with a copy of its end."""
    play = Play(scenes[0])
    play.warm_up()
    return [(scene.name, _in_a_copy(play, scene)) for scene in scenes]


def _in_a_copy(play: Play, scene: Scene) -> dict[str, Any]:
    ours, theirs = _FORK.Pipe(duplex=False)

    def run() -> None:
        began = time.process_time()
        result: Result = play.run(scene)
        theirs.send(row(result) | {"cpu_seconds": round(time.process_time() - began)})

    process = _FORK.Process(target=run)
    process.start()
    theirs.close()
    found: dict[str, Any] = ours.recv()
    process.join()
    return found


if __name__ == "__main__":
    main()
