"use strict";
(async () => {
  const UNSURE = 0.9; // below this confidence a text is shown as doubtful
  const AT_ONCE = 2; // requests; the server answers one at a time

  const byId = (id) => document.getElementById(id);
  const list = byId("cards");
  byId("command").textContent = `curl --data-binary @captcha.png ${location.origin}/predict`;

  // --- asking ---

  let model;
  try {
    model = await fetchJson("model");
  } catch (error) {
    byId("status").textContent = `The server does not answer: ${error.message}`;
    return;
  }
  const { vocabulary, reads, width, height } = model;
  byId("facts").textContent = `The model knows ${vocabulary.length} labels: ${vocabulary.join("")}`;

  async function fetchJson(address, options) {
    const response = await fetch(address, options);
    const content = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(content.detail || `status ${response.status}`);
    return content;
  }

  async function askAbout(file) {
    if (file.size > model.max_body_bytes) {
      throw new Error(`larger than ${model.max_body_bytes} bytes`);
    }
    const found = await fetchJson("predict?evidence=true", {
      method: "POST",
      body: file,
      headers: { "content-type": "application/octet-stream" },
    });
    return found.predictions[0];
  }

  const waiting = [];
  let busy = 0, asked = 0, done = 0, failed = 0;

  function add(files) {
    const cards = files.map((file) => {
      const body = create("div", { className: "note", textContent: "waiting" });
      const name = create("h3", { className: "file", textContent: file.name || "pasted" });
      const card = create("li", { className: "card" }, name, body);
      waiting.push([file, name.textContent, body]);
      return card;
    });
    list.prepend(...cards);
    asked += files.length;
    work();
  }

  function work() {
    report();
    while (busy < AT_ONCE && waiting.length) {
      const [file, name, body] = waiting.shift();
      busy += 1;
      askAbout(file)
        .then((answer) => show(body, name, answer))
        .catch((error) => {
          failed += 1;
          body.replaceWith(create("p", { className: "refused", textContent: error.message }));
        })
        .finally(() => { busy -= 1; done += 1; work(); });
    }
  }

  function report() {
    const errors = failed ? `, ${failed} not usable` : "";
    const images = asked === 1 ? "image" : "images";
    byId("status").textContent = asked
      ? (done < asked ? `${done} of ${asked} ${images} …` : `${asked} ${images}${errors}`) : "";
    byId("clear").hidden = !asked || done < asked;
  }

  // --- one answer ---

  function show(body, name, answer) {
    const picture = create("div", { className: "picture" },
      create("img", { src: answer.evidence.picture, width, height, alt: `Image ${name}` }));
    const chips = create("div", { className: "chips" });
    const caption = create("p", { className: "caption" });
    caption.setAttribute("role", "status");
    for (const label of answer.labels) chips.append(makeChip(label, answer, picture, caption));
    body.replaceWith(picture, ...makeText(answer), chips, caption);
  }

  // The text, each character below where it was read, and how sure all of it is.
  function makeText(answer) {
    const labels = create("p", { className: "sets" }, "labels ",
      create("span", { className: "label", textContent: answer.labels.join("") || "none" }));
    if (!reads) return [labels];
    const line = create("p", { className: "reading" });
    line.setAttribute("aria-hidden", "true"); // the line below says the same
    [...answer.text].forEach((character, index) => {
      const step = create("span", { className: "step label", textContent: character });
      const [from, to] = answer.spans[index];
      step.style.setProperty("--middle", `${50 * (from + to) / width}%`);
      line.append(step);
    });
    const text = create("span", { className: "text label", textContent: answer.text || "nothing" });
    text.classList.toggle("unsure", answer.confidence < UNSURE);
    const confidence = create("span", { className: "sets", textContent: `confidence ${prob(answer.confidence)}` });
    return [line, create("p", { className: "amounts" }, text, confidence)];
  }

  function makeChip(label, answer, picture, caption) {
    const chip = create("button", { type: "button", className: "see label" }, label,
      create("small", { textContent: prob(answer.probs[label]) }));
    chip.setAttribute("aria-pressed", "false");
    chip.setAttribute("aria-label", `Where ${label} was seen, prob ${prob(answer.probs[label])}`);
    chip.addEventListener("click", () => {
      const pressed = chip.getAttribute("aria-pressed") === "true";
      for (const other of chip.parentElement.children) other.setAttribute("aria-pressed", "false");
      picture.querySelector("canvas")?.remove();
      caption.textContent = "";
      if (pressed) return;
      chip.setAttribute("aria-pressed", "true");
      caption.textContent = overlay(picture, label, answer.evidence.maps[label]);
    });
    return chip;
  }

  function overlay(picture, label, map) {
    const rows = map.length, columns = map[0].length, cells = map.flat();
    const peak = Math.max(...cells);
    if (peak === 0) return `No evidence of ${label} anywhere.`;
    const shares = cells.map((value) => value / peak);
    picture.append(paintMap(shares, peak, [rows, columns], [height, width]));
    const place = Math.round(100 * ((cells.indexOf(peak) % columns) + 0.5) / columns);
    return `Evidence of ${label}: strongest ${peak.toFixed(2)}, ${place} % from the left.`;
  }

  // --- choosing, dropping, pasting ---

  const form = byId("ask");
  const input = byId("files");
  input.addEventListener("change", () => { add([...input.files]); input.value = ""; });
  form.addEventListener("submit", (event) => event.preventDefault());
  // What falls beside the frame would open in place of the page.
  addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    add([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => add([...event.clipboardData.files]));
  byId("clear").addEventListener("click", () => {
    list.replaceChildren();
    asked = done = failed = 0;
    report();
    input.focus();
  });
})();
