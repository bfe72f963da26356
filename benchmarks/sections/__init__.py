"""One thing each that is measured: a module with a function ``measure`` from a :class:`Stage` to a :class:`Section`."""
