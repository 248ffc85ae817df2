"""How a lane process collects garbage: seldom, and never what was there when it began.

Reference counting frees nearly all that a scan makes. The collector, at its usual thresholds, took an eighth of a busy lane
process's time, and each full collection walked every module that Ray loads: tens of milliseconds in which no lane decides.
"""

import atexit
import gc

YOUNG = 20_000  # containers made and not yet freed, before the young ones are looked at; usually 700
MIDDLE = 20
OLD = 50


def collect_seldom() -> None:
    """Call once, when the process has loaded everything and before it serves anybody. Cycles made later are still found."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # libraries in C complain of what is never freed
    gc.set_threshold(YOUNG, MIDDLE, OLD)
