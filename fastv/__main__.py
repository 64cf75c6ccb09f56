"""``python -m fastv`` is the command ``fastv``."""

from fastv.cli.main import main

main()
