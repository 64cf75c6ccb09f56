"""How the threads of one matrix product wait for each other, set before torch is imported.

OpenMP's threads spin while they wait. On a machine with a core for each that is the fastest way; next to another busy
program a thread spins for a partner that has no core to run on, and a first token can take more than ten times as long.
``benchmarks/contention.py`` measures the policies below, with and without such a neighbour.

This module imports nothing heavy: the runtime reads its settings once, when torch is loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping

#: By name, the environment of each policy. GOMP_* is for GNU's runtime (torch's wheels for Linux), KMP_* for LLVM's and
#: Intel's (macOS, Windows, conda); KMP_BLOCKTIME is in milliseconds.
POLICIES: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"},
    "spin-1000": {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"},
    "spin-10000": {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "0"},
    "spin-50000": {"GOMP_SPINCOUNT": "50000", "KMP_BLOCKTIME": "1"},
    "spin-200000": {"GOMP_SPINCOUNT": "200000", "KMP_BLOCKTIME": "1"},
}
#: The policy in use: the choice follows from the table that ``benchmarks/contention.py`` prints.
POLICY = "spin-1000"


def configure(environment: MutableMapping[str, str] | None = None, policy: str = POLICY) -> bool:
    """Sets the policy for this process and the processes it starts. Call it before torch is imported.

    Parameters
    ----------
    environment : by default the process's own. Where it names a policy of OpenMP's already, that one stays.
    policy : a key of ``POLICIES``.

    Returns
    -------
    bool
        Whether the policy was set: False where the environment has one, or where torch is loaded already.
    """
    environment = os.environ if environment is None else environment
    settings = POLICIES[policy]
    if "torch" in sys.modules or any(name in environment for one in POLICIES.values() for name in one):
        return False
    environment.update(settings)
    return True
