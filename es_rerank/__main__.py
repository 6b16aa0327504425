"""Run the command line as `python -m es_rerank`."""

from es_rerank.cli import main

main()
