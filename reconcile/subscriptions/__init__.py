"""Keeping webhook subscriptions as the configuration wants them.

plan.py      the words of a plan
compare.py   what is wanted × what the provider has → a plan   (pure)
pruning.py   which of ours nothing needs once it is done        (pure)
making.py    making one, also when nobody hears whether it was made
mending.py   carrying out a plan under a lease, each change with its record and its incident in one commit
overview.py  every source, looked at and not changed
source.py    one source: list, compare, and (unless it is a dry run) mend
"""
