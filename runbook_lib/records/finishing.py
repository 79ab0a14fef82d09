"""The end of a record: the executed notebook, the report, the sealed manifest. Imported while the kernel works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from runbook_lib.records import chain, sealing
from runbook_lib.records import store as stores
from runbook_lib.records.manifest import Manifest, file_of
from runbook_lib.records.recording import Recording
from runbook_lib.records.report import report_page


class Kept(Protocol):
    """Whoever holds the executed notebook."""

    def written(self) -> bytes:
        """Return the content of the record's notebook."""

    def presentable(self) -> Any:
        """Return the notebook as it may be stored."""


def finish(
    recording: Recording,
    manager: Kept | None,
    *,
    seconds: float,
    end_kernel: Callable[[], None],
) -> Manifest:
    """Write what is left of the record and seal it. The kernel ends while the report is made.

    `manager` is None when the run ended before its notebook was ready. Never raises for a disk that does not take
    what is written: the recording's losses tell of it.
    """
    ending = recording.ending
    assert ending is not None, "only a run that ended is finished"
    files = {}
    if manager is not None:
        files[stores.NOTEBOOK] = manager.written()
        recording.write_at_last(stores.NOTEBOOK, files[stores.NOTEBOOK])
    manifest = sealing.draft(recording, seconds=seconds)
    if manager is not None:
        announced = sealing.read_events(recording.path / stores.EVENTS)
        files[stores.REPORT] = report_page(manager.presentable(), manifest, announced)
        recording.write_at_last(stores.REPORT, files[stores.REPORT])
    end_kernel()  # it may announce things until its very end
    recording.event("run-ended", outcome=ending.outcome.value, exit_code=ending.exit_code)
    return _sealed(recording, manifest, files)


def _sealed(recording: Recording, manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    announced = recording.path / stores.EVENTS
    if announced.exists():
        files[stores.EVENTS] = announced.read_bytes()
    if (proof := recording.path / stores.PROOF).exists():
        files[stores.PROOF] = proof.read_bytes()
    final = manifest.model_copy(
        update={
            "files": {name: file_of(content) for name, content in files.items()},
            "events": sealing.seal_of_events(announced),
            "losses": recording.losses,
        }
    )
    try:
        final = chain.append_record(recording.store, recording.folder, final)
    except OSError as error:
        recording.note_loss(stores.MANIFEST, error)
        final = final.model_copy(update={"losses": recording.losses}).sealed()
        recording.write_at_last(stores.MANIFEST, final.written())
        gist = final.model_dump(mode="json", include={"outcome", "exit_code", "headline"})
        where = {"folder": str(recording.path.relative_to(recording.store.root)), "rescue": str(recording.rescue or "")}
        recording.folder.release(instead_of_manifest={**gist, **where})
    else:
        recording.folder.release()
    return final
