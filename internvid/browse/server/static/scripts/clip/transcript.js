import { clock, make } from "./parts.js";

// What is spoken in a clip, line by line; the one that is heard now is marked, a click goes to it.
const KINDS = { beside: "from subtitles beside the source", inside: "from subtitles inside the source", speech: "recognised" };

export function transcript(clip, player) {
  const found = clip.transcript;
  if (!found) return null;
  const rows = found.lines.map((line) => make("li", {}, make("button", { type: "button", onclick: () => player.seek(line.start) }, make("time", {}, clock(line.start)), make("span", {}, line.text))));
  const list = make("ol", { class: "transcript", "aria-label": "What is spoken" }, ...rows);
  let current = -1;
  player.follow((seconds) => {
    const at = found.lines.findIndex((line) => seconds >= line.start && seconds < line.end);
    if (at === current) return;
    rows[current]?.removeAttribute("aria-current");
    current = at;
    if (at < 0) return;
    rows[at].setAttribute("aria-current", "true");
    // Within the list alone: the page stays where it is.
    list.scrollTop = Math.max(0, rows[at].offsetTop - list.offsetTop - list.clientHeight / 2);
  });
  return make("section", {}, make("h2", {}, "Spoken", make("small", {}, [found.column, KINDS[found.kind]].filter(Boolean).join(", "))), list);
}
