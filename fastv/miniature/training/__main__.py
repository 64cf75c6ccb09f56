from fastv import threads

threads.configure()

from fastv.miniature.training.cli import main  # noqa: E402 (imports torch)

main()
