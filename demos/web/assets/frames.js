// The table of a console: what went out and what came in, newest first.

import { element } from "/assets/element.js";

const FRAMES_MAX = 200;
const CONTENT_MAX = 400;

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const frames = document.querySelector("#frames");

/** Adds a line with these cells; the last one is cut when it is long. `way` is `in` or `out`. */
export function addFrame(way, ...cells) {
  const content = cells.pop();
  const shown = content.length > CONTENT_MAX ? `${content.slice(0, CONTENT_MAX)}…` : content;
  const all = [clock.format(new Date()), way === "in" ? "← in" : "→ out", ...cells, shown];
  const row = element("tr", { className: way }, all.map((cell) => element("td", { textContent: cell })));
  frames.prepend(row);
  if (frames.childElementCount > FRAMES_MAX) frames.lastElementChild.remove();
  document.querySelector("#empty").hidden = true;
}
