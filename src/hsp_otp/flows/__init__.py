"""The journeys, one per file: gather the facts, make one transition, act on its outcome."""
