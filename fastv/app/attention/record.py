"""Records the examples that the Attention tab opens with.

    python -m fastv.app.attention.record mini-13

Into assets/examples/attention/<model>.json.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastv.app.attention.recorded import FIRST, FOLDER, QUESTION, SCENE
from fastv.app.attention.scene_things import things_of
from fastv.app.service.attention import ANSWER_TOKENS
from fastv.evidence.measurements import fingerprint
from fastv.loading.load import LoadedModel, load
from fastv.measurement.attention_map import attention_map
from fastv.measurement.prompt import prompt_of
from fastv.miniature.world.scenes import scene
from fastv.presentation.attention_payload import attention_payload


def payload(loaded: LoadedModel) -> dict[str, Any]:
    """What the page draws of the example, read anew."""
    prompt = prompt_of(loaded, scene(SCENE, held_out=True).picture, QUESTION, answer_tokens=ANSWER_TOKENS)
    found = attention_map(loaded, prompt, max_new_tokens=ANSWER_TOKENS, per_head=[prompt.tokens - 1])
    return attention_payload(found, loaded, QUESTION, things_of(SCENE, prompt.visual_tokens))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=FIRST, help="a miniature's name")
    model = parser.parse_args().model
    loaded = load(model)
    made = {
        "command": f"python -m fastv.app.attention.record {model}",
        "date": datetime.now(UTC).date().isoformat(),
        "weights": fingerprint(Path(loaded.entry.source)),
        "scene": SCENE,
        "payload": payload(loaded),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{model}.json"
    path.write_text(json.dumps(made) + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
