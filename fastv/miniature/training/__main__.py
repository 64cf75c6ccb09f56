from fastv.miniature.training.cli import main

main()
