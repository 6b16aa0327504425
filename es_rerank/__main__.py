"""Run the command line as `python -m es_rerank`."""

from es_rerank.cli import main

# Workers import the main module anew, under another name.
if __name__ == "__main__":
    main()
