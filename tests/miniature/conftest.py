"""What takes seconds to make, once for all the tests of a worker."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def processor():
    """The one that ``build_processor`` makes: of the checkpoints that are shipped, see ``model/test_tokenizer.py``."""
    from transformers import AutoProcessor

    from fastv.families.catalogue import find

    return AutoProcessor.from_pretrained(find("mini-7").source)
