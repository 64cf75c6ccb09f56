"""Opens the page that compares a model with and without FastV: ``python app.py``, then the address it prints."""

from __future__ import annotations

import argparse

from fastv.errors import FastVError
from fastv.models.catalogue import DEFAULT
from fastv.models.loading import DTYPES, load
from fastv.ui.page import build, serve
from fastv.ui.shelf import Shelf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", default=DEFAULT, help="a model of the catalogue, a model folder or a hub id")
    parser.add_argument(
        "--dtype", default="auto", choices=DTYPES, help="how weights are held; auto: float32 on CPUs, float16 on GPUs"
    )
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 is everywhere (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument("--share", action="store_true", help="also open a public link, through Gradio's servers")
    arguments = parser.parse_args()
    try:
        loaded = load(arguments.model, arguments.dtype)
    except FastVError as error:
        parser.exit(1, f"{error}\n")
    page = build(Shelf(loaded, arguments.dtype))
    try:
        address = serve(page, host=arguments.host, port=arguments.port, share=arguments.share)
    except OSError as error:
        parser.exit(1, f"The page cannot be served at that address: choose another --host or --port. ({error})\n")
    print(f"Open {address}", flush=True)
    page.block_thread()


if __name__ == "__main__":
    main()
