"""A load that cannot wipe: what an account or a job could destroy of live data, said before it runs."""
