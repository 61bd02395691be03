"""
Freezes loaded objects; imported last by the process from which workers are forked.

The garbage collector then never visits them, so that workers keep sharing their memory.
"""

import gc

gc.collect()
gc.freeze()
