"""The demo's promise, from three seeds: verified rewards add at least 20 points to accuracy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from truing.core.config import read_toml
from truing.grpo.data import load_problems
from truing.grpo.run import resolve_run

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.seeds
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_grpo_adds_twenty_points_to_supervised_training(seed: int, tmp_path: Path) -> None:
    config = ROOT / "examples" / "arithmetic_grpo.toml"
    overrides = [f"seed={seed}", f"output={tmp_path / 'run'}"]
    subprocess.run([sys.executable, "-m", "truing", "train", str(config), *overrides], check=True)
    rows = json.loads((tmp_path / "run" / "summary.json").read_text())["rows"]
    assert [row["label"] for row in rows] == ["before sft", "after sft", "after grpo"]
    before, warm, after = (row["accuracy"] for row in rows)
    assert before < 0.05
    assert after >= warm + 0.20
    resolved = resolve_run(read_toml(tmp_path / "run" / "config.toml"), where="the run's own")
    heldout = {problem.prompt for problem in load_problems(resolved.data).heldout}
    trained = set()
    for segment in (tmp_path / "run").glob("rollouts-*.jsonl"):
        with segment.open() as lines:
            trained |= {json.loads(line)["problem"]["prompt"] for line in lines}
    assert len(heldout) == 512
    assert len(trained) > 4000
    assert not heldout & trained
