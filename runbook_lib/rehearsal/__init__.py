"""The stand-in: a local AWS and real MySQL-compatible servers, for rehearsals and tests."""
