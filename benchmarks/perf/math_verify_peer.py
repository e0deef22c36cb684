"""Math-Verify over rows from standard input; run as a script by a Python that has it.

Stands alone: that Python need not have truing. Bare answers are put in a box, as its users do.
"""

import json
import sys
import time


def main() -> int:
    """One line out for each line in: whether it accepts, and its CPU seconds."""
    from math_verify import parse

    def read(text: str, form: str):  # type: ignore[no-untyped-def]
        if form in ("latex", "expr"):
            text = "\\boxed{" + text + "}"
        return parse(text)

    read("1", "latex")
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
