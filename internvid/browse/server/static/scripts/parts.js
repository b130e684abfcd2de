// What both pages are made of: elements, requests, the player, verdicts. Texts of data only ever
// become text nodes.

export const LABELS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
const SVG = "http://www.w3.org/2000/svg";
let token = "";
export let readOnly = false;

export function make(name, fields = {}, ...children) {
  const element = ["svg", "rect", "path"].includes(name)
    ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(fields)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export async function ask(address, options = {}) {
  const answer = await fetch(address, options);
  // 202: what is wanted is being made ready.
  if (!answer.ok || answer.status === 202) {
    let text = `${answer.status}`, waiting = false;
    try {
      const body = await answer.json();
      waiting = Boolean(body.waiting);
      text = [body.error || body.detail, body.hint].filter(Boolean).join("; ");
    } catch { text = `the server answers ${answer.status}`; }
    throw Object.assign(new Error(text), { waiting });
  }
  return answer.json();
}

export function authorised(headers) { return { ...headers, "x-internvid-token": token }; }

export function change(address, body) {
  return ask(address, {
    method: "POST",
    headers: authorised({ "content-type": "application/json" }),
    body: JSON.stringify(body),
  });
}

export async function dataset() {
  const facts = await ask("/api/dataset");
  token = facts.token;
  readOnly = facts.read_only;
  return facts;
}

export function clock(seconds) {
  const whole = Math.floor(seconds / 60);
  return `${whole}:${(seconds - 60 * whole).toFixed(2).padStart(5, "0")}`;
}

export function footage(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toLocaleString("en", { maximumFractionDigits: 1 })} h`;
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

const done = [];

export async function review(clip, body) {
  const answer = await change(`/api/verdict/${clip.clip_id}`, body);
  done.push({ clip, before: answer.before });
  Object.assign(clip, { verdict: answer.verdict, labels: answer.labels, corrections: answer.corrections });
  document.dispatchEvent(new CustomEvent("reviewed", { detail: clip }));
}

export async function undo() {
  const last = done.pop();
  if (!last) return null;
  const { clip, before } = last;
  const body = { verdict: before.verdict, labels: before.labels };
  let answer = await change(`/api/verdict/${clip.clip_id}`, body);
  for (const column of new Set([...Object.keys(before.corrections), ...Object.keys(answer.corrections)])) {
    if (before.corrections[column] === answer.corrections[column]) continue;
    answer = await change(`/api/verdict/${clip.clip_id}`, { column, text: before.corrections[column] ?? null });
  }
  Object.assign(clip, { verdict: answer.verdict, labels: answer.labels, corrections: answer.corrections });
  document.dispatchEvent(new CustomEvent("reviewed", { detail: clip }));
  return clip;
}

export function toggled(labels, label) {
  return labels.includes(label) ? labels.filter((one) => one !== label) : [...labels, label];
}

export function badges(clip) {
  const list = [];
  if (clip.verdict) list.push(make("span", { class: `badge ${clip.verdict}` }, clip.verdict));
  for (const label of clip.labels) list.push(make("span", { class: "badge" }, label));
  if (!clip.kept) list.push(make("span", { class: "badge why" }, clip.reason || "rejected"));
  return list;
}

export function reviewing(clip, report) {
  const box = make("div", { class: "review", role: "group", "aria-label": "Verdict" });
  const attempt = (body) => review(clip, body).catch((error) => report(error.message));
  const draw = () => {
    const focused = [...box.children].indexOf(document.activeElement);
    box.replaceChildren();
    for (const [verdict, key] of [["keep", "A"], ["reject", "R"], ["unsure", "U"]]) {
      const isOn = clip.verdict === verdict;
      box.append(make("button", { type: "button", class: verdict, "aria-pressed": String(isOn), disabled: readOnly, onclick: () => attempt({ verdict: isOn ? null : verdict }) }, `${verdict} `, make("kbd", {}, key)));
    }
    for (const label of LABELS) {
      const isOn = clip.labels.includes(label);
      box.append(make("button", { type: "button", class: "label", "aria-label": `label ${label}`, "aria-pressed": String(isOn), disabled: readOnly, onclick: () => attempt({ labels: toggled(clip.labels, label) }) }, label));
    }
    box.children[focused]?.focus({ preventScroll: true });
  };
  draw();
  document.addEventListener("reviewed", (event) => { if (event.detail.clip_id === clip.clip_id) { Object.assign(clip, event.detail); draw(); } });
  return box;
}

export function texts(clip, report) {
  const box = make("div", { class: "texts" });
  const attempt = (body) => review(clip, body).catch((error) => report(error.message));
  const draw = () => {
    box.replaceChildren();
    for (const [column, text] of Object.entries(clip.texts)) {
      const corrected = clip.corrections[column];
      const part = make("div", {});
      const edit = () => {
        const field = make("textarea", { "aria-label": `correct ${column}`, value: corrected ?? text });
        const save = () => attempt({ column, text: field.value.trim() });
        field.addEventListener("keydown", (event) => {
          event.stopPropagation();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
          if (event.key === "Escape") { event.preventDefault(); draw(); }
        });
        part.replaceChildren(make("h3", {}, column), field,
          make("button", { type: "button", class: "do", onclick: save }, "Save beside it"),
          make("button", { type: "button", class: "do", onclick: draw }, "Cancel"));
        field.focus();
      };
      part.append(make("h3", {}, column, readOnly ? null : make("button", { type: "button", class: "do", onclick: edit }, "Correct")),
        make("p", { class: corrected === undefined ? null : "old" }, text));
      if (corrected !== undefined) part.append(make("p", {}, corrected));
      box.append(part);
    }
  };
  draw();
  document.addEventListener("reviewed", (event) => { if (event.detail.clip_id === clip.clip_id) { Object.assign(clip, event.detail); draw(); } });
  return box;
}

export const KEYS = [
  ["← → ↑ ↓", "move among clips"], ["Enter", "open the clip"], ["P", "its page"], ["L", "clips like it"],
  ["A", "keep"], ["R", "reject"], ["U", "unsure"], ["1 – 9", "labels"], ["Z", "undo"],
  ["/", "search captions"], ["[ ]", "page before, next page"], ["Esc", "close"], ["?", "this list"],
];
