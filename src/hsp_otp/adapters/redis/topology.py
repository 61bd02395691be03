"""Redis topology. A module of its own, so that naming it loads no library."""

from enum import Enum


class Topology(Enum):
    """How the servers hang together."""

    STANDALONE = "standalone"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"
