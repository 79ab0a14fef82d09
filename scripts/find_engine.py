"""Say which database engines this machine has: exit 0 with their names, 1 with what to do where there is none.

Exit 2: the environment variable that names one is wrong, so that getting another would not help.
"""

import sys

from runbook_lib.errors import InputRefused
from runbook_lib.rehearsal.engines import choose_engine, find_engines

try:
    found = find_engines()
except InputRefused as error:
    print(*error.lines(), sep="\n", file=sys.stderr)
    sys.exit(2)
try:
    choose_engine()
except InputRefused as error:
    print(*error.lines(), sep="\n", file=sys.stderr)
    sys.exit(1)
print(", ".join(engine.title for engine in found))
