"use strict";
(() => {
  const button = document.getElementById("download");
  if (!button) return; // no name is in doubt
  const NAME = "corrections.csv";
  const said = document.getElementById("ticked");
  const rows = [...document.querySelectorAll("#names .scroll tbody tr")].map((row) => ({
    tick: row.querySelector("[type=checkbox]"),
    text: row.querySelector("[type=text]"),
    file: row.querySelector(".file").textContent,
    named: row.querySelector("td.label").textContent,
  }));

  // As the table is written elsewhere: no live formulas, quoted where need be.
  function quote(cell) {
    const defused = /^[=+\-@\t\r' ]/.test(cell) ? `'${cell}` : cell;
    return /[",\r\n]/.test(defused) ? `"${defused.replaceAll('"', '""')}"` : defused;
  }

  function write() {
    const known = [...document.querySelectorAll("#corrections tbody tr")].map(
      (row) => [...row.cells].map((cell) => cell.textContent));
    const found = new Map(known.map((cells) => [cells[0], cells]));
    for (const { tick, text, file, named } of rows) {
      if (tick.checked) found.set(file, [file, text.value.trim(), `named ${named}, reviewed on the page`]);
    }
    const lines = [["file", "text", "why"], ...found.values()];
    return lines.map((cells) => `${cells.map(quote).join(",")}\n`).join("");
  }

  function refresh() {
    const ticked = rows.filter(({ tick }) => tick.checked);
    const open = ticked.filter(({ text }) => !text.value.trim());
    button.disabled = !ticked.length || open.length > 0;
    said.textContent = open.length
      ? `${open[0].file} needs a text`
      : `${ticked.length || "nothing"} ticked`;
  }

  for (const { tick, text } of rows) {
    tick.addEventListener("change", refresh);
    text.addEventListener("input", () => { tick.checked = true; refresh(); });
  }
  button.addEventListener("click", () => {
    const href = URL.createObjectURL(new Blob([write()], { type: "text/csv" }));
    const link = create("a", { href, download: NAME });
    link.click();
    URL.revokeObjectURL(href);
  });
  refresh(); // a browser may have kept the ticks
})();
