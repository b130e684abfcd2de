import { cell } from "./cells.js";
import { ask, footage, make, number } from "./parts.js";

// Two subsets side by side: what they share, why one lacks clips of the other, how columns are
// spread, and some clips that only one has.
let shown = null, watching = null;

const title = (name) => name === "" ? "all kept clips" : name;

export async function comparison(box, state, facts, subsets, go) {
  const isPair = state.has("a") && state.has("b");
  const key = isPair ? JSON.stringify([state.get("a"), state.get("b"), state.get("seed") || "0"]) : JSON.stringify([state.get("a"), state.get("b")]);
  if (shown === key) return;
  shown = key;
  watching?.disconnect();
  const head = make("h2", { id: "comparison-head" }, "Compare");
  const choosing = make("div", { class: "choosing" }, pick("a", state, subsets, go), make("span", { class: "soft" }, "with"), pick("b", state, subsets, go));
  box.replaceChildren(head, choosing);
  if (!isPair) { box.append(make("p", { class: "soft" }, "Choose two: two subsets, or one and all kept clips.")); return; }
  const pair = new URLSearchParams({ a: state.get("a"), b: state.get("b") });
  const note = make("p", { class: "soft", role: "status" }, "…");
  box.append(note);
  try {
    const counts = await ask(`/api/compare?${pair}`);
    if (shown !== key) return;
    note.remove();
    box.append(...overview(pair, counts));
    const why = make("div", { class: "both" });
    box.append(why, ...samples(pair, state, counts, go), make("h3", {}, "Columns"), legend(pair), columns(pair, facts));
    const reasons = await ask(`/api/compare/reasons?${pair}`);
    if (shown !== key) return;
    why.replaceChildren(reasonsOf(pair.get("a"), pair.get("b"), reasons.only_a_reasons), reasonsOf(pair.get("b"), pair.get("a"), reasons.only_b_reasons));
  } catch (error) {
    if (shown !== key) return;
    note.textContent = error.message;
    box.append(note);
    // Something is being made ready: the same is wanted again.
    if (error.waiting) setTimeout(() => { if (shown === key) { shown = null; comparison(box, state, facts, subsets, go); } }, 700);
  }
}

function pick(name, state, subsets, go) {
  const select = make("select", { "aria-label": `Side ${name.toUpperCase()}`, onchange: () => go({ [name]: select.value === "-" ? null : select.value, seed: null }) },
    make("option", { value: "-" }, "–"), ...subsets.map((one) => make("option", { value: one.name }, title(one.name))));
  select.value = state.has(name) ? state.get(name) : "-";
  return make("label", { class: "field" }, make("span", { class: `swatch ${name}` }), `${name.toUpperCase()} `, select);
}

function overview(pair, counts) {
  const { only_a: first, shared, only_b: second } = counts, all = Math.max(1, first.clips + shared.clips + second.clips);
  let left = 0;
  const band = make("svg", { class: "band", viewBox: "0 0 1000 20", preserveAspectRatio: "none", role: "img", "aria-label": `${number(first.clips)} clips only in ${title(pair.get("a"))}, ${number(shared.clips)} in both, ${number(second.clips)} only in ${title(pair.get("b"))}` },
    ...[[first, "a"], [shared, "shared"], [second, "b"]].map(([part, kind]) => { const width = 1000 * part.clips / all, rect = make("rect", { class: kind, x: left, y: 0, width, height: 20 }); left += width; return rect; }));
  const tile = (name, part, kind) => make("div", {}, make("dt", {}, make("span", { class: `swatch ${kind}` }), name), make("dd", {}, number(part.clips), make("small", {}, ` clips, ${footage(3600 * part.hours)}`)));
  return [band, make("dl", { class: "tiles" }, tile(`only in ${title(pair.get("a"))}`, first, "a"), tile("in both", shared, "shared"), tile(`only in ${title(pair.get("b"))}`, second, "b"))];
}

function reasonsOf(mine, other, reasons) {
  const list = Object.entries(reasons), most = Math.max(1, ...list.map(([, count]) => count));
  return make("div", { class: "card" }, make("h3", {}, `In ${title(mine)} and not in ${title(other)}: why`),
    list.length ? make("table", { class: "counts" }, make("tbody", {}, ...list.map(([reason, count]) => make("tr", {}, make("th", { scope: "row" }, reason.replaceAll("_", " ")),
      make("td", { class: "bar" }, make("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, make("rect", { x: 0, y: 0, width: 100 * count / most, height: 10 }))), make("td", { class: "right" }, number(count)))))) : make("p", { class: "soft" }, "There are none."));
}

const other = (name) => name === "a" ? "b" : "a";

// The grid of the clips that only one side has; a side without a name is all kept clips.
function aside(pair, name) {
  const fields = new URLSearchParams();
  // A subset of another cut may have clips that are rejected now.
  if (pair.get(name)) { fields.set("kept", "all"); fields.set("subset", pair.get(name)); }
  if (pair.get(other(name))) fields.set("outside", pair.get(other(name)));
  return fields;
}

function samples(pair, state, counts, go) {
  const seed = Number(state.get("seed") || 0);
  return [["a", counts.only_a], ["b", counts.only_b]].filter(([, part]) => part.clips > 0).map(([name, part]) => {
    const strip = make("ol", { class: "samples", "aria-label": `Clips only in ${title(pair.get(name))}` });
    const box = make("div", { class: "sampled" }, make("h3", {}, make("span", { class: `swatch ${name}` }), `Only in ${title(pair.get(name))}`, make("small", {}, `${number(Math.min(12, part.clips))} of ${number(part.clips)}`),
      pair.get(name) !== "" || pair.get(other(name)) !== "" ? make("a", { href: `/?${aside(pair, name)}` }, "All of them") : null,
      part.clips > 12 ? make("button", { type: "button", onclick: () => go({ seed: seed + 1 }) }, "Others") : null), strip);
    ask(`/api/compare/sample/${name}?${pair}&seed=${seed}`).then((found) => {
      const open = (clip) => { location.href = `/clip/${clip.clip_id}`; };
      strip.replaceChildren(...found.clips.map((clip, at) => cell(clip, at, { onclick: () => open(clip), onkeydown: (event) => { if (event.key === "Enter") open(clip); } })));
    }).catch((error) => { strip.textContent = error.message; });
    return box;
  });
}

function legend(pair) {
  return make("p", { class: "legend soft" }, make("span", { class: "swatch a" }), `${title(pair.get("a"))} `, make("span", { class: "swatch b" }), `${title(pair.get("b"))}; each as a share of its own clips.`);
}

// Charts are read when they come into view: a dataset may have hundreds of columns.
function columns(pair, facts) {
  const box = make("div", { class: "charts" });
  watching = new IntersectionObserver((entries) => {
    for (const one of entries) if (one.isIntersecting) { watching.unobserve(one.target); fill(one.target, pair); }
  }, { rootMargin: "300px" });
  for (const column of facts.facets) {
    if (column.kind === "text") continue;
    const figure = make("figure", { class: "card chart-of", "data-name": column.name, "data-label": column.label }, make("figcaption", {}, make("strong", {}, column.label), column.unit ? make("small", {}, ` ${column.unit}`) : null), make("div", { class: "body" }));
    box.append(figure);
    watching.observe(figure);
  }
  return box;
}

async function fill(figure, pair) {
  const body = figure.querySelector(".body");
  try {
    const found = await ask(`/api/compare/column/${encodeURIComponent(figure.dataset.name)}?${pair}`);
    if (found.kind === "number" && found.mean_a !== null && found.mean_b !== null) figure.querySelector("figcaption").append(make("small", { class: "means" }, `mean ${number(found.mean_a)} and ${number(found.mean_b)}`));
    body.replaceChildren(...(found.kind === "number" ? overlaid(found, figure.dataset.label) : paired(found.values)));
  } catch (error) { body.textContent = error.message; }
}

const shares = (counts) => { const all = counts.reduce((sum, one) => sum + one, 0) || 1; return counts.map((one) => one / all); };

function overlaid(found, label) {
  const first = shares(found.a), second = shares(found.b), most = Math.max(...first, ...second, 1e-9), bins = first.length;
  const steps = (values) => values.map((one, at) => `${at ? "L" : "M"}${at} ${(58 - 54 * one / most).toFixed(2)}L${at + 1} ${(58 - 54 * one / most).toFixed(2)}`).join("");
  const none = [found.without_a, found.without_b];
  return [make("svg", { viewBox: `0 0 ${bins} 60`, preserveAspectRatio: "none", role: "img", "aria-label": `${label} from ${number(found.low)} to ${number(found.high)}, both sides` },
    make("path", { class: "a area", d: `${steps(first)}L${bins} 58L0 58Z` }), make("path", { class: "b line-of", d: steps(second) })),
  make("p", { class: "ends soft" }, make("span", {}, number(found.low)), none.some(Boolean) ? make("span", {}, `without: ${number(none[0])} and ${number(none[1])}`) : null, make("span", {}, number(found.high)))];
}

function paired(values) {
  const first = shares(values.map((one) => one.a)), second = shares(values.map((one) => one.b)), most = Math.max(...first, ...second, 1e-9);
  if (!values.length) return [make("p", { class: "soft" }, "nothing")];
  const rows = values.slice(0, 8).map((one, at) => make("tr", {}, make("th", { scope: "row", title: one.value ?? "none" }, one.value ?? "none"),
    make("td", { class: "bar" }, make("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" }, make("rect", { class: "a", x: 0, y: 0, width: 100 * first[at] / most, height: 5.5 }), make("rect", { class: "b", x: 0, y: 6.5, width: 100 * second[at] / most, height: 5.5 }))),
    make("td", { class: "right" }, `${number(one.a)} · ${number(one.b)}`)));
  return [make("table", { class: "counts" }, make("tbody", {}, ...rows)), values.length > 8 ? make("p", { class: "soft" }, `and ${number(values.length - 8)} more`) : ""];
}
