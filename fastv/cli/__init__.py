"""The command line: ``fastv`` and ``python -m fastv``. One module per subcommand, listed in ``registry``."""
