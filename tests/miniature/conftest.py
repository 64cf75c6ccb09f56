"""Tokenizers that take seconds to train, once for all the tests of a worker."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def processor():
    """The one that ``build_processor`` makes: of the checkpoints that are shipped, see ``model/test_tokenizer.py``."""
    from transformers import AutoProcessor

    from fastv.families.catalogue import find

    return AutoProcessor.from_pretrained(find("mini-7").source)


@pytest.fixture(scope="session")
def next_tokenizer():
    """Of the models in ``miniature.next``, of which no checkpoint is shipped."""
    from fastv.miniature.next.model.tokenizer import build_tokenizer

    return build_tokenizer()
