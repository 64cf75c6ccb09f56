from fastv.miniature.evaluation.cli import main

main()
