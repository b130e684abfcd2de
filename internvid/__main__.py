"""`python -m internvid` is the command line."""

from internvid.cli.app import run

if __name__ == "__main__":
    run()
