"""Runs a function over many items: in killable worker processes on this machine."""
