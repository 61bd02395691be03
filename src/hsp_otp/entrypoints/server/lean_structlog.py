"""
Loads structlog without Rich; imported before anything that imports structlog.

structlog loads Rich where it finds it, which takes 4 MB, to draw tracebacks. The log never contains
any: a line tells the types and places of exceptions only.
"""

import sys
from typing import Any, cast

_modules = cast("dict[str, Any]", sys.modules)
if "rich" not in _modules:
    _modules["rich"] = None  # makes its import fail, as if it were not installed
    import structlog as structlog  # noqa: PLC0414 - for what importing it does

    del _modules["rich"]
