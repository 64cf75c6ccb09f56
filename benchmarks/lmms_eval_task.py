"""lmms-eval's own command with the model ``fastv`` on a small local task, at several budgets.

    python benchmarks/lmms_eval_task.py --output benchmarks/measured/lmms_eval.json

Needs an environment with the extra ``lmms-eval``. Each run is a process of its own, one after the other; what it
printed last is kept beside what it wrote. It shows that the plug-in works, not how good a model is: the task asks one
question of drawn scenes, and times are means over single passes, the first and slow one included.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch

from fastv.measurement.machine import Machine
from tests.support.lmms_eval_task import write_task

RUNS = ("method=none", "method=fastv,k=2,r=0.5", "method=fastv,k=2,r=0.9", "method=random,k=2,r=0.9")


def run(folder: Path, arguments: str) -> dict[str, Any]:
    """One evaluation: its command, scores and throughput, and the end of what it printed."""
    command = ["lmms-eval", "eval", "--model", "fastv", "--model_args", f"pretrained=mini-7,{arguments}"]
    command += ["--tasks", "scenes", "--batch_size", "1", "--include_path", str(folder)]
    output = folder / re.sub(r"\W+", "-", arguments)
    module = [sys.executable, "-m", "lmms_eval", *command[1:]]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [*module, "--output_path", str(output), "--log_samples"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} failed:\n{done.stderr[-3000:]}")
    (found,) = output.rglob("*_results.json")
    result = json.loads(found.read_text())
    printed = done.stdout[done.stdout.index("|Tasks") :].rstrip() if "|Tasks" in done.stdout else ""
    return {
        "command": shlex.join(command).replace(str(folder), "FOLDER"),
        "model_args": arguments,
        "scores": {name: value for name, value in result["results"]["scenes"].items() if name == "right,none"},
        "throughput": result["throughput"],
        "printed": printed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_task(Path(folder), scenes=range(1, 1 + arguments.scenes))
        runs = [run(Path(folder), one) for one in RUNS]
    record = {
        "command": shlex.join(["python", "benchmarks/lmms_eval_task.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "lmms_eval": version("lmms-eval"),
        "machine": asdict(Machine.here(torch.device("cpu"))),
        "scenes": arguments.scenes,
        "runs": runs,
    }
    arguments.output.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
