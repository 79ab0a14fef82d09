"""Which schemas there are, what they should hold, what each of them is, and what may go.

Nothing is imported here: `runbook dump` needs a part of it only, and starts at once.
"""
