"use strict";
// What the page about a run and the page that answers are both made of.

const OVERLAY = [213, 94, 0]; // vermilion of Okabe and Ito

function create(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

// Only what is 1 reads 1.000; the probs come with four digits.
function prob(value) {
  return (value < 1 ? Math.min(value, 0.999) : 1).toFixed(3);
}

// Each cell's share of its map's peak, in 0..1, over an image. Every map is strongest at its own
// peak, so that faint evidence can be seen; a faint peak stays fainter, and the caption tells its
// height.
function paintMap(shares, peak, [rows, columns], [height, width]) {
  const small = create("canvas", { width: columns, height: rows });
  const cells = small.getContext("2d").createImageData(columns, rows);
  const opacity = 110 + 100 * peak;
  shares.forEach((share, cell) => cells.data.set([...OVERLAY, opacity * share], 4 * cell));
  small.getContext("2d").putImageData(cells, 0, 0);
  const canvas = create("canvas", { width: 2 * width, height: 2 * height });
  canvas.setAttribute("aria-hidden", "true");
  canvas.getContext("2d").drawImage(small, 0, 0, canvas.width, canvas.height);
  return canvas;
}
