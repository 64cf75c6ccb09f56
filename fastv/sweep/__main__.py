from fastv.sweep.run import main

main()
