"""
Imported last by the process that workers are copies of, once it has loaded the program.

What it has loaded is never looked through for garbage, so that workers go on sharing it.
"""

import gc

gc.collect()
gc.freeze()
