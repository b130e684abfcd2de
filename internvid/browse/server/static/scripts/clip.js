import { captions, recorded, scores, table } from "./clip_answers.js";
import { resembling } from "./meaning.js";
import { placeSlider, playback } from "./playback.js";
import { LABELS, ask, clock, dataset, footage, make, readOnly, review, reviewing, toggled, undo } from "./parts.js";
import { player as film } from "./player.js";
import { sourceLine } from "./source_line.js";
import { transcript } from "./transcript.js";

const find = (id) => document.getElementById(id);
const KEYS = [["← →", "the shot before, the next one"], ["Space", "stop, go on"], [", .", "a frame back, a frame on"], ["V", "whole source, or around this clip"], ["A", "keep"], ["R", "reject"], ["U", "unsure"], ["1 – 9", "labels"], ["Z", "undo"], ["C", "copy the link, with the place"], ["?", "this list"]];
let clip, player;

const state = () => new URLSearchParams(location.search);
const isNear = () => state().get("range") === "near";

function report(text) { find("note").textContent = text; }

function neighbour(step) {
  const at = clip.clips.findIndex((one) => one.clip_id === clip.clip_id) + step;
  if (clip.clips[at]) location.href = `/clip/${clip.clips[at].clip_id}${isNear() ? "?range=near" : ""}`;
}

function turn() {
  const next = state();
  if (isNear()) next.delete("range"); else next.set("range", "near");
  history.replaceState(null, "", `${location.pathname}${next.toString() ? `?${next}` : ""}`);
  drawLine();
}

function drawLine() { find("line").replaceChildren(sourceLine(clip, player, isNear(), turn, report)); }

const link = () => `${location.origin}/clip/${clip.clip_id}?t=${player.now().toFixed(2)}`;

async function copy() {
  try { await navigator.clipboard.writeText(link()); report("The link is copied."); }
  catch { report(link()); }
}

function drawTexts() {
  find("captions").replaceChildren(captions(clip, report, reload));
  const list = recorded(clip);
  find("recorded").replaceChildren(...(list ? [list] : []));
}

async function reload() {
  const fresh = await ask(`/api/clip/${clip.clip_id}`);
  Object.assign(clip, fresh);
  drawTexts();
}

function keys() {
  find("keys").replaceChildren(make("div", { class: "inside" }, make("h2", {}, "Keys"), make("dl", {}, ...KEYS.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)]))));
  find("keys").showModal();
}

async function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || find("keys").open) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, verdicts = { a: "keep", r: "reject", u: "unsure" };
  const isMedia = event.target.tagName === "VIDEO", frame = 1 / (clip.row.fps || 25);
  if (key === "ArrowRight" && !isMedia) neighbour(1);
  else if (key === "ArrowLeft" && !isMedia) neighbour(-1);
  else if (key === " " && !isMedia && !/^(BUTTON|SUMMARY|A)$/.test(event.target.tagName)) { event.preventDefault(); player.toggle(); }
  else if (key === ",") player.step(-frame);
  else if (key === ".") player.step(frame);
  else if (key === "v") turn();
  else if (key === "c") await copy();
  else if (key === "?") keys();
  else if (!readOnly && key in verdicts) await review(clip, { verdict: clip.verdict === verdicts[key] ? null : verdicts[key] }).then(reload).catch((error) => report(error.message));
  else if (!readOnly && LABELS.includes(key)) await review(clip, { labels: toggled(clip.labels, key) }).then(reload).catch((error) => report(error.message));
  else if (!readOnly && key === "z") await undo().then(reload).catch((error) => report(error.message));
}

function raw() {
  return make("details", {}, make("summary", {}, "The row as JSON"), make("pre", { class: "prompt" }, JSON.stringify(clip.row, null, 2)));
}

async function begin() {
  await dataset();
  clip = await ask(`/api/clip/${location.pathname.split("/").pop()}`);
  document.title = `${clip.title} ${clock(clip.start_seconds)} – internvid browse`;
  find("name").textContent = clip.title;
  const place = film(clip), first = Number.parseFloat(state().get("t"));
  player = playback(place, clip, Number.isFinite(first) ? first : null);
  const spoken = transcript(clip, player);
  const source = clip.source, described = Object.entries(source.metadata || {}).map(([name, one]) => [name, typeof one === "object" ? JSON.stringify(one) : one]);
  find("main").replaceChildren(
    make("p", { id: "note", role: "status" }),
    make("div", { class: "view" }, make("div", {}, place, placeSlider(clip, player)),
      make("div", {}, make("h2", {}, `${clock(clip.start_seconds)} – ${clock(clip.end_seconds)}`, make("small", {}, `${footage(clip.end_seconds - clip.start_seconds)}${clip.kept ? "" : `, rejected: ${clip.reason.replaceAll("_", " ")}`}`)),
        reviewing(clip, report), make("p", { class: "acts" }, make("a", { href: `/clip/${clip.clip_id}` }, clip.clip_id), make("button", { type: "button", class: "do", onclick: copy }, "Copy link")), spoken)),
    make("section", {}, make("h2", {}, "Captions"), make("div", { id: "captions" })),
    make("div", { id: "line" }),
    scores(clip),
    make("div", { id: "recorded" }),
    resembling(clip),
    make("section", {}, make("h2", {}, "Stored frames"), make("div", { class: "stills" }, ...clip.picks.map((pick) => make("button", { type: "button", "aria-label": `go to ${clock(pick.seconds)}`, onclick: () => player.seek(pick.seconds) }, make("img", { src: `/pick/${clip.clip_id}/${pick.frame}.jpg`, alt: `at ${clock(pick.seconds)}`, title: clock(pick.seconds), loading: "lazy" }))))),
    make("section", {}, make("h2", {}, "Source"), table([["uri", source.uri], ["size", source.width && `${source.width} × ${source.height}`], ["format", [source.container, source.codec].filter(Boolean).join(", ")], ["length", source.duration_seconds && footage(source.duration_seconds)], ...described])),
    make("section", {}, make("h2", {}, "Every column"), table(Object.entries(clip.row)), raw()));
  drawTexts();
  drawLine();
  find("help").addEventListener("click", keys);
  find("keys").addEventListener("click", (event) => { if (event.target === find("keys")) find("keys").close(); });
  document.addEventListener("keydown", press);
}

begin().catch((error) => { find("main").textContent = error.message; });
