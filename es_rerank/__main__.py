"""Run the command line as `python -m es_rerank`."""

from es_rerank.cli import main

# Worker processes import this module too, under another name.
if __name__ == "__main__":
    main()
