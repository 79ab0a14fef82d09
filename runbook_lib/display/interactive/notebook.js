async function (asked) {
  // What a choice does to the page: parameters written into their cell, cells run, a notebook opened or saved.
  const once = "runbook-" + asked.once;
  const app = window.jupyterapp;
  if (!app || sessionStorage.getItem(once)) return;
  sessionStorage.setItem(once, "done");

  const opened = () => Array.from(app.shell.widgets("main")).find(each => each.context?.path === asked.path);
  let panel = opened();
  if (asked.open) panel = (await app.commands.execute("docmanager:open", {path: asked.path})) || opened();
  if (!panel) return;
  await panel.context.ready;
  await panel.revealed;

  const cells = panel.content.widgets;
  const at = cells.findIndex(each => (each.model.getMetadata("tags") || []).includes("parameters"));
  if (at >= 0 && asked.set) {
    const lines = cells[at].model.sharedModel.getSource().split("\n");
    for (const [name, value] of Object.entries(asked.set)) {
      const shape = new RegExp("^(" + name + "\\s*(?::[^=]+)?=\\s*)(\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|[^#]*?)(\\s*#.*)?$");
      for (let index = 0; index < lines.length; index++) {
        lines[index] = lines[index].replace(shape, (_, before, old, comment) => before + value + (comment || ""));
      }
    }
    cells[at].model.sharedModel.setSource(lines.join("\n"));
  }
  if (asked.run && at >= 0) {
    app.shell.activateById(panel.id);
    panel.content.deselectAll();
    panel.content.activeCellIndex = at;
    await app.commands.execute("notebook:run-all-below");
  }
  if (asked.save) await panel.context.save();
}
