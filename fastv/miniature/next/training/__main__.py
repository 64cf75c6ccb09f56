from fastv.miniature.next.training.cli import main

main()
