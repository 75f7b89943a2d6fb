"use strict";
(() => {
  const data = JSON.parse(document.getElementById("images").textContent);
  const { vocabulary, threshold, images, size: [height, width], grid: [rows, columns] } = data;
  const LEVELS = 15; // of the packed evidence: shares of each map's own peak
  const CHUNK = 24; // cards added at a time, as the reader comes near

  for (const image of images) {
    const targets = new Set(image.targets);
    image.loss = image.losses.reduce((sum, loss) => sum + loss, 0);
    image.answers = image.probs.map((prob, label) => {
      const predicted = prob > threshold;
      if (targets.has(label)) return predicted ? "right" : "missed";
      return predicted ? "invented" : "absent";
    });
    image.steps = image.reading ? image.reading.steps.filter(([kind]) => kind !== "right") : [];
    image.costliest = image.losses.indexOf(Math.max(...image.losses));
  }

  const maps = unpack(data.evidence); // resolves to bytes (images, labels, rows, columns)
  images.forEach((image, index) => { image.index = index; });

  async function unpack(text) {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = characters.charCodeAt(index);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function evidence(image, label) {
    const cells = rows * columns;
    const start = (image.index * vocabulary.length + label) * cells;
    return (await maps).subarray(start, start + cells);
  }

  const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

  // --- one card ---

  function makeCard(image) {
    const picture = create("div", { className: "picture" },
      create("img", { width, height, decoding: "async", src: image.picture,
                      alt: `Image ${image.file}` }));
    const caption = create("p", { className: "caption" });
    const body = create("tbody");
    const card = create("li", { className: "card", dataset: { file: image.file } },
      create("header", {},
        create("h3", { className: "file", textContent: image.file }),
        create("span", { className: "loss", textContent: `loss ${(image.loss / vocabulary.length).toFixed(3)}` })),
      picture,
      ...makeReading(image),
      create("p", { className: "sets" }, "labels ", setOf(image, ["right", "missed"]),
             ", predicted ", setOf(image, ["right", "invented"])),
      caption,
      create("table", {},
        create("thead", {}, create("tr", {}, ...["label", "answer", "prob", "of loss"].map(
          (name, index) => create("th", { scope: "col", textContent: name, className: index > 1 ? "number" : "" })))),
        body));
    fillLabels(card, image, body, false);
    return card;
  }

  // The text as read, each character below where it was read, and how it differs from the name.
  function makeReading(image) {
    if (!image.reading) return [];
    const words = { substituted: "instead of", missing: "not read", extra: "too many" };
    const line = create("p", { className: "reading" });
    line.setAttribute("aria-hidden", "true"); // the sentence below says the same
    const said = [];
    for (const [kind, actual, read, middle] of image.reading.steps) {
      const step = create("span", { className: `step label ${kind}`, textContent: read || actual });
      step.style.setProperty("--middle", `${100 * middle}%`);
      line.append(step);
      if (kind === "substituted") said.push(`${read} ${words[kind]} ${actual}`);
      if (kind === "missing" || kind === "extra") said.push(`${read || actual} ${words[kind]}`);
    }
    const text = create("span", { className: "label", textContent: image.reading.text || "nothing" });
    const rest = ` (${prob(image.reading.confidence)})${said.length ? `: ${said.join(", ")}` : ""}`;
    return [line, create("p", { className: "sets" }, "reads ", text, rest)];
  }

  function setOf(image, kinds) {
    const labels = vocabulary.filter((_, label) => kinds.includes(image.answers[label]));
    return create("span", { className: "label", textContent: labels.join("") || "nothing" });
  }

  function fillLabels(card, image, body, everything) {
    const order = vocabulary.map((_, label) => label)
      .sort((a, b) => image.losses[b] - image.losses[a] || a - b);
    const chosen = order.filter((label) => everything || image.answers[label] !== "absent"
      || image.losses[label] > 0.05 * image.loss || label === chosenLabel());
    body.replaceChildren(...chosen.map((label) => makeRow(card, image, label)));
    const hidden = order.length - chosen.length;
    if (hidden) {
      const share = order.filter((label) => !chosen.includes(label))
        .reduce((sum, label) => sum + image.losses[label], 0) / image.loss;
      const button = create("button", { type: "button", className: "others", textContent: `${hidden} more labels` });
      button.addEventListener("click", () => {
        fillLabels(card, image, body, true);
        body.querySelector("button").focus();
      });
      body.append(create("tr", {}, create("td", { colSpan: 3 }, button), amount(share, percent)));
    }
  }

  function makeRow(card, image, label) {
    const answer = image.answers[label];
    const words = { right: "✓ right", missed: "− missed", invented: "+ invented", absent: "not there" };
    const button = create("button", { type: "button", className: "see label", textContent: vocabulary[label],
                                      dataset: { label } });
    button.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-label", `Where the model saw ${vocabulary[label]}`);
    button.addEventListener("click", async () => {
      const pressed = button.getAttribute("aria-pressed") === "true";
      await showEvidence(card, image, pressed ? null : label);
      document.getElementById("announcement").textContent = card.querySelector(".caption").textContent;
    });
    return create("tr", { className: answer },
      create("th", { scope: "row" }, button),
      create("td", { className: `answer ${answer}`, textContent: words[answer] }),
      amount(image.probs[label], prob),
      amount(image.losses[label] / image.loss, percent));
  }

  function amount(share, format) {
    const cell = create("td", { className: "amount", textContent: format(share) });
    cell.style.setProperty("--share", `${100 * share}%`);
    return cell;
  }

  // --- where the model saw a label ---

  async function showEvidence(card, image, label) {
    for (const button of card.querySelectorAll(".see")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.label) === label));
    }
    const picture = card.querySelector(".picture");
    const caption = card.querySelector(".caption");
    picture.querySelector("canvas")?.remove();
    caption.textContent = "";
    delete card.dataset.evidence;
    if (label === null) return;
    const name = vocabulary[label];
    card.dataset.evidence = name;
    const map = await evidence(image, label);
    if (card.dataset.evidence !== name) return; // another label was chosen meanwhile
    const peak = image.peaks[label];
    if (peak === 0) {
      caption.textContent = `No evidence of ${name} anywhere.`;
      return;
    }
    const shares = [...map].map((level) => level / LEVELS);
    picture.append(paintMap(shares, peak, [rows, columns], [height, width]));
    const place = Math.round(100 * ((map.indexOf(LEVELS) % columns) + 0.5) / columns);
    caption.textContent = `Evidence of ${name}: strongest ${peak.toFixed(2)}, ${place} % from the left.`;
  }

  // --- filters, order, how many ---

  const form = document.getElementById("filters");
  const fields = form.elements;
  const list = document.getElementById("cards");
  let found = [];

  function chosenLabel() {
    return fields.label.value === "" ? null : Number(fields.label.value);
  }

  const MISREADINGS = ["misread", "substituted", "missing", "extra"];
  const isWrong = (answers) => answers.some((answer) => answer === "missed" || answer === "invented");

  function matches(image) {
    const label = chosenLabel();
    const kind = fields.kind.value;
    const text = fields.text.value.trim().toLowerCase();
    const texts = [image.file, image.text, image.reading?.text ?? ""];
    if (text && !texts.some((one) => one.toLowerCase().includes(text))) return false;
    if (MISREADINGS.includes(kind)) {
      return image.steps.some(([step, actual, read]) => (kind === "misread" || step === kind)
        && (label === null || [actual, read].includes(vocabulary[label])));
    }
    const answers = label === null ? image.answers : [image.answers[label]];
    const wrong = isWrong(answers) || (label === null && image.steps.length > 0);
    if (kind === "wrong") return wrong;
    if (kind === "right") return !wrong && (label === null || answers[0] === "right");
    if (kind === "any") return label === null || answers[0] !== "absent";
    return answers.includes(kind);
  }

  function order(kind) {
    const label = chosenLabel();
    const loss = (image) => (label === null ? image.loss : image.losses[label]);
    const prob = (image) => image.probs[label ?? image.costliest];
    const byFile = (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0);
    return {
      "loss-down": (a, b) => loss(b) - loss(a) || a.index - b.index,
      "loss-up": (a, b) => loss(a) - loss(b) || a.index - b.index,
      "prob-down": (a, b) => prob(b) - prob(a) || a.index - b.index,
      "prob-up": (a, b) => prob(a) - prob(b) || a.index - b.index,
      "file-up": byFile,
    }[kind];
  }

  function wanted() {
    return Math.min(Number(fields.count.value), found.length);
  }

  function refresh() {
    found = images.filter(matches).sort(order(fields.sort.value));
    fields.count.max = Math.max(1, found.length);
    fields.count.disabled = found.length < 2;
    list.replaceChildren();
    extend();
  }

  function extend() {
    while (list.children.length > wanted()) list.lastElementChild.remove();
    const more = found.slice(list.children.length, Math.min(list.children.length + CHUNK, wanted()));
    for (const image of more) {
      const card = makeCard(image);
      list.append(card);
      if (fields.evidence.checked) showEvidence(card, image, chosenLabel() ?? image.costliest);
    }
    document.getElementById("found").textContent =
      found.length ? `${wanted().toLocaleString("en")} of ${found.length.toLocaleString("en")}` : "No image matches.";
    watch.disconnect();
    if (list.children.length < wanted()) watch.observe(document.getElementById("more"));
  }

  const watch = new IntersectionObserver(
    (entries) => { if (entries.some((entry) => entry.isIntersecting)) extend(); },
    { rootMargin: "1500px" });

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => (event.target === fields.count ? extend() : refresh()));

  function show(filters) {
    form.reset();
    for (const [name, value] of Object.entries(filters)) fields[name].value = value;
    refresh();
    document.getElementById("top-losses").scrollIntoView();
  }

  for (const button of document.querySelectorAll(".jump")) {
    button.addEventListener("click", () => show({ label: button.dataset.label }));
  }
  for (const button of document.querySelectorAll(".find")) {
    button.addEventListener("click", () => show({ text: button.dataset.file, kind: "any" }));
  }

  // --- the table of labels ---

  const table = document.getElementById("label-table");
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const value = (row) => (column ? Number(row.cells[column].dataset.value) : row.cells[0].textContent.trim());
    const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    const lacking = (row) => Number.isNaN(value(row)); // shown as a dash; they come last
    const sorted = [...table.tBodies[0].rows].sort((a, b) =>
      lacking(a) - lacking(b) || (ascending ? compare(a, b) : compare(b, a)));
    table.tBodies[0].append(...sorted);
  }));

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });

  if (!images.some((image) => isWrong(image.answers) || image.steps.length)) {
    fields.kind.value = "any";
  }
  refresh();
})();
