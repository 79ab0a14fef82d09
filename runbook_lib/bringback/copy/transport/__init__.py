"""Rows travel from the restored server to the damaged one."""
