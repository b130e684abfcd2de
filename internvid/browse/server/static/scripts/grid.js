import { cell } from "./cells.js";
import { fill } from "./facets.js";
import { failedSources } from "./failed.js";
import { MARK_KEYS, marking } from "./marks.js";
import { OWN_OF_MEANING, isCleared, likeThis, meaningChips, reflect, searched, setUp, waits, ways } from "./meaning.js";
import { KEYS, LABELS, ask, change, clock, dataset, footage, make, number, readOnly, review, reviewing, texts, toggled, undo } from "./parts.js";
import { player } from "./player.js";

const find = (id) => document.getElementById(id);
const OWN = ["kept", "sort", "seed", "page", "q", "subset", "outside", ...OWN_OF_MEANING];
const OPEN_FIRST = 4;
let facts, clips = [], here = 0, request = 0, pageIsLast = false;

const state = () => new URLSearchParams(location.search);
const isOfFailed = () => state().get("kept") === "failed";

function go(fields, evenEmpty = false) {
  const next = state();
  for (const [name, value] of Object.entries(fields)) {
    next.delete(name);
    if (value !== null && value !== undefined && (evenEmpty || value !== "")) next.append(name, value);
  }
  if (!("page" in fields)) next.delete("page");
  const text = next.toString();
  history.pushState(null, "", text ? `/?${text}` : "/");
  show();
}

function report(text) { find("message").textContent = text; }

function filters() {
  return [...state()].filter(([name]) => !OWN.includes(name));
}

async function show() {
  const mine = ++request, fields = state(), page = Number(fields.get("page") || 1);
  reflect(fields);
  find("kept").value = fields.get("kept") || "kept";
  find("sort").value = (fields.get("sort") || "").replace(/^-/, "");
  for (const name of ["subset", "outside"]) { const box = find(`by-${name}`); if (box) box.value = fields.get(name) || ""; }
  report("");
  const isFailed = fields.get("kept") === "failed";
  document.body.classList.toggle("of-failed", isFailed);
  if (isFailed) { await showFailed(fields, page, mine); return; }
  chips();
  try {
    const text = fields.toString();
    const found = await ask(`/api/clips?${text}`);
    if (mine !== request) return;
    clips = found.clips;
    pageIsLast = clips.length < facts.page;
    draw();
    find("where").textContent = `page ${page}`;
    find("back").disabled = page <= 1;
    find("on").disabled = pageIsLast;
    let totals = await ask(`/api/totals?${text}`);
    const copying = totals.copied < 1;
    const boxes = document.querySelectorAll("details.facet[open]");
    for (const box of boxes) refill(box, mine);
    for (;;) {
      if (mine !== request) return;
      const pages = Math.max(1, Math.ceil(totals.clips / facts.page)), share = Math.floor(100 * totals.copied);
      find("totals").replaceChildren(make("strong", {}, number(totals.clips)), ` clips, ${footage(totals.seconds)}`, totals.copied < 1 ? `, of the ${share} % read so far` : "");
      find("where").textContent = `page ${number(page)} of ${number(pages)}`;
      find("on").disabled = totals.copied === 1 && page >= pages;
      if (totals.copied === 1) break;
      await new Promise((ready) => setTimeout(ready, 1000));
      if (mine === request) totals = await ask(`/api/totals?${text}`);
    }
    // What was searched or sorted before all was read is looked for again.
    if (copying && (fields.get("sort") || fields.get("q") || filters().length || clips.length < facts.page)) show();
    else if (copying) for (const box of boxes) refill(box, mine);
  } catch (error) {
    if (mine === request) { report(error.message); waits(error, show); find("grid").replaceChildren(); find("totals").textContent = ""; }
  }
}

async function showFailed(fields, page, mine) {
  clips = [];
  find("q").placeholder = "Search failed sources";
  try {
    const found = await failedSources(fields, find("grid"), go);
    if (mine !== request) return;
    const pages = Math.max(1, Math.ceil(found.total / found.page_size));
    find("grid").replaceChildren(make("li", { class: "whole" }, found.filters, found.list));
    find("totals").replaceChildren(make("strong", {}, number(found.total)), found.total === 1 ? " source" : " sources");
    find("where").textContent = `page ${number(page)} of ${number(pages)}`;
    find("back").disabled = page <= 1;
    find("on").disabled = page >= pages;
  } catch (error) {
    if (mine === request) { report(error.message); find("grid").replaceChildren(); find("totals").textContent = ""; }
  }
}

function chips() {
  find("q").placeholder = "Search captions";
  const list = find("chips");
  list.replaceChildren(...meaningChips(state()));
  for (const [name, value] of filters()) {
    list.append(make("li", {}, make("button", { type: "button", title: "Take away", onclick: () => go({ [name]: null }) }, `${name.replace(/~$/, " has")} ${value || "none"} ×`)));
  }
  if (state().get("subset")) list.append(make("li", {}, make("button", { type: "button", onclick: () => go({ subset: null }) }, `subset ${state().get("subset")} ×`)));
  if (state().get("outside")) list.append(make("li", {}, make("button", { type: "button", onclick: () => go({ outside: null }) }, `not in ${state().get("outside")} ×`)));
  for (const box of document.querySelectorAll("details.facet")) {
    const name = box.dataset.name;
    box.classList.toggle("used", filters().some(([used]) => used.replace(/~$/, "") === name));
  }
}

function bySubset(name, title, none, subsets) {
  const select = make("select", { id: `by-${name}`, "aria-label": title, onchange: () => go({ [name]: select.value || null }) },
    make("option", { value: "" }, none), ...subsets.map((one) => make("option", { value: one }, one)));
  return make("label", { class: "field" }, `${title} `, select);
}

function drawn(clip, at) {
  return cell(clip, at, { onclick: () => { select(at); open(clip); }, onfocus: () => select(at, false) });
}

function draw() {
  here = 0;
  const grid = find("grid");
  grid.replaceChildren(...clips.map(drawn));
  if (!clips.length) grid.append(make("li", { class: "soft" }, "No clip fits. Take a filter away."));
}

function select(at, focus = true) {
  const cells = document.querySelectorAll(".cell");
  if (!cells.length) return;
  here = Math.max(0, Math.min(at, cells.length - 1));
  cells.forEach((one, number) => one.classList.toggle("here", number === here));
  if (focus) { cells[here].focus({ preventScroll: true }); cells[here].scrollIntoView({ block: "nearest" }); }
}

function open(clip) {
  const box = find("player");
  box.replaceChildren(make("div", { class: "inside" },
    make("div", { class: "view" }, make("div", {}, player(clip)),
      make("div", {}, make("h2", {}, clip.title, make("small", {}, `${clock(clip.start_seconds)} – ${clock(clip.end_seconds)}`)),
        reviewing(clip, report), texts(clip, report),
        ways(clip, state()), make("p", {}, make("a", { href: `/clip/${clip.clip_id}` }, "Everything about this clip"))))));
  if (!box.open) box.showModal();
  // Another clip in the open player: the keyboard stays in it.
  else (box.querySelector("video") || box.querySelector("button"))?.focus({ preventScroll: true });
}

function facet(column, at) {
  const box = make("details", { class: "facet", "data-name": column.name });
  box.append(make("summary", {}, column.label, column.unit ? make("small", {}, column.unit) : null), make("div", { class: "body" }));
  box.addEventListener("toggle", () => { if (box.open) refill(box, request); });
  box.open = at < OPEN_FIRST;
  return box;
}

function refill(box, mine) {
  if (state().get("kept") === "failed") return;
  const column = facts.facets.find((one) => one.name === box.dataset.name);
  fill(box.querySelector(".body"), column, state(), go, () => mine !== request);
}

function saving() {
  const box = find("ask");
  const field = make("input", { type: "text", required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", "aria-label": "Name of the subset", placeholder: "name" });
  const note = make("p", { class: "soft", role: "status" });
  const save = async (event) => {
    event.preventDefault();
    note.textContent = "…";
    try {
      const query = [...state()].filter(([name]) => !["page", "sort", "seed"].includes(name));
      const saved = await change("/api/subsets", { name: field.value, query });
      note.textContent = `${number(saved.clips)} clips are the subset ${saved.name}. In the shell: internvid publish DATASET FOLDER --subset ${saved.name}`;
    } catch (error) { note.textContent = error.message; }
  };
  box.replaceChildren(make("form", { class: "inside", onsubmit: save }, make("h2", {}, "Save what is shown as a subset"), field, " ", make("button", {}, "Save"), note));
  box.showModal();
  field.focus();
}

function keys() {
  const box = find("keys");
  box.replaceChildren(make("div", { class: "inside" }, make("h2", {}, "Keys"), make("dl", {}, ...[...KEYS, ...MARK_KEYS].flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)]))));
  box.showModal();
}

function columns() {
  const cells = [...document.querySelectorAll(".cell")];
  if (!cells.length) return 1;
  const top = cells[0].offsetTop;
  return cells.findIndex((one) => one.offsetTop > top) > 0 ? cells.findIndex((one) => one.offsetTop > top) : cells.length;
}

async function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox") {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, clip = clips[here];
  const isOpen = find("player").open, page = Number(state().get("page") || 1);
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
  const verdicts = { a: "keep", r: "reject", u: "unsure" };
  if (key in moves) {
    event.preventDefault();
    select(here + (isOpen ? Math.sign(moves[key]) : moves[key]), !isOpen);
    if (isOpen) open(clips[here]);
  } else if (key === "Enter" && clip && !isOpen && event.target.classList.contains("cell")) { event.preventDefault(); open(clip); }
  else if (key === "p" && clip) location.href = `/clip/${clip.clip_id}`;
  else if (key === "l" && clip) location.href = likeThis(clip, state());
  else if (key === "/") { event.preventDefault(); find("q").focus(); }
  else if (key === "?") keys();
  else if (key === "[" && page > 1) go({ page: page - 1 });
  else if (key === "]" && !find("on").disabled) go({ page: page + 1 });
  else if (!readOnly && clip && key in verdicts) await review(clip, { verdict: clip.verdict === verdicts[key] ? null : verdicts[key] }).catch((error) => report(error.message));
  else if (!readOnly && clip && LABELS.includes(key)) await review(clip, { labels: toggled(clip.labels, key) }).catch((error) => report(error.message));
  else if (!readOnly && key === "z") await undo().catch((error) => report(error.message));
}

document.addEventListener("reviewed", (event) => {
  const at = clips.findIndex((one) => one.clip_id === event.detail.clip_id);
  if (at < 0) return;
  const old = document.querySelectorAll(".cell")[at], focused = old === document.activeElement;
  const fresh = drawn(clips[at], at);
  fresh.classList.toggle("here", at === here);
  old.replaceWith(fresh);
  if (focused) fresh.focus({ preventScroll: true });
});

async function begin() {
  facts = await dataset();
  document.title = `${facts.name} – internvid browse`;
  find("name").textContent = facts.name;
  const sort = find("sort");
  sort.append(make("option", { value: "" }, "source and time"), make("option", { value: "random" }, "random"));
  for (const column of facts.facets) if (["number", "word", "flag"].includes(column.kind)) sort.append(make("option", { value: column.name }, column.label));
  sort.addEventListener("change", () => go({ sort: sort.value === "random" ? "random" : sort.value && `-${sort.value}`, seed: sort.value === "random" ? Math.floor(Math.random() * 1e6) : null }));
  find("turn").addEventListener("click", () => {
    const order = state().get("sort") || "";
    if (order === "random") go({ seed: Math.floor(Math.random() * 1e6) });
    else if (order) go({ sort: order.startsWith("-") ? order.slice(1) : `-${order}` });
  });
  find("kept").addEventListener("change", () => {
    const value = find("kept").value, isOther = value === "failed" || isOfFailed();
    // Sources have other filters than clips have.
    go({ ...(isOther ? Object.fromEntries([...state()].map(([name]) => [name, null])) : {}), kept: value === "kept" ? null : value });
  });
  find("search").addEventListener("submit", (event) => { event.preventDefault(); go(isOfFailed() ? { q: find("q").value } : searched(find("q").value)); find("q").blur(); });
  find("q").addEventListener("search", () => { if (isOfFailed() ? !find("q").value && state().get("q") : isCleared()) go(isOfFailed() ? { q: null } : searched(null)); });
  find("back").addEventListener("click", () => go({ page: Number(state().get("page") || 1) - 1 }));
  find("on").addEventListener("click", () => go({ page: Number(state().get("page") || 1) + 1 }));
  find("save").addEventListener("click", saving);
  find("save").hidden = facts.read_only;
  setUp({ facts, state, go, report });
  find("help").addEventListener("click", keys);
  find("filters").addEventListener("click", () => {
    const isOpen = find("facets").classList.toggle("open");
    find("filters").setAttribute("aria-expanded", String(isOpen));
  });
  const list = find("facets");
  if (facts.subsets.length) list.append(bySubset("subset", "Subset", "all clips", facts.subsets), bySubset("outside", "Not in subset", "–", facts.subsets));
  list.append(...facts.facets.map(facet));
  window.addEventListener("popstate", show);
  window.addEventListener("pageshow", (event) => { if (event.persisted) show(); });
  document.addEventListener("keydown", press);
  find("player").addEventListener("close", () => { find("player").replaceChildren(); select(here); });
  for (const box of document.querySelectorAll("dialog")) box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  marking(facts, () => clips, () => here, report);
  await show();
}

begin().catch((error) => report(error.message));
