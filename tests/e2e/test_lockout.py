"""The play of `bench/lockout.py` over the application as it is served, with SQLite."""

from bench.lockout import Attack, Scene, play, play_over_sqlite, results


def test_stores_agree_on_who_gets_in() -> None:
    """Owners and vandals get the same answers as over memory, and known devices sign in at once."""
    scene = Scene(owners=4, days=2, networks=2, attack=Attack.BOTH)
    found = results(play_over_sqlite(scene))
    assert found == results(play(scene))
    assert found["known"]["at_once"] == 1
