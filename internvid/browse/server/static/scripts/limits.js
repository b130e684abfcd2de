import { cell } from "./cells.js";
import { ask, dataset, footage, make, number } from "./parts.js";
import { keyList, report } from "./planned.js";

// Where a limit stands, what it leaves, which clips lie beside it, and how it is set.

const find = (id) => document.getElementById(id);
const SIDES = ["minimum", "maximum"], STEPS = 200;
const KEYS = [["← →", "move the limit"], ["Shift ← →", "by ten steps"], ["M", "the other limit"], ["0", "back to the recorded limits"], ["[ ]", "filter before, next filter"], ["C", "copy the command"], ["?", "this list"]];
let facts, spread, now = { minimum: null, maximum: null }, side = "minimum", turn = 0, timers = [], commands = {};

const state = () => new URLSearchParams(location.search);
const subjects = () => [...facts.filters.filter((one) => one.is_movable).map((one) => ["filter", one.name]), ...facts.columns.map((one) => ["column", one.name])];

function subject() {
  for (const kind of ["filter", "column"]) if (state().has(kind)) return [kind, state().get(kind)];
  return subjects()[0];
}

function rule() {
  const [kind, name] = subject();
  return kind === "filter" ? facts.filters.find((one) => one.name === name) : null;
}

function about() {
  return rule() ?? facts.columns.find((one) => one.name === subject()[1]) ?? { label: subject()[1], unit: "" };
}

function fields() {
  const [kind, name] = subject();
  return new URLSearchParams({ [kind]: name, minimum: now.minimum ?? "", maximum: now.maximum ?? "" });
}

function choose(kind, name) {
  history.pushState(null, "", `/limits?${new URLSearchParams({ [kind]: name })}`);
  show();
}

function list() {
  const link = (kind, name, text, count) => {
    const isHere = subject()[0] === kind && subject()[1] === name;
    return make("li", {}, make("a", { href: `/limits?${new URLSearchParams({ [kind]: name })}`, "aria-current": isHere ? "true" : null, onclick: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); choose(kind, name); } }, make("span", {}, text), count === undefined ? null : make("small", {}, number(count))));
  };
  const still = facts.filters.filter((one) => !one.is_movable);
  return make("aside", { id: "subjects", "aria-label": "Limits" },
    make("h2", {}, "Filters", make("small", {}, "clips rejected")),
    make("ul", {}, ...facts.filters.filter((one) => one.is_movable).map((one) => link("filter", one.name, one.name, one.clips))),
    still.length ? make("p", { class: "soft" }, `Without a number to move: ${still.map((one) => `${one.name} (${number(one.clips)})`).join(", ")}.`) : null,
    make("h2", {}, "Numbers", make("small", {}, "a new limit")),
    make("ul", {}, ...facts.columns.map((one) => link("column", one.name, one.label))));
}

function inside(value) { return (now.minimum === null || value >= now.minimum) && (now.maximum === null || value <= now.maximum); }

function drawing() {
  const { low, high, counts } = spread, bins = counts.length, width = (high - low) / bins || 1, most = Math.max(1, ...counts);
  const box = make("svg", { class: "spread", viewBox: `0 0 ${bins} 60`, preserveAspectRatio: "none", role: "img", "aria-label": `${about().label}: from ${number(low)} to ${number(high)}` });
  counts.forEach((count, at) => {
    const height = 58 * Math.sqrt(count / most);
    box.append(make("rect", { class: inside(low + (at + 0.5) * width) ? "here" : "out", x: at + 0.04, y: 60 - height, width: 0.92, height }));
  });
  for (const name of SIDES) {
    if (now[name] === null) continue;
    const place = Math.min(bins - 0.12, Math.max(0, (now[name] - low) / width));
    box.append(make("rect", { class: `limit ${name === side ? "moved" : ""}`, x: place - 0.06, y: 0, width: 0.18, height: 60 }));
  }
  return box;
}

const place = (name) => Math.round(STEPS * ((now[name] ?? (name === "minimum" ? spread.low : spread.high)) - spread.low) / ((spread.high - spread.low) || 1));
const valueAt = (at) => Number((spread.low + (spread.high - spread.low) * at / STEPS).toPrecision(4));

function set(name, value) {
  side = name;
  now = { ...now, [name]: value };
  if (now.minimum !== null && now.maximum !== null && now.minimum > now.maximum) now[SIDES.find((one) => one !== name)] = value;
  history.replaceState(null, "", `/limits?${fields()}`);
  redraw();
  refresh();
}

function slid(name, at) { set(name, (name === "minimum" && at <= 0) || (name === "maximum" && at >= STEPS) ? null : valueAt(at)); }

function redraw() {
  find("drawing").replaceChildren(drawing());
  for (const name of SIDES) {
    const slider = find(`slide-${name}`), typed = find(name);
    if (document.activeElement !== slider) slider.value = place(name);
    if (document.activeElement !== typed) typed.value = now[name] ?? "";
  }
}

// The count at once, what takes longer when the limit rests.
function refresh() {
  const mine = ++turn, text = fields().toString();
  for (const timer of timers) clearTimeout(timer);
  const later = (wait, work) => setTimeout(() => work().catch((error) => { if (mine === turn) report(error.message); }), wait);
  timers = [later(60, async () => {
    const left = await ask(`/api/limits/count?${text}`);
    if (mine !== turn) return;
    report("");
    tell(left);
    if (!left.is_exact) timers.push(later(400, async () => { const exact = await ask(`/api/limits/count?${text}&exact=1`); if (mine === turn) tell(exact); }));
  }), later(300, async () => {
    const [near, made] = await Promise.all([ask(`/api/limits/examples?${text}&side=${side}`), ask(`/api/limits/commands?${text}`)]);
    if (mine === turn) { strips(near); how(made); }
  })];
}

function tell(left) {
  const by = left.clips - facts.kept.clips, sign = by > 0 ? "+" : by < 0 ? "−" : "±";
  const seconds = left.seconds - facts.kept.seconds;
  find("left").replaceChildren(make("strong", {}, number(left.clips)), " clips kept, ", make("strong", {}, footage(left.seconds)),
    make("small", {}, ` ${sign}${number(Math.abs(by))} clips, ${seconds < -0.05 ? "−" : seconds > 0.05 ? "+" : "±"}${footage(Math.abs(seconds))} against the cut as it is`),
    make("small", {}, left.is_exact ? "" : " (clips lie on the limit: they are counted exactly…)"));
  find("left").dataset.clips = left.clips;
  find("left").dataset.exact = String(left.is_exact);
}

function strips(near) {
  const name = rule()?.column ?? subject()[1];
  const strip = (title, clips) => make("div", {}, make("h3", {}, title), clips.length ? make("ol", { class: "strip-of-clips", "aria-label": title }, ...clips.map((clip, at) => {
    const item = cell(clip, at, { onclick: () => { location.href = `/clip/${clip.clip_id}`; }, onkeydown: (event) => { if (event.key === "Enter") location.href = `/clip/${clip.clip_id}`; } });
    item.querySelector(".time").textContent = number(clip.values[name]);
    return item;
  })) : make("p", { class: "soft" }, "no clip"));
  find("near").replaceChildren(strip(`Just inside the ${side}: kept`, near.inside), strip("Just outside: rejected", near.outside));
  find("near").hidden = now[side] === null;
}

function how(made) {
  commands = made;
  const part = (title, one) => make("div", { class: "command" }, make("h3", {}, title), one.text ? make("pre", { tabindex: "0" }, one.text) : null, make("p", { class: "soft" }, one.note, " ", one.text ? make("button", { type: "button", class: "copy", onclick: () => copy(one.text) }, "Copy") : null));
  find("commands").replaceChildren(part("As a new cut", made.build), part("As a subset", made.select));
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); report("Copied."); } catch { report("The browser does not let this page copy: select the text instead."); }
}

function explained() {
  const own = rule(), parts = [];
  if (own) {
    parts.push(`Clips have the first reason that rejected them: ${number(spread.rejected)} have ${own.reason}. Of these ${number(spread.later)} would be rejected by a later filter too, which is computed from their columns; no limit here brings them back.`);
    parts.push(`${number(facts.rejected - spread.rejected)} clips have another reason, recorded when the cut was made: they stay rejected wherever this limit stands.`);
    if (spread.not_computed.length) parts.push(`Not computed, as their columns are not there: ${spread.not_computed.join(", ")}.`);
  } else parts.push("A new limit over kept clips; rejected ones stay rejected.");
  if (spread.without) parts.push(`${number(spread.without)} clips have no such number: no limit rejects them.`);
  return parts.map((text) => make("p", { class: "soft" }, text));
}

function field(name) {
  return make("label", { class: "field" }, `${name} `, make("input", { id: name, type: "number", step: "any", placeholder: "none", "aria-label": `${name} of ${about().label}`, onfocus: () => { side = name; redraw(); }, oninput: (event) => set(name, event.target.value === "" ? null : Number(event.target.value)) }));
}

function slider(name) {
  return make("input", { id: `slide-${name}`, type: "range", min: 0, max: STEPS, "aria-label": `${name} of ${about().label}`, oninput: (event) => slid(name, Number(event.target.value)) });
}

async function show() {
  const mine = ++turn, [kind, name] = subject();
  find("main").replaceChildren(list(), make("div", { id: "limit" }, make("p", { class: "soft" }, "…")));
  try {
    const found = await ask(`/api/limits/spread?${state().has(kind) ? state() : new URLSearchParams({ [kind]: name })}`);
    if (mine !== turn) return;
    spread = found;
    now = { minimum: found.minimum, maximum: found.maximum };
    side = now.minimum === null && now.maximum !== null ? "maximum" : "minimum";
    find("limit").replaceChildren(
      make("h2", {}, rule() ? `${name}: ${about().label}` : about().label, about().unit ? make("small", {}, about().unit) : null),
      make("p", { id: "left", "aria-live": "polite" }, "…"),
      make("div", { class: "moving" }, make("div", { id: "drawing" }), make("div", { class: "range" }, ...SIDES.map(slider)), make("div", { class: "ends soft" }, make("span", {}, number(found.low)), make("span", {}, number(found.high)))),
      make("div", { class: "row" }, ...SIDES.map(field), make("button", { type: "button", onclick: reset }, rule() ? "Recorded limits " : "No limit ", make("kbd", {}, "0"))),
      make("div", { class: "explained" }, ...explained()),
      make("div", { id: "near" }), make("div", { id: "commands" }));
    redraw();
    refresh();
  } catch (error) { find("limit").replaceChildren(); report(error.message); }
}

function reset() {
  const own = rule();
  now = { minimum: own?.minimum ?? null, maximum: own?.maximum ?? null };
  set(side, now[side]);
}

function press(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || find("keys").open || (target.tagName === "INPUT" && target.type === "number") || target.tagName === "PRE") return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "ArrowLeft" || key === "ArrowRight") {
    if (target.type === "range") return;
    event.preventDefault();
    slid(side, place(side) + (key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 10 : 1));
  } else if (key === "m") { side = SIDES.find((one) => one !== side); redraw(); refresh(); }
  else if (key === "0") reset();
  else if (key === "c") copy(commands.build?.text ?? commands.select?.text ?? "");
  else if (key === "?") find("help").click();
  else if (key === "[" || key === "]") {
    const all = subjects(), at = all.findIndex(([kind, name]) => kind === subject()[0] && name === subject()[1]), next = all[at + (key === "[" ? -1 : 1)];
    if (next) choose(...next);
  }
}

async function begin() {
  const named = await dataset();
  find("name").textContent = "Limits";
  find("main").replaceChildren(make("p", { class: "soft" }, "Counting. Of many clips the columns are copied first, which takes a while after the start of the server."));
  facts = await ask("/api/limits");
  find("totals").replaceChildren(`${named.name}: `, make("strong", {}, number(facts.kept.clips)), ` clips kept, ${number(facts.rejected)} rejected`);
  keyList(KEYS);
  document.addEventListener("keydown", press);
  window.addEventListener("popstate", show);
  if (!subjects().length) { find("main").replaceChildren(make("p", { class: "soft" }, "Clips have no numbers.")); return; }
  await show();
}

begin().catch((error) => report(error.message));
