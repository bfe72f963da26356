"""Instructions of a call, counted by Valgrind's ``callgrind``.

They repeat to a few thousandths on a busy machine, where a clock tells nothing.
"""
