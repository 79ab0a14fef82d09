async function (asked) {
  // What a choice does to the page: parameters written into their cell, cells run, a notebook opened, left or saved.
  const once = "runbook-" + asked.once;
  const app = window.jupyterapp;
  if (!app || sessionStorage.getItem(once)) return;
  sessionStorage.setItem(once, "done");

  const panelOf = path => Array.from(app.shell.widgets("main")).find(each => each.context?.path === path);
  const kernelOf = panel => panel?.sessionContext.session?.kernel;
  const say = (panel, code) => kernelOf(panel)?.requestExecute({code, silent: true, store_history: false}).done;
  const parametersOf = panel => panel.content.widgets.find(
    each => (each.model.getMetadata("tags") || []).includes("parameters"));
  const goTo = (panel, index) => {
    app.shell.activateById(panel.id);
    panel.content.deselectAll();
    panel.content.activeCellIndex = index;
    panel.content.mode = "command";
    panel.content.activate();
    panel.content.scrollToItem(index, "auto");
  };
  const nextCode = (cells, from) => cells.findIndex((each, index) => index > from && each.model.type === "code");

  if (asked.leave) {
    // Read the rest of the notebook that is left, and write its record, before the next one opens.
    const left = panelOf(asked.leave);
    if (left) {
      const from = left.content.widgets.findIndex(each => each.model.id === asked.rest);
      const next = nextCode(left.content.widgets, from);
      if (from >= 0 && next >= 0) {
        goTo(left, next);
        await app.commands.execute("notebook:run-all-below");
      }
      const write = "from runbook_lib.records.interactive import finish_to_go_on as _f; _f()";
      let reply = await say(left, write);
      // a kernel that is just putting aside what was queued behind an error puts this aside too
      for (let again = 0; again < 3 && reply?.content?.status === "aborted"; again++) reply = await say(left, write);
      if (reply?.content?.status !== "ok") {
        const why = reply?.content?.evalue || reply?.content?.status || "its kernel is gone";
        const message = `The record of ${left.title.label} is not written: ${why} Go back there and press Finish.`;
        app.commands.execute("apputils:notify", {message, type: "error", options: {autoClose: false}});
      }
    }
  }
  let panel = panelOf(asked.path);
  if (asked.open) panel = (await app.commands.execute("docmanager:open", {path: asked.path})) || panelOf(asked.path);
  if (!panel) return;
  await panel.context.ready;
  await panel.revealed;
  if (!panel.context.savesInTurn) {
    // JupyterLab saves by itself from time to time; of two saves at once the second finds a file that "has changed on disk"
    const save = panel.context.save.bind(panel.context);
    let last = Promise.resolve();
    panel.context.save = () => (last = last.catch(() => {}).then(save));
    panel.context.savesInTurn = true;
  }

  const cells = panel.content.widgets;
  const parameters = parametersOf(panel);
  if (asked.ask) {
    const source = JSON.stringify(parameters ? parameters.model.sharedModel.getSource() : "");
    say(panel, `from runbook_lib.display.interactive import front as _f; _f.page_says(${JSON.stringify(asked.ask)}, ${source})`);
  }
  if (parameters && asked.set) {
    const lines = parameters.model.sharedModel.getSource().split("\n");
    for (const [name, value] of Object.entries(asked.set)) {
      const shape = new RegExp("^(" + name + "\\s*(?::[^=]+)?=\\s*)(\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|[^#]*?)(\\s*#.*)?$");
      for (let index = 0; index < lines.length; index++) {
        lines[index] = lines[index].replace(shape, (_, before, old, comment) => before + value + (comment || ""));
      }
    }
    parameters.model.sharedModel.setSource(lines.join("\n"));
  }
  if (asked.after) {
    const next = nextCode(cells, cells.findIndex(each => each.model.id === asked.after));
    if (next >= 0) {
      if (asked.run) {
        goTo(panel, Math.min(next + 1, cells.length - 1));
        await app.commands.execute("notebook:run-all-above");
      }
      goTo(panel, next);
    }
  }
  if (asked.at) {
    // a button that is disabled by its click takes the keyboard's focus with it
    const index = cells.findIndex(each => each.model.id === asked.at);
    if (index >= 0) goTo(panel, index);
  }
  if (asked.save) await panel.context.save();
}
