"""Runs drawn at random end as a small model of their own says, whatever their cells print, show or do.

The model knows nothing of kernels and messages: it walks over what each cell is made to do. A dozen runs are drawn each
time, others every time; RUNBOOK_ENDINGS=200 draws as many, and prints what plain papermill says of the same notebooks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import FILES, Store
from runbook_lib.records.verify import verify_record
from tests.records_support import plain_papermill, states, write_notebook

SHOW = "display({'application/json': {'runbook_result': %s}, 'text/plain': 'r'}, raw=True)"


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a cell does. `ends` is how the run ends in it: an exit code, or None where it goes on.

    `state` is the cell's, `result` the exit code that a result shown by the last cell stands for.
    """

    source: str
    state: str = "completed"
    ends: int | None = None
    result: int | None = None


QUIET = [
    Act(source="x = 1"),
    Act(source="for n in range(2000): print('line', n)"),
    Act(source="print('p' * 3_000_000)"),
    Act(source="print('password=' * 3000)"),
    Act(source="import sys\nsys.stderr.write('trouble\\n' * 500)"),
    Act(source="from IPython.display import HTML\nfor n in range(700): display(HTML('<b>x</b>'))"),
    Act(source="from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('kept')"),
    Act(source="print('\\ud800')"),
    Act(source="import threading\nthreading.Thread(target=lambda: 1 / 0).start()"),
    Act(source="import os\npid = os.fork()\nif not pid:\n    os._exit(3)\nos.waitpid(pid, 0)[1]"),
    Act(source="try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(error)"),
    Act(source="%%capture\nprint('hidden')"),
    Act(source="import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    print('inside')\nout"),
    Act(source="display({'text/plain': 'x', 'application/json': {'a': [1, None]}}, raw=True)"),
    Act(source="import os\nos.write(1, b'past every stream\\n' * 50)"),
    Act(source="import os\nif not os.fork():\n    print('a child')\n    os._exit(0)\nos.wait()"),
    Act(source="import os\nfor n in range(5):\n    if not os.fork():\n        1 / (n - 2)\n        os._exit(n)"),
    Act(source="import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1); 1 / 0'])"),
    Act(source="import threading, sys\nthreading.Thread(target=sys.exit, args=(4,)).start()"),
    Act(source="import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"),
    Act(source="import threading\nfor n in range(20): threading.Thread(target=print, args=('t' * 20_000,)).start()"),
    Act(source="import asyncio\nasync def late(): 1 / 0\ntask = asyncio.create_task(late())\nawait asyncio.sleep(0)"),
    Act(source="!false"),
    Act(source="import warnings, logging\nwarnings.warn('w')\nlogging.error('e')"),
    Act(source="from signal import *\nsignal(SIGTERM, SIG_IGN)\nsignal(SIGHUP, SIG_IGN)"),
    Act(source="import sys\nsys.stdout = sys.stderr = None"),
    Act(source="class Quiet:\n    def _repr_mimebundle_(self, **_): return {}\nQuiet()"),
    Act(source="shown = display('x', display_id=True)\nfor n in range(300): shown.update(n)"),
    Act(source="print('\\x1b[2J\\x1b]0;title\\x07\\x00\\r\\n\\r')"),
    Act(
        source=SHOW % "{'outcome': 'check-failed'}" + "\nfrom IPython.display import *\nclear_output()",
        result=3,
    ),
]
ENDS = [
    Act(source="1 / 0", state="failed", ends=5),
    Act(source="print('x' * 2_000_000)\n[][1]", state="failed", ends=5),
    Act(source="raise ValueError('y' * 200_000)", state="failed", ends=5),
    Act(source="def broken(:", state="failed", ends=5),
    Act(source="%%capture\n1 / 0", state="failed", ends=5),
    Act(source="get_ipython().run_cell('1 / 0')", state="failed", ends=5),
    Act(source="display({'text/plain': 5}, raw=True)", state="failed", ends=5),
    Act(source="display({'text/html': None}, raw=True)", state="failed", ends=5),
    Act(source="raise KeyboardInterrupt", state="failed", ends=7),
    Act(source="from runbook_lib.errors import CheckFailed\nraise CheckFailed('No.')", state="failed", ends=3),
    Act(source="from runbook_lib.errors import ApprovalRefused\nraise ApprovalRefused('No.')", state="failed", ends=4),
    Act(source="from runbook_lib.errors import InputRefused\nraise InputRefused('No.')", state="failed", ends=2),
    Act(source="import sys\nsys.exit()", ends=0),
    Act(source="import sys\nsys.exit(0)", ends=0),
    Act(source="exit()", ends=0),
    Act(source="quit", ends=0),
    Act(source="import sys\nsys.exit('')", state="failed", ends=5),
    Act(source="import sys\nsys.exit('0')", state="failed", ends=5),
    Act(source="import sys\nsys.exit(3)", state="failed", ends=3),
    Act(source="import sys\nsys.exit(70)", state="failed", ends=5),
    Act(source="import os\nos._exit(0)", state="failed", ends=8),
    Act(source="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", state="failed", ends=8),
    Act(source="input('Sure? ')", state="failed", ends=5),
    Act(source="raise BaseException('b')", state="failed", ends=5),
    Act(source="class Dumb(Exception):\n    def __str__(self): raise self\nraise Dumb", state="failed", ends=5),
    Act(source="raise ExceptionGroup('g', [ValueError('v'), OSError('o')])", state="failed", ends=5),
    Act(source="def deep(): return deep()\ndeep()", state="failed", ends=5),
    Act(source="raise MemoryError", state="failed", ends=5),
    Act(source="class Odd:\n    def _repr_html_(self): raise KeyError('k')\nOdd()", state="failed", ends=5),
    Act(source="import asyncio\nawait asyncio.wait_for(asyncio.sleep(9), 0.01)", state="failed", ends=5),
    Act(source="%%bash\nexit 3", state="failed", ends=5),
    Act(
        source="import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)",
        state="failed",
        ends=7,
    ),
    Act(source="get_ipython().nosuch", state="failed", ends=5),
    Act(source="import sys\nsys.exit(True)", state="failed", ends=5),
    Act(source="raise SystemExit(4)", state="failed", ends=4),
    Act(source="import os\nos.abort()", state="failed", ends=8),
    Act(source="import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", state="failed", ends=8),
    Act(
        source="import os\nfrom threading import *\nTimer(0.2, os._exit, (0,)).start()\nEvent().wait(60)",
        state="failed",
        ends=8,
    ),
    Act(source="print('q' * 3_000_000)\nimport os\nos._exit(1)", state="failed", ends=8),
]
RESULTS = [
    Act(source=SHOW % "{'outcome': 'succeeded', 'headline': 'h'}", result=0),
    Act(source=SHOW % "{'outcome': 'planned', 'headline': 'h', 'plan_id': 'p'}", result=0),
    Act(source=SHOW % "{'outcome': 'check-failed', 'headline': 'h'}", result=3),
    Act(source="print('z' * 3_000_000)\n" + SHOW % "{'outcome': 'check-failed', 'headline': 'h'}", result=3),
    Act(source=SHOW % "{'outcome': 'fine', 'headline': 'h'}", result=5),
    Act(source=SHOW % "{'outcome': 'succeeded', 'changed': 5}", result=5),
    Act(source=SHOW % "{'outcome': 'succeeded', 'facts': 'abc'}", result=5),
    Act(source=SHOW % "[1]", result=5),
    Act(source=SHOW % "None", result=5),
    Act(source=SHOW % "{}", result=5),
    Act(source=SHOW % "{'outcome': ['succeeded']}", result=5),
    Act(source=SHOW % "{'outcome': 'succeeded', 'headline': 7}", result=5),
    Act(source=SHOW % "{'outcome': 'succeeded', 'headline': 'h', 'recovery': 'soon'}", result=5),
    Act(source=SHOW % "{'outcome': 'check-failed', 'headline': 'h'}" + "\nprint('after it ' * 300_000)", result=3),
    Act(source="%%capture\n" + SHOW % "{'outcome': 'check-failed', 'headline': 'h'}", result=3),
]


def modelled(acts: list[Act], tags: dict[int, str]) -> tuple[int, list[str]]:
    """Return the exit code and the cells' states. Knows only what each cell was made to do."""
    found: list[str] = []
    code: int | None = None
    for number, act in enumerate(acts):
        tag = tags.get(number, "")
        if code is not None or tag == "skip-execution":
            found.append("never-ran")
            continue
        found.append(act.state)
        is_allowed = tag == "raises-exception" and act.ends in (2, 3, 4, 5, 7)
        is_an_error = "exit" not in act.source and "display" not in act.source
        if act.ends is not None and not (is_allowed and is_an_error):
            code = act.ends
    if code is None:
        last = acts[-1] if tags.get(len(acts) - 1) != "skip-execution" else None
        code = last.result if last is not None and last.result is not None else 0
    return code, found


@st.composite
def drawn(draw: st.DrawFn) -> tuple[list[Act], dict[int, str]]:
    acts = draw(st.lists(st.sampled_from(QUIET), min_size=1, max_size=3))
    acts.append(draw(st.sampled_from([*ENDS, *QUIET])))
    acts.append(draw(st.sampled_from([*RESULTS, *QUIET, *ENDS])))
    place = draw(st.integers(0, len(acts) - 1))
    tag = draw(st.sampled_from(["", "", "raises-exception", "skip-execution"]))
    return acts, {place: tag} if tag else {}


def run(acts: list[Act], tags: dict[int, str], folder: Path) -> list[str]:
    """Hold a run to the model; return what plain papermill says otherwise of the same notebook, if that is asked."""
    store = Store(folder / "store")
    notebook = write_notebook(folder / "n.ipynb", *(act.source for act in acts), tags=tags)
    output = folder / "plain.ipynb"
    plain = plain_papermill(notebook, output) if "RUNBOOK_ENDINGS" in os.environ else None
    record = run_notebook(notebook, parameters={}, store=store)
    said = (record.exit_code, states(record.folder / "record.ipynb"))
    assert said == modelled(acts, tags), record.headline
    assert set(FILES) == {path.name for path in record.folder.iterdir()}
    assert verify_record(record.folder, store=store) == ()
    if record.headline == "Every cell completed.":
        assert set(said[1]) == {"completed"}
    return said_otherwise(plain, output, said) if plain else []


def said_otherwise(plain: subprocess.Popen[str], output: Path, model: tuple[int, list[str]]) -> list[str]:
    """Name what plain papermill says of the run that is not so: nothing at all, the end, a state."""
    try:
        code = plain.wait(timeout=45)
    except subprocess.TimeoutExpired:
        plain.terminate()
        return ["it had not ended 45 s after ours"]
    finally:
        plain.communicate()
    cells = json.loads(output.read_bytes())["cells"] if output.exists() else []
    found = {cell["id"]: cell["metadata"].get("papermill", {}) for cell in cells}
    of_cells = [found.get(f"cell-{number}", {}) for number in range(len(model[1]))]
    differ = ["it ends well, or not, otherwise"] if bool(code) != bool(model[0]) else []
    for state, said in zip(model[1], of_cells, strict=True):
        if said.get("status") == "completed" and state != "completed":
            differ.append(f"a cell that {state.replace('failed', 'failed or was killed')} is called completed")
    return sorted(set(differ))


@pytest.mark.thorough
def test_runs_drawn_at_random_end_as_the_model_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    plain: Counter[str] = Counter()
    runs = int(os.environ.get("RUNBOOK_ENDINGS", "12"))

    @settings(
        max_examples=runs,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(drawn())
    def check(example: tuple[list[Act], dict[int, str]]) -> None:
        otherwise = run(*example, tmp_path_factory.mktemp("run"))
        plain.update(otherwise or ["as the model says"])

    check()
    for what, count in plain.most_common() if "RUNBOOK_ENDINGS" in os.environ else ():
        sys.stdout.write(f"plain papermill, of {runs} runs: {count:4} {what}\n")


@pytest.mark.parametrize("act", [ENDS[1], RESULTS[3]], ids=["an error after a flood", "a failed check after a flood"])
def test_one_of_them_in_every_run_of_the_tests(act: Act, tmp_path: Path) -> None:
    run([QUIET[5], act], {}, tmp_path)
