"""``registry demo``: what a registry is for, tried on one that runs.

`image` makes the content, `client` speaks HTTP, `walk` does one thing after the other and checks
each, `report` prints it, `command` is the command line.
"""
