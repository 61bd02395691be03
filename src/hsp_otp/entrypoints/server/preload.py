"""
Freezes loaded objects; imported last by the process from which workers are forked.

The garbage collector then never visits them, so that workers keep sharing their memory.
"""

import gc
import linecache

linecache.clearcache()  # as for a single worker, but before its memory is shared
gc.collect()
gc.freeze()
