"""What lmms-eval reads when it starts: the model's name and where its class is. Imports no torch by itself."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """The ``lmms_eval.models.registry_v2.ModelManifest`` of the model ``fastv``."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="fastv", chat_class_path="fastv.integrations.lmms_eval.model.FastVModel")
