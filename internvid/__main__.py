"""`python -m internvid` is the command line."""

from internvid.cli import run

if __name__ == "__main__":
    run()
