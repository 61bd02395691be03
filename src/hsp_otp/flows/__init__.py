"""One file per journey: gather the facts, make one transition, act on its outcome."""
