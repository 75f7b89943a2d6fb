"use strict";
(async () => {
  const byId = (id) => document.getElementById(id);
  const [form, field, problem] = ["answer", "text", "problem"].map(byId);
  let state = null;
  let busy = false;

  async function ask(address, content) {
    const options = content === undefined ? {} : {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(content),
    };
    const response = await fetch(address, options);
    const found = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(found.detail || `status ${response.status}`);
    return found;
  }

  // One step at a time.
  async function step(address, content) {
    if (busy) return;
    busy = true;
    try {
      state = await ask(address, content);
      problem.textContent = "";
      await show();
    } catch (error) {
      const lost = error instanceof TypeError; // as fetch says that nobody is there
      problem.textContent = lost ? "Nobody answers: run captcha-tagger label again." : error.message;
      field.focus();
    } finally {
      busy = false;
    }
  }

  async function show() {
    count();
    const finished = state.number === null;
    form.hidden = finished;
    byId("done").hidden = !finished;
    if (finished) {
      byId("rest").textContent = state.skipped
        ? `${state.skipped} skipped: they come again when the command starts again.`
        : "Every image has its text. Stop the command with Ctrl-C.";
      byId("done-title").focus();
      return;
    }
    const image = byId("image");
    image.src = `images/${state.number}`;
    await image.decode().catch(() => {});
    if (state.upcoming !== null) new Image().src = `images/${state.upcoming}`;
    image.alt = `Image ${state.file}`;
    byId("file").textContent = state.file;
    byId("hint").textContent = state.given ? "Your text" : `Proposed text, ${sureness()}`;
    drawReading();
    field.value = state.text;
    field.focus();
    field.select();
    byId("announcement").textContent = `${byId("hint").textContent}: ${state.text || "nothing"}`;
  }

  function sureness() {
    return `confidence ${Math.min(state.confidence, 0.999).toFixed(3)}`;
  }

  function count() {
    const { labelled, images, skipped, answered, accepted } = state;
    byId("bar").max = images;
    byId("bar").value = labelled;
    const parts = [`${labelled} of ${images} labelled`];
    if (skipped) parts.push(`${skipped} skipped`);
    if (answered) parts.push(`${accepted} of ${answered} as proposed`);
    byId("counts").textContent = parts.join(", ");
  }

  // What was read, each character below where it was seen.
  function drawReading() {
    byId("reading").replaceChildren(...[...state.read].map((character, index) => {
      const element = document.createElement("span");
      const [from, to] = state.spans[index];
      element.className = "step label";
      element.textContent = character;
      element.style.setProperty("--middle", `${50 * (from + to) / state.width}%`);
      return element;
    }));
  }

  const ONWARD = ["Enter", "ArrowDown"];
  const skip = () => step("answer", { number: state.number });
  const back = () => step("back", {});

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    step("answer", { number: state.number, text: field.value });
  });
  byId("skip").addEventListener("click", skip);
  byId("back").addEventListener("click", back);
  byId("return").addEventListener("click", back);
  addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    // A key that is held down must not pass images that nobody has seen.
    if (event.repeat && ONWARD.includes(event.key)) event.preventDefault();
    else if (event.key === "ArrowUp") back();
    else if (event.key === "ArrowDown" && state?.number !== null) skip();
    else return;
    event.preventDefault();
  });

  await step("state");
})();
