"""The clean-up of snapshots: which may go, and their deletion by an approved plan."""
