import { make, number, readOnly, review } from "./parts.js";

// Captions beside each other and scores, each with what made it, whether it is proved to be of this
// clip, and what people did to it.
const BOUND = { yes: "bound to this clip: the seal holds", unsealed: "carries no seal: nothing is proved", seal: "the seal does not hold: not made from this clip's pictures and prompt", picture: "a frame that it was made from is not stored", clip: "the cut has no such clip" };

export const when = (text) => text ? new Date(text).toLocaleString() : "";

export function captions(clip, report, reload) {
  if (!clip.captions.length) return make("p", { class: "soft" }, "No captions yet.");
  return make("div", { class: "captions" }, ...clip.captions.map((one) => caption(clip, one, report, reload)));
}

function caption(clip, one, report, reload) {
  const box = make("article", { class: "card caption", "aria-label": `caption ${one.column}` });
  const corrected = one.correction?.text ?? null;
  const attempt = (text) => review(clip, { column: one.column, text }).then(reload).catch((error) => report(error.message));
  const edit = () => {
    const field = make("textarea", { "aria-label": `correct ${one.column}`, value: corrected ?? one.value ?? "" });
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) attempt(field.value.trim());
      if (event.key === "Escape") { event.preventDefault(); draw(); }
    });
    body.replaceChildren(field, make("p", { class: "acts" }, make("button", { type: "button", class: "do", onclick: () => attempt(field.value.trim()) }, "Save beside it"), make("button", { type: "button", class: "do", onclick: draw }, "Cancel")));
    field.focus();
  };
  const body = make("div", { class: "texts" });
  const draw = () => body.replaceChildren(
    one.value === null ? make("p", { class: "soft" }, `${one.status}: ${one.reason.replaceAll("_", " ")}`) : make("p", { class: corrected === null ? null : "old" }, one.value),
    ...(corrected === null ? [] : [make("p", {}, corrected), make("p", { class: "soft" }, `corrected by ${one.correction.author || "someone"}, ${when(one.correction.at)} `, readOnly ? null : make("button", { type: "button", class: "do", onclick: () => attempt(null) }, "Take back"))]));
  draw();
  const marks = [...one.health.map((reason) => reason.replaceAll("_", " ")), ...(one.is_stale ? ["made from a text that is another one now"] : []), ...(one.bound === "yes" ? [] : [BOUND[one.bound] || one.bound])];
  const parts = [make("h3", {}, one.column, readOnly || one.value === null ? null : make("button", { type: "button", class: "do", onclick: edit }, "Correct")), body,
    marks.length ? make("p", { class: "warn" }, marks.join("; ")) : null, ...compared(clip, one.column), made(one)];
  box.append(...parts.filter(Boolean));
  return box;
}

function compared(clip, column) {
  return (clip.comparisons || []).filter((one) => one.columns.includes(column)).map((one) => {
    const result = one.answer === "bad" ? "both are bad" : one.better === null ? "as good as the other" : one.better === column ? "better" : "worse";
    return make("p", { class: "soft" }, `compared with ${one.columns.filter((each) => each !== column).join(", ")}: ${result} (${one.author}, ${when(one.at)})`);
  });
}

function made(one) {
  const { made: by } = one, settings = Object.entries(by.settings), models = Object.entries(by.models);
  const rows = [["component", `${by.component}${by.version ? `, version ${by.version}` : ""}`], ["recipe", by.key], ...models.map(([field, name]) => [field, name]), ["reads", by.reads.join(", ")], ["text", by.text], ["pictures", one.frames.length ? `${one.frames.length} of ${one.pick_set}` : null], ["prompt", one.prompt_hash && `sha256 ${one.prompt_hash}…`], ["bound", BOUND[one.bound] || one.bound], ...settings];
  return make("details", { class: "made" }, make("summary", {}, by.says || by.component), table(rows), one.prompt ? make("pre", { class: "prompt" }, one.prompt) : null);
}

export function value(one) {
  if (Array.isArray(one)) return one.map(value).join(", ");
  if (typeof one === "boolean") return one ? "yes" : "no";
  if (one && typeof one === "object") return JSON.stringify(one);
  return typeof one === "number" ? number(one) : String(one);
}

export function table(rows) {
  return make("table", { class: "all" }, make("tbody", {}, ...rows.filter(([, one]) => one !== null && one !== undefined && one !== "").map(([name, one]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value(one))))));
}

export function scores(clip) {
  const own = clip.scores.filter((one) => one.column !== clip.transcript?.column);
  const box = make("section", {}, make("h2", {}, "Scores and signals"));
  if (own.length) {
    box.append(make("div", { class: "captions" }, ...own.map((one) => make("article", { class: "card score", "aria-label": `score ${one.column}` }, make("h3", {}, one.label),
      one.value === null ? make("p", { class: "soft" }, `${one.status}: ${one.reason.replaceAll("_", " ")}`) : make("p", { class: "figure" }, value(one.value), one.unit ? make("small", {}, one.unit) : null),
      Object.keys(one.extras).length ? table(Object.entries(one.extras)) : null, one.is_stale ? make("p", { class: "warn" }, "made from a text that is another one now") : null, made(one)))));
  }
  box.append(make("dl", { class: "signals" }, ...clip.signals.map((one) => make("div", {}, make("dt", {}, one.label), make("dd", {}, value(one.value), typeof one.value === "number" && one.unit ? make("small", {}, one.unit) : null)))));
  return box;
}

export function recorded(clip) {
  const audits = (clip.audits || []).map((one) => [when(one.at), `audit ${one.id}: ${one.answer}${one.agrees === null ? "" : one.agrees ? ", as the dataset has it" : ", other than the dataset has it"}`, one.author]);
  const says = (one) => one.kind === "verdict" ? `verdict ${one.verdict ?? "taken back"}` : one.kind === "labels" ? `labels ${(one.labels || []).join(", ") || "none"}` : `${one.column}: ${one.text ?? "correction taken back"}`;
  const rows = [...clip.history.map((one) => [when(one.at), says(one), one.author]), ...audits];
  if (!rows.length) return null;
  return make("section", {}, make("h2", {}, "What people recorded"), make("ol", { class: "history" }, ...rows.map(([at, text, author]) => make("li", {}, make("span", {}, text), make("small", {}, [author, at].filter(Boolean).join(", "))))));
}
