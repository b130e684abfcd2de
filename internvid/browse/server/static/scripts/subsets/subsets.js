import { comparison } from "./comparison.js";
import { exporting } from "./exports.js";
import { ask, dataset, footage, make, number, readOnly } from "./parts.js";

const find = (id) => document.getElementById(id);
const KEYS = [["↑ ↓", "move among subsets"], ["Enter", "its clips in the grid"], ["A, B", "compare it, as one side or the other"], ["E", "export it"], ["?", "this list"]];
const ALL = { name: "", title: "All kept clips" };
let facts, listed, rows = [];

const state = () => new URLSearchParams(location.search);

// The address has the state of the whole page.
function go(fields, replace = false) {
  const next = state();
  for (const [name, value] of Object.entries(fields)) {
    next.delete(name);
    if (value !== null && value !== undefined) next.append(name, value);
  }
  history[replace ? "replaceState" : "pushState"](null, "", next.toString() ? `/subsets?${next}` : "/subsets");
  show();
}

function report(text, isTrouble = true) {
  find("message").textContent = text;
  find("message").classList.toggle("soft", !isTrouble);
}

function made(subset) {
  const words = subset.fields.map((field) => `${field.name} ${field.value}`).join(", ");
  return [make("strong", {}, subset.is_known ? subset.selector : "recipe lost"), words && ` ${words}`, subset.from ? `, from ${subset.from}` : ""];
}

function side(subset, name) {
  const isOn = state().get(name) === subset.name;
  return make("button", { type: "button", "aria-pressed": String(isOn), "aria-label": `${subset.title || subset.name} as side ${name.toUpperCase()} of the comparison`, onclick: () => put(subset, name) }, name.toUpperCase());
}

function put(subset, name) {
  const isOn = state().get(name) === subset.name, other = name === "a" ? "b" : "a";
  const fields = { [name]: isOn ? null : subset.name, seed: null };
  // One side alone is compared with all kept clips.
  if (!isOn && subset.name && !state().has(other)) fields[other] = "";
  if (!isOn && state().get(other) === subset.name) fields[other] = null;
  go(fields);
}

function entry(subset) {
  const isAll = subset.name === "", share = listed.clips ? subset.clips / listed.clips : 0;
  const bar = make("svg", { class: "share", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": `${number(Math.round(100 * share))} % of all kept clips` },
    make("rect", { class: "track", x: 0, y: 0, width: 100, height: 6 }), make("rect", { class: "fill", x: 0, y: 0, width: 100 * Math.min(1, share), height: 6 }));
  return make("li", { class: "subset", tabindex: "0", "data-name": subset.name, "aria-label": `${subset.title || subset.name}, ${number(subset.clips)} clips` },
    make("div", { class: "who" }, make("a", { href: isAll ? "/" : `/?subset=${encodeURIComponent(subset.name)}` }, subset.title || subset.name),
      make("p", { class: "soft" }, ...(isAll ? ["what the filters of the cut left"] : made(subset))),
      isAll || subset.is_current || !subset.is_known ? null : make("p", { class: "warn" }, `chosen from another cut, ${subset.cut}`)),
    make("p", { class: "much" }, make("strong", {}, number(subset.clips)), " clips", make("small", {}, subset.hours === null || subset.hours === undefined ? "" : ` ${footage(3600 * subset.hours)}`), bar),
    make("div", { class: "acts" }, side(subset, "a"), side(subset, "b"), make("button", { type: "button", onclick: () => choose(subset) }, "Export")));
}

function choose(subset) {
  go({ subset: subset.name });
  find("export").scrollIntoView({ block: "start" });
  find("export").querySelector("select, input")?.focus({ preventScroll: true });
}

function draw() {
  const focused = document.activeElement?.closest?.(".subset")?.dataset.name, button = document.activeElement?.textContent;
  find("subsets").replaceChildren(...rows.map(entry));
  if (focused === undefined) return;
  const again = [...document.querySelectorAll(".subset")].find((one) => one.dataset.name === focused);
  const inside = again && [...again.querySelectorAll("button")].find((one) => one.textContent === button);
  (inside || again)?.focus({ preventScroll: true });
}

function show() {
  draw();
  comparison(find("comparison"), state(), facts, rows, go);
  exporting(find("export"), state(), rows, go);
}

function keys() {
  find("keys").replaceChildren(make("div", { class: "inside" }, make("h2", {}, "Keys"), make("dl", {}, ...KEYS.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)]))));
  find("keys").showModal();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "?") { keys(); return; }
  const all = [...document.querySelectorAll(".subset")], own = document.activeElement?.closest?.(".subset"), at = all.indexOf(own);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (at < 0 && document.activeElement !== document.body) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + (event.key === "ArrowDown" ? 1 : -1)))]?.focus();
    return;
  }
  if (at < 0 || !rows[at]) return;
  const key = event.key.toLowerCase();
  if (event.key === "Enter" && event.target === own) location.href = own.querySelector("a").href;
  else if (key === "a" || key === "b") put(rows[at], key);
  else if (key === "e") { event.preventDefault(); choose(rows[at]); }
}

async function begin() {
  facts = await dataset();
  document.title = `${facts.name}: subsets – internvid browse`;
  find("name").textContent = facts.name;
  listed = await ask("/api/subsets");
  rows = [{ ...ALL, clips: listed.clips, hours: listed.hours, fields: [], is_known: true, is_current: true }, ...listed.subsets];
  find("totals").replaceChildren(make("strong", {}, number(listed.subsets.length)), listed.subsets.length === 1 ? " subset" : " subsets");
  if (!listed.subsets.length) report(readOnly ? "There are no subsets." : "There are no subsets yet: filter clips or mark them with X, then save them.", false);
  find("help").addEventListener("click", keys);
  find("keys").addEventListener("click", (event) => { if (event.target === find("keys")) find("keys").close(); });
  window.addEventListener("popstate", show);
  document.addEventListener("keydown", press);
  show();
}

begin().catch((error) => report(error.message));
