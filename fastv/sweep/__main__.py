from fastv import threads

threads.configure()

from fastv.sweep.run import main  # noqa: E402 (imports torch)

main()
