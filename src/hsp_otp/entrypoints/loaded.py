"""
What workers are copies of: importing it makes a process that has loaded the program.

What it has loaded is never looked through for garbage, so that workers go on sharing it.
"""

import gc
import signal

from hsp_otp.entrypoints.serving import HELD_BACK

gc.collect()
gc.freeze()
signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
