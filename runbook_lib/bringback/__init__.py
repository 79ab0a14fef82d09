"""Bring the data back: copy tables back into the damaged cluster, or let the restored cluster take its place."""
