"""Jobs: one file each, each `run(context, options, report)`; found by the entry-point group `reconcile.jobs`."""
