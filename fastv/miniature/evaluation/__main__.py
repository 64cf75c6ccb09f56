from fastv import threads

threads.configure()

from fastv.miniature.evaluation.cli import main  # noqa: E402 (imports torch)

main()
