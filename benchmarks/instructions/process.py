"""The process that is counted, which takes orders by its input.

``python -m benchmarks.instructions.process SUBJECT URL``
"""

from __future__ import annotations

import gc
import sys

from benchmarks.instructions.callgrind import DONE
from benchmarks.instructions.subjects import SUBJECTS


def main(name: str, url: str) -> None:
    subject = SUBJECTS[name]
    with subject.opened(url) as work:
        work(max(1, subject.calls // 4))
        # What it has by now is no garbage, and is looked through no more.
        gc.collect()
        gc.freeze()
        print(DONE, flush=True)
        for order in sys.stdin:
            work(int(order))
            print(DONE, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
