import { resembling } from "./meaning.js";
import { LABELS, ask, clock, dataset, footage, review, reviewing, make, number, player, readOnly, texts, toggled, undo } from "./parts.js";

const find = (id) => document.getElementById(id);
let clip;

function curve(name, values, from, to) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known), high = Math.max(...known), width = values.length - 1 || 1;
  let path = "", pen = false;
  values.forEach((value, at) => {
    if (value === null) { pen = false; return; }
    path += `${pen ? "L" : "M"}${(at / width * 1000).toFixed(1)} ${(36 - 34 * (value - low) / ((high - low) || 1)).toFixed(1)}`;
    pen = true;
  });
  return make("div", { class: "curve" }, make("span", { class: "soft", title: `${number(low)} to ${number(high)}` }, name),
    make("svg", { viewBox: "0 0 1000 38", preserveAspectRatio: "none", role: "img", "aria-label": `${name} over the source, from ${number(low)} to ${number(high)}` },
      make("rect", { x: 1000 * from, y: 0, width: Math.max(2, 1000 * (to - from)), height: 38 }), make("path", { d: path })));
}

function timeline() {
  const whole = clip.source.duration_seconds || clip.end_seconds;
  const line = make("div", { class: "line", role: "list", "aria-label": "Clips of this source" });
  for (const other of clip.clips) {
    const link = make("a", { role: "listitem", href: `/clip/${other.clip_id}`, title: `${clock(other.start_seconds)} – ${clock(other.end_seconds)}${other.kept ? "" : `, ${other.reason}`}`, class: [other.kept ? "" : "rejected", other.clip_id === clip.clip_id ? "this" : ""].join(" ").trim(), "aria-label": `clip at ${clock(other.start_seconds)}` });
    link.style.left = `${100 * other.start_seconds / whole}%`;
    link.style.width = `${100 * (other.end_seconds - other.start_seconds) / whole}%`;
    line.append(link);
  }
  return line;
}

function report(text) { find("note").textContent = text; }

function value(one) {
  if (Array.isArray(one)) return one.map(value).join(", ");
  if (typeof one === "boolean") return one ? "yes" : "no";
  return typeof one === "number" ? number(one) : String(one);
}

function table(rows) {
  return make("table", { class: "all" }, make("tbody", {}, ...rows.filter(([, one]) => one !== null && one !== undefined && one !== "").map(([name, one]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value(one))))));
}

function neighbour(step) {
  const at = clip.clips.findIndex((one) => one.clip_id === clip.clip_id) + step;
  if (clip.clips[at]) location.href = `/clip/${clip.clips[at].clip_id}`;
}

async function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, verdicts = { a: "keep", r: "reject", u: "unsure" };
  if (key === "ArrowRight" && event.target.tagName !== "VIDEO") neighbour(1);
  else if (key === "ArrowLeft" && event.target.tagName !== "VIDEO") neighbour(-1);
  else if (!readOnly && key in verdicts) await review(clip, { verdict: clip.verdict === verdicts[key] ? null : verdicts[key] }).catch((error) => report(error.message));
  else if (!readOnly && LABELS.includes(key)) await review(clip, { labels: toggled(clip.labels, key) }).catch((error) => report(error.message));
  else if (!readOnly && key === "z") await undo().catch((error) => report(error.message));
}

async function begin() {
  await dataset();
  clip = await ask(`/api/clip/${location.pathname.split("/").pop()}`);
  document.title = `${clip.title} ${clock(clip.start_seconds)} – internvid browse`;
  find("name").textContent = clip.title;
  const whole = clip.source.duration_seconds || clip.end_seconds;
  const made = Object.entries(clip.provenance).map(([name, recipe]) => [name, [recipe.component, recipe.model].filter(Boolean).join(", ") || JSON.stringify(recipe).slice(0, 300)]);
  find("main").replaceChildren(
    make("p", { id: "note", role: "status" }),
    make("div", { class: "view" }, make("div", {}, player(clip)),
      make("div", {}, make("h2", {}, `${clock(clip.start_seconds)} – ${clock(clip.end_seconds)}`, make("small", {}, `${footage(clip.end_seconds - clip.start_seconds)}${clip.kept ? "" : `, rejected: ${clip.reason}`}`)), reviewing(clip, report), texts(clip, report))),
    make("section", {}, make("h2", {}, "In its source"), timeline(), ...Object.entries(clip.curves).filter(([, values]) => values.some((one) => one !== null)).map(([name, values]) => curve(name, values, clip.start_seconds / whole, clip.end_seconds / whole))),
    resembling(clip),
    make("section", {}, make("h2", {}, "Stored frames"), make("div", { class: "stills" }, ...clip.picks.map((pick) => make("img", { src: `/pick/${clip.clip_id}/${pick.frame}.jpg`, alt: `at ${clock(pick.seconds)}`, title: clock(pick.seconds), loading: "lazy" })))),
    make("section", {}, make("h2", {}, "Source"), table([["uri", clip.source.uri], ["size", `${clip.source.width} × ${clip.source.height}`], ["length", clip.source.duration_seconds && footage(clip.source.duration_seconds)], ...Object.entries(clip.source.metadata || {}).map(([name, one]) => [name, typeof one === "object" ? JSON.stringify(one) : one])])),
    make("section", {}, make("h2", {}, "What made the texts and scores"), made.length ? table(made) : make("p", { class: "soft" }, "nothing yet")),
    make("section", {}, make("h2", {}, "Every column"), table(Object.entries(clip.row))));
  document.addEventListener("keydown", press);
}

begin().catch((error) => { find("main").textContent = error.message; });
