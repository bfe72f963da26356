"""Contenders: one way each to ask for the same answer, as a careful user of the library would write it.

Each runs in a process of its own, which imports nothing of the others. A module has ``contender`` (GETs on an event
loop), ``posting`` (POSTs of a JSON body there) or ``blocking`` (GETs of threads), or several of them; its docstring
says in one line how it is written.
"""
