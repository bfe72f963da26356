"""One way each to ask for the same answer. Each runs in a process of its own, which imports nothing of the others."""
