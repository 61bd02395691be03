"""The Redis topologies. A separate module, so that importing it loads no library."""

from enum import Enum


class Topology(Enum):
    """The arrangement of the Redis servers."""

    STANDALONE = "standalone"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"
