"""The library behind the command line: one typed function for each command.

`internvid` exports these functions; the command line parses arguments, calls them and prints what
they return.
"""
