import { ask, change, footage, make, number, readOnly } from "./parts.js";

// An export: what is chosen stands in the address, the command is that of the choice, and one
// process at a time writes to a new folder of the machine that serves the page.
const OWN = ["a", "b", "seed"];
const MAIN = ["caption", "cut.fps", "cut.size"];
let choices = null, exports = null, box, state, subsets, go, drawn = "", timer = 0, asked = 0;

export async function exporting(into, address, listed, change_address) {
  [box, state, subsets, go] = [into, address, listed, change_address];
  try {
    [choices, exports] = [choices ?? await ask("/api/exports/choices"), exports ?? await ask("/api/exports")];
  } catch (error) { box.replaceChildren(make("h2", { id: "export-head" }, "Export"), make("p", { class: "soft" }, error.message)); return; }
  const key = chosen().toString();
  if (drawn === key && box.childElementCount) return;
  drawn = key;
  form();
  follow();
}

function chosen() {
  const fields = new URLSearchParams();
  for (const [name, value] of state) if (!OWN.includes(name)) fields.append(name, value);
  if (!fields.has("exporter")) fields.append("exporter", "folder");
  return fields;
}

const exporter = () => choices.exporters.find((one) => one.name === chosen().get("exporter")) ?? choices.exporters[0];

function option(value, text, isOn) { const one = make("option", { value }, text); one.selected = isOn; return one; }

function select(label, name, options, value) {
  const field = make("select", { "aria-label": label, name, onchange: () => go(reset(name, field.value), true) }, ...options.map(([one, text]) => option(one, text, one === value)));
  return make("label", { class: "field stacked" }, label, field);
}

// Another exporter has other fields: those that it lacks go.
function reset(name, value) {
  const fields = { [name]: value || null };
  if (name !== "exporter") return fields;
  const next = choices.exporters.find((one) => one.name === value), known = next.fields.map((one) => one.name);
  for (const [field] of state) if (!OWN.includes(field) && !["subset", "exporter", "preset", ...known].includes(field)) fields[field] = null;
  if (!next.takes_preset) fields.preset = null;
  return fields;
}

// What holds where nothing is chosen: the preset's value, else the exporter's own.
function usual(field) {
  const preset = choices.presets.find((one) => one.name === state.get("preset"));
  const value = preset?.sets[field.name] ?? field.value;
  return value === "none" ? "" : value;
}

function setting(field) {
  const value = state.get(field.name);
  if (field.choices.length) return select(field.label, field.name, field.choices.map((one) => [one === field.value ? "" : one, one]), value ?? "");
  const list = field.name === "caption" ? make("datalist", { id: "captions" }, ...choices.captions.map((one) => make("option", { value: one }))) : null;
  const input = make("input", { type: "text", name: field.name, value: value ?? "", placeholder: usual(field), autocomplete: "off", spellcheck: "false", list: list ? "captions" : null, onchange: () => go({ [field.name]: input.value === "" ? null : input.value }, true) });
  return make("label", { class: "field stacked" }, field.label, input, list);
}

function form() {
  const open = box.querySelector("details.more")?.open, name = box.querySelector("#export-name")?.value ?? "", focused = document.activeElement?.name;
  const kind = exporter(), fields = kind.fields, more = fields.filter((one) => !MAIN.includes(one.name));
  const command = make("pre", { class: "command", tabindex: "0", "aria-label": "Command" }, "…");
  const note = make("p", { class: "soft", role: "status", id: "export-note" });
  const plan = make("div", { id: "plan" });
  const field = make("input", { id: "export-name", name: "export-name", type: "text", value: name, placeholder: "name of the new folder", "aria-label": "Name of the new folder", autocomplete: "off", maxlength: 100, oninput: () => line(command, note) });
  const hasName = exports.root !== null && !readOnly;
  const start = make("button", { type: "submit", id: "start" }, "Start");
  box.replaceChildren(make("h2", { id: "export-head" }, "Export"),
    make("form", { class: "exporting card", onsubmit: (event) => { event.preventDefault(); begin(field.value, note); } },
      make("div", { class: "fields" },
        select("Clips", "subset", subsets.map((one) => [one.name, one.name || "all kept clips"]), state.get("subset") ?? ""),
        select("Exporter", "exporter", choices.exporters.map((one) => [one.name, one.name]), kind.name),
        kind.takes_preset ? select("Preset", "preset", [["", "none"], ...choices.presets.map((one) => [one.name, one.name])], state.get("preset") ?? "") : null,
        ...fields.filter((one) => MAIN.includes(one.name)).map(setting)),
      make("p", { class: "soft" }, kind.does.replaceAll("`", "")),
      more.length ? make("details", { class: "more" }, make("summary", {}, "More options"), make("div", { class: "fields" }, ...more.map(setting))) : null,
      make("div", { class: "line-of-command" }, command, make("button", { type: "button", onclick: () => copy(command, note) }, "Copy")),
      make("div", { class: "acts" }, make("button", { type: "button", id: "falls-out", onclick: () => planned(plan, note) }, "What falls out"), hasName ? field : null, hasName ? start : null),
      hasName ? make("p", { class: "soft" }, `It is written to a new folder in ${exports.root}.`) : make("p", { class: "soft" }, readOnly ? "This page changes nothing: paste the command into a shell." : "Paste the command into a shell; to start it from here, serve with --exports FOLDER."),
      note, plan), make("p", { id: "job-status", class: "unseen", role: "status" }), make("div", { id: "job" }));
  const details = box.querySelector("details.more");
  if (details) details.open = open || more.some((one) => state.has(one.name));
  if (focused) box.querySelector(`[name="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  line(command, note);
}

async function line(command, note) {
  const mine = ++asked, name = box.querySelector("#export-name")?.value ?? "";
  const fields = chosen();
  if (name) fields.append("name", name);
  try {
    const found = await ask(`/api/exports/command?${fields}`);
    if (mine === asked) { command.textContent = found.command; note.textContent = ""; }
  } catch (error) { if (mine === asked) { command.textContent = "–"; note.textContent = error.message; } }
}

async function copy(command, note) {
  try { await navigator.clipboard.writeText(command.textContent); note.textContent = "The command is copied."; }
  catch {
    getSelection().selectAllChildren(command);
    note.textContent = "The command is selected: copy it by key.";
  }
}

async function planned(into, note) {
  note.textContent = "counting …";
  into.replaceChildren();
  try {
    const plan = await ask(`/api/exports/plan?${chosen()}`);
    note.textContent = "";
    into.replaceChildren(...drops(plan));
  } catch (error) { note.textContent = error.message; }
}

function table(head, rows) {
  return make("table", { class: "figures-of" }, make("thead", {}, make("tr", {}, ...head.map((one, at) => make("th", { scope: "col", class: at ? "right" : null }, one)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((one, at) => at ? make("td", { class: "right" }, one) : make("th", { scope: "row" }, one))))));
}

function drops(plan) {
  const dropped = Object.entries(plan.dropped || {}), buckets = plan.buckets || [];
  const parts = [make("p", {}, make("strong", {}, `${number(plan.clips)} clips, ${number(plan.windows)} windows, ${footage(3600 * plan.hours)}`), " would be written.")];
  parts.push(dropped.length ? table(["falls out", "clips"], dropped.map(([reason, clips]) => [reason.replaceAll("_", " "), number(clips)])) : make("p", { class: "soft" }, "No clip falls out."));
  if (plan.unused_hours > 0) parts.push(make("p", { class: "soft" }, `${footage(3600 * plan.unused_hours)} of these clips are in no window.`));
  if (buckets.length) {
    parts.push(table(["frames and size", "windows", "together"], buckets.slice(0, 12).map((one) => [`${number(one.frames)} · ${one.width}×${one.height}`, number(one.windows), footage(3600 * one.hours)])));
    if (buckets.length > 12) parts.push(make("p", { class: "soft" }, `and ${number(buckets.length - 12)} more sorts of windows`));
  }
  if (plan.tokens) parts.push(make("p", { class: "soft" }, `${number(plan.tokens.texts_over_limit)} texts have more than ${number(plan.tokens.limit)} tokens; the longest has ${number(plan.tokens.longest)}.`));
  for (const text of plan.notes || []) parts.push(make("p", { class: "soft" }, text));
  return parts;
}

async function begin(name, note) {
  note.textContent = "";
  const again = exports.job?.can_go_on && exports.job.name === name;
  try {
    exports.job = (await change("/api/exports", { name, choice: [...chosen()] })).job;
    note.textContent = again ? "It goes on." : "";
    follow();
  } catch (error) { note.textContent = error.message; }
}

async function cancel() {
  try { exports.job = (await change("/api/exports/cancel", {})).job; } catch (error) { box.querySelector("#export-note").textContent = error.message; }
  follow();
}

async function poll() {
  try { exports = await ask("/api/exports"); } catch { /* the server may be gone; the next one tells */ }
  follow();
}

// `writing clips: 12/41, 3.20 a second`
function progress(lines) {
  for (const text of [...lines].reverse()) {
    const found = /(\d+)\/(\d+)/.exec(text);
    if (found) return [Number(found[1]), Number(found[2])];
  }
  return [0, 0];
}

function follow() {
  clearTimeout(timer);
  const place = box.querySelector("#job"), job = exports?.job;
  if (!place || !job) return;
  const isRunning = job.state === "running", [done, all] = progress(job.lines);
  const words = { running: "is being written", done: "is written", cancelled: "was cancelled", failed: "failed" };
  const head = `${job.name} ${words[job.state]}`;
  const panel = make("div", { class: `card job ${job.state}` },
    make("h3", {}, head, make("small", {}, footage(job.seconds))),
    isRunning ? make("progress", { max: all || null, value: all ? done : null, "aria-label": "clips written" }) : null,
    isRunning && all ? make("p", {}, `${number(done)} of ${number(all)} clips`) : null,
    make("p", { class: "soft" }, job.folder),
    make("div", { class: "acts" }, isRunning && !readOnly ? make("button", { type: "button", onclick: cancel }, "Cancel") : null,
      job.can_go_on && !readOnly && exports.root !== null ? make("p", { class: "soft" }, "To go on with it, choose the same and start it under the same name.") : null),
    job.output && !isRunning ? make("pre", { class: "output" }, job.output) : null,
    make("details", { open: job.state === "failed" }, make("summary", {}, "What it says"), make("pre", { class: "output" }, [`$ ${job.command}`, ...job.lines].join("\n"))));
  const before = place.querySelector("details"), isOpen = before?.open;
  if (before && isRunning) panel.querySelector("details").open = isOpen;
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren(panel);
  if (hadFocus) panel.querySelector("button, summary")?.focus({ preventScroll: true });
  const status = box.querySelector("#job-status");
  if (status.textContent !== head) status.textContent = head;
  const start = box.querySelector("#start");
  if (start) start.disabled = isRunning;
  if (isRunning) timer = setTimeout(poll, 700);
}
