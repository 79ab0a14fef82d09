"""Permissions: what a policy means, what the notebooks need, the policy that grants exactly that."""
