"""Math-Verify over rows from standard input; run as a script by a Python that has it.

Stands alone: that Python need not have truing. Bare answers are put in a box, as its users do.
"""

import json
import sys
import time
from importlib import import_module
from typing import Any


def main() -> int:
    """One line out for each line in: whether it accepts, and its CPU seconds."""
    peer = import_module("math_verify")

    def read(text: str, form: str) -> list[Any]:
        if form in ("latex", "expr"):
            text = "\\boxed{" + text + "}"
        parsed: list[Any] = peer.parse(text)
        return parsed

    for line in sys.stdin:
        row = json.loads(line)
        started = time.process_time()
        try:
            gold = read(row["gold"], row["gold_format"])
            accepted = bool(peer.verify(gold, read(row["pred"], row["pred_format"])))
        except Exception:  # noqa: BLE001 - whatever it raises, it has not accepted
            accepted = False
        spent = time.process_time() - started
        print(json.dumps({"accepted": accepted, "cpu": spent}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
