"""Jobs over many processes and hosts: ``tilia.fleet``.

It needs the extra ``fleet``.
"""
