"""Records of headless runs: truthful, without secrets, checkable. `run.run_notebook` makes one."""
