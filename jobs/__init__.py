"""Jobs: one file each, each `run(context, options)`; found by the entry-point group `reconcile.jobs`."""
