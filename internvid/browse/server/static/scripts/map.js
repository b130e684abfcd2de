import { Plane, palette } from "./map_plane.js";
import { ask, change, clock, dataset, footage, make, number, readOnly } from "./parts.js";

const find = (id) => document.getElementById(id);
const KEYS = [["← → ↑ ↓", "move; while selecting, move the box"], ["Shift and arrows", "while selecting, the box's far corner"], ["+ −", "nearer, farther"], ["0", "the whole map"], ["S", "select, or move again"], ["Enter", "open the clip in the middle; while selecting, take the box"], ["Esc", "give the box up"], ["Shift and drag", "select"]];
let facts, about, plane, request = 0, looked = 0, timer = 0, lookTimer = 0;

const state = () => new URLSearchParams(location.search);
const axes = () => [`${about.map}_x`, `${about.map}_y`];

// What the grid would show: all but how the map is drawn.
function filters(withBox = true) {
  const fields = state();
  for (const name of ["map", "colour"]) fields.delete(name);
  if (!withBox) axes().forEach((name) => fields.delete(name));
  return fields;
}

function go(changes) {
  const next = state();
  for (const [name, value] of Object.entries(changes)) { next.delete(name); if (value) next.set(name, value); }
  history.pushState(null, "", next.size ? `/map?${next}` : "/map");
  return show();
}

function report(text) { find("message").textContent = text; }

function fail(error) {
  if (error.waiting) setTimeout(show, 700);
  report(error.message);
}

function given() {
  const [x, y] = axes().map((name) => state().get(name));
  if (!x || !y) return null;
  const [left, right] = x.split("..").map(Number), [low, high] = y.split("..").map(Number);
  return [left, right, low, high].every(Number.isFinite) ? { left, right, low, high } : null;
}

async function show() {
  const mine = ++request, fields = state();
  report("");
  try {
    const found = await ask(`/api/map?${fields}`);
    if (mine !== request) return;
    if (!found.maps.length) { nothing(found.commands); return; }
    const isOther = !about || about.map !== found.map;
    about = found;
    for (const id of ["stage", "shade", "maptools"]) find(id).hidden = false;
    find("map").replaceChildren(...found.maps.map((name) => make("option", { value: name }, name)));
    find("map").value = found.map;
    find("which").hidden = found.maps.length < 2;
    find("colour").value = fields.get("colour") || "";
    find("totals").replaceChildren(make("strong", {}, number(found.clips)), " clips on the map");
    chips();
    legend();
    plane.colour(palette(found.shades, accent()));
    plane.box = given();
    if (isOther) plane.whole(found.bounds); else plane.draw();
    await load();
    await chosen(mine);
  } catch (error) { if (mine === request) fail(error); }
}

function accent() {
  const probe = make("canvas", { width: 1, height: 1 }).getContext("2d");
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--kept").trim();
  probe.fillRect(0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

function nothing(commands) {
  find("none").hidden = false;
  find("totals").textContent = "";
  find("none").replaceChildren(make("h2", {}, "There is no map yet"), make("p", {}, "A map lays the clips out so that those whose vectors are near lie near each other. In the shell:"), make("pre", {}, make("code", {}, commands.join("\n"))), make("p", {}, "Then start internvid browse again."));
}

function chips() {
  const list = find("chips"), own = new Set([...axes(), "map", "colour"]);
  list.replaceChildren(...[...state()].filter(([name]) => !own.has(name)).map(([name, value]) => make("li", {}, make("button", { type: "button", title: "Take away", onclick: () => go({ [name]: null }) }, `${name.replace(/~$/, " has")} ${value || "none"} ×`))));
}

function legend() {
  const box = find("legend"), { shades } = about;
  box.replaceChildren();
  if (!shades) return;
  const colours = palette(shades, accent());
  if (shades.kind === "number") {
    const ramp = make("canvas", { width: 254, height: 1, "aria-hidden": "true" }), context = ramp.getContext("2d");
    for (let at = 0; at < 254; at += 1) { context.fillStyle = `rgb(${colours[at]})`; context.fillRect(at, 0, 1, 1); }
    box.append(number(shades.low), ramp, number(shades.high));
    return;
  }
  const entry = (colour, name) => { const dot = make("i", { "aria-hidden": "true" }); dot.style.background = `rgb(${colour})`; return make("span", {}, dot, name); };
  box.append(...shades.words.map((word, at) => entry(colours[at], word)), entry(colours[255], shades.kind === "flag" ? "not known" : "others, none"));
}

// What lies in the part that is seen; points that are all here stay as they are.
async function load() {
  const shown = plane.part, key = `${filters(false)} ${about.map} ${state().get("colour") || ""}`;
  if (shown && shown.key === key && shown.isAll) return;
  const mine = ++looked, isFirst = !shown || shown.key !== key;
  const box = isFirst && shown === null ? grown(about.bounds) : plane.seen(0.3);
  const fields = filters(false);
  fields.set("map", about.map);
  if (state().get("colour")) fields.set("colour", state().get("colour"));
  fields.set("box", [box.left, box.right, box.low, box.high].join(","));
  const answer = await fetch(`/api/map/part?${fields}`);
  if (answer.status !== 200) { await ask(`/api/map/part?${fields}`); return; }
  const data = await answer.arrayBuffer();
  if (mine !== looked) return;
  const kind = answer.headers.get("x-map-kind"), clips = Number(answer.headers.get("x-map-clips"));
  const count = data.byteLength / 9, two = new DataView(data).buffer;
  const part = kind === "points"
    ? { kind, x: new Float32Array(two, 0, count), y: new Float32Array(two, 4 * count, count), shade: new Uint8Array(two, 8 * count, count) }
    : { kind, cell: new Uint32Array(two, 0, count), clips: new Uint32Array(two, 4 * count, count), shade: new Uint8Array(two, 8 * count, count) };
  plane.show({ ...part, key, box, isAll: kind === "points" && clips === about.clips });
  find("canvas").dataset.kind = kind;
  find("canvas").dataset.clips = String(clips);
}

function grown({ left, right, low, high }) {
  const wide = 0.001 * (right - left) || 1e-6, tall = 0.001 * (high - low) || 1e-6;
  return { left: left - wide, right: right + wide, low: low - tall, high: high + tall };
}

function moved() {
  if (!about) return;
  hide();
  clearTimeout(timer);
  timer = setTimeout(() => load().catch(fail), 160);
}

async function nearest(x, y, reach) {
  const fields = filters(false);
  fields.set("map", about.map);
  fields.set("at", [x, y, reach].join(","));
  return (await ask(`/api/map/clip?${fields}`)).clip;
}

function hide() { clearTimeout(lookTimer); find("card").hidden = true; }

function hovered(x, y, reach) {
  clearTimeout(lookTimer);
  lookTimer = setTimeout(async () => {
    const clip = await nearest(x, y, reach).catch(() => null);
    if (!clip) { find("card").hidden = true; return; }
    const card = find("card"), [left, top] = plane.toScreen(x, y), width = find("plane").clientWidth, height = find("plane").clientHeight;
    const text = Object.values(clip.texts)[0] || "";
    card.replaceChildren(make("img", { src: `/film/${clip.clip_id}.jpg?frames=1`, alt: "" }), make("p", {}, text), make("small", {}, `${clip.title} · ${clock(clip.start_seconds)}`));
    card.hidden = false;
    card.style.left = `${Math.max(6, Math.min(width - 226, left + 14))}px`;
    card.style.top = `${top > height / 2 ? Math.max(6, top - card.offsetHeight - 14) : top + 14}px`;
  }, 70);
}

async function picked(x, y, reach) {
  const clip = await nearest(x, y, reach).catch(() => null);
  if (clip) location.href = `/clip/${clip.clip_id}`;
}

function marked(box) {
  plane.mark(false);
  tools();
  const text = (low, high) => `${Number(low.toPrecision(6))}..${Number(high.toPrecision(6))}`;
  const [x, y] = axes();
  go({ [x]: box && text(box.left, box.right), [y]: box && text(box.low, box.high) });
}

async function chosen(mine) {
  const place = find("chosen");
  if (!plane.box) {
    place.replaceChildren(make("p", { class: "soft" }, "Drag with Select, or with Shift held, to choose a part of the map. Point at a clip to see it, click to open it."));
    return;
  }
  const fields = filters(), [totals, page] = await Promise.all([ask(`/api/totals?${fields}`), ask(`/api/clips?${fields}`)]);
  if (mine !== request) return;
  const note = make("p", { class: "soft", role: "status" });
  const field = make("input", { type: "text", required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", "aria-label": "Name of the subset", placeholder: "name of a subset" });
  const save = async (event) => {
    event.preventDefault();
    note.textContent = "…";
    try {
      const query = [...fields].filter(([name]) => !["page", "sort", "seed"].includes(name));
      const saved = await change("/api/subsets", { name: field.value, query });
      note.textContent = `${number(saved.clips)} clips are the subset ${saved.name}.`;
    } catch (error) { note.textContent = error.message; }
  };
  place.replaceChildren(make("h2", {}, `${number(totals.clips)} ${totals.clips === 1 ? "clip" : "clips"}`, make("small", {}, footage(totals.seconds))),
    make("a", { class: "do", id: "open", href: `/?${fields}` }, "Open in the grid"), make("button", { type: "button", class: "do", onclick: () => marked(null) }, "Give the box up"),
    ...(readOnly ? [] : [make("form", { onsubmit: save }, field, make("button", {}, "Save"))]), note,
    make("ul", { class: "likeness" }, ...page.clips.slice(0, 12).map((clip) => make("li", {}, make("a", { href: `/clip/${clip.clip_id}` }, make("img", { src: `/film/${clip.clip_id}.jpg?frames=1`, alt: "", loading: "lazy" }), make("span", {}, clip.title), make("small", {}, clock(clip.start_seconds)))))));
}

function tools() {
  find("move").setAttribute("aria-pressed", String(!plane.isMarking));
  find("mark").setAttribute("aria-pressed", String(plane.isMarking));
}

function marking(isOn) {
  plane.mark(isOn);
  tools();
  if (isOn && document.activeElement === find("canvas")) plane.nudge(0, 0, false);
}

function middle() { return [plane.view.x, plane.view.y, 4 * plane.reach()]; }

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  if (event.key in arrows) {
    const [across, up] = arrows[event.key];
    if (plane.isMarking) plane.nudge(across, up, event.shiftKey);
    else { plane.move(-60 * across, 60 * up); hovered(...middle()); }
  } else if (event.key === "+" || event.key === "=") plane.zoom(1.4);
  else if (event.key === "-") plane.zoom(1 / 1.4);
  else if (event.key === "0") plane.whole();
  else if (event.key.toLowerCase() === "s") marking(!plane.isMarking);
  else if (event.key === "?") keys();
  else if (event.key === "Enter") { if (plane.isMarking && plane.box) marked(plane.box); else picked(...middle()); }
  else if (event.key === "Escape") { hide(); if (plane.isMarking) marking(false); plane.box = given(); plane.draw(); }
  else return;
  event.preventDefault();
}

function keys() {
  const box = find("keys");
  box.replaceChildren(make("div", { class: "inside" }, make("h2", {}, "Keys"), make("dl", {}, ...KEYS.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)]))));
  box.showModal();
}

async function begin() {
  facts = await dataset();
  document.title = `${facts.name} – map – internvid browse`;
  find("name").textContent = facts.name;
  for (const column of facts.facets) if (["number", "word", "flag"].includes(column.kind)) find("colour").append(make("option", { value: column.name }, column.label));
  plane = new Plane(find("canvas"), { moved, hovered: (x, y, reach) => { if (about) hovered(x, y, reach); }, picked: (x, y, reach) => { if (about) picked(x, y, reach); }, marked, left: hide });
  find("map").addEventListener("change", () => go({ ...Object.fromEntries(axes().map((name) => [name, null])), map: find("map").value }));
  find("colour").addEventListener("change", () => go({ colour: find("colour").value }));
  find("move").addEventListener("click", () => marking(false));
  find("mark").addEventListener("click", () => marking(true));
  find("nearer").addEventListener("click", () => plane.zoom(1.4));
  find("farther").addEventListener("click", () => plane.zoom(1 / 1.4));
  find("whole").addEventListener("click", () => plane.whole());
  find("help").addEventListener("click", keys);
  find("keys").addEventListener("click", (event) => { if (event.target === find("keys")) find("keys").close(); });
  find("canvas").addEventListener("keydown", press);
  window.addEventListener("popstate", show);
  await show();
}

begin().catch((error) => report(error.message));
