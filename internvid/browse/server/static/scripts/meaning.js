import { ask, authorised, clock, make } from "./parts.js";

// Search by meaning in the grid: a text, a clip, a picture. Each is a part of the address.
const find = (id) => document.getElementById(id);
const WAYS = ["like", "near", "picture", "same"];
export const OWN_OF_MEANING = [...WAYS, "vectors", "least"];
const NONE = { like: null, near: null, picture: null };
let facts, state, go, report, timer = 0;

export function setUp(fields) {
  ({ facts, state, go, report } = fields);
  const file = find("file");
  find("by").addEventListener("change", () => { named(); find("q").focus(); });
  find("picture").addEventListener("click", () => file.click());
  file.addEventListener("change", () => { if (file.files.length) upload(file.files[0]); file.value = ""; });
  document.addEventListener("paste", (event) => {
    const picture = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (picture) { event.preventDefault(); upload(picture); }
  });
  document.addEventListener("dragover", (event) => { if ([...event.dataTransfer.types].includes("Files")) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    upload(event.dataTransfer.files[0]);
  });
}

async function upload(picture) {
  report(`Reading ${picture.name || "the picture"} …`);
  try {
    if (picture.size > 16 * 1024 * 1024) throw new Error("a picture of at most 16 MiB is taken");
    const answer = await ask("/api/pictures", { method: "POST", headers: authorised({ "content-type": "application/octet-stream" }), body: picture });
    go({ ...NONE, picture: answer.picture });
  } catch (error) { report(error.message); }
}

function named() {
  const isMeant = find("by").value === "like";
  const text = isMeant ? "Describe what is seen" : "Search captions";
  find("q").placeholder = text;
  find("q").setAttribute("aria-label", text);
  find("q").value = state().get(isMeant ? "like" : "q") || "";
}

// What the box of words asks for.
export function searched(text) {
  return find("by").value === "like" ? { ...NONE, like: text } : { q: text };
}

export function isCleared() {
  return !find("q").value && Boolean(state().get(find("by").value === "like" ? "like" : "q"));
}

export function isNearest(fields) {
  return WAYS.slice(0, 3).some((name) => fields.get(name));
}

// The box and the name of the usual order, as the address has them.
export function reflect(fields) {
  clearTimeout(timer);
  if (document.activeElement !== find("by")) find("by").value = fields.get("like") || (!fields.get("q") && find("by").value === "like") ? "like" : "q";
  named();
  find("sort").options[0].textContent = isNearest(fields) ? "nearest first" : "source and time";
}

// Whether an error is that something is being made ready: then the page asks again.
export function waits(error, again) {
  if (!error.waiting) return false;
  timer = setTimeout(again, 700);
  return true;
}

export function meaningChips(fields) {
  const list = [];
  const away = (name) => () => go({ [name]: null, ...(name === "same" ? {} : { least: null }) });
  const chip = (name, ...content) => list.push(make("li", {}, make("button", { type: "button", title: "Take away", onclick: away(name) }, ...content, " ×")));
  const image = (source) => make("img", { src: source, alt: "", class: "tiny" });
  if (fields.get("q") && find("by").value === "like") list.push(make("li", {}, make("button", { type: "button", title: "Take away", onclick: () => go({ q: null }) }, `captions have ${fields.get("q")} ×`)));
  if (fields.get("like")) chip("like", `means “${fields.get("like")}”`);
  if (fields.get("near")) chip("near", image(`/film/${encodeURIComponent(fields.get("near"))}.jpg?frames=1`), "like this clip");
  if (fields.get("picture")) chip("picture", image(`/api/pictures/${encodeURIComponent(fields.get("picture"))}.jpg`), "like this picture");
  if (fields.get("same")) chip("same", image(`/film/${encodeURIComponent(fields.get("same"))}.jpg?frames=1`), "same pictures as this clip");
  if (isNearest(fields)) {
    const least = make("input", { type: "number", step: "0.01", min: -1, max: 1, value: fields.get("least") || "", "aria-label": "least score", placeholder: "any", onchange: (event) => go({ least: event.target.value }) });
    list.push(make("li", {}, make("label", { class: "field" }, "least score ", least)));
    if (facts.vectors.length > 1) {
      const choice = make("select", { "aria-label": "Vectors", onchange: (event) => go({ vectors: event.target.value, least: null }) }, ...facts.vectors.map((name) => make("option", { value: name }, name)));
      choice.value = fields.get("vectors") || facts.vectors[0];
      list.push(make("li", {}, make("label", { class: "field" }, "by ", choice)));
    }
  }
  return list;
}

// The address of what is like a clip, with the filters that hold.
export function likeThis(clip, fields = new URLSearchParams()) {
  const next = new URLSearchParams(fields);
  for (const name of [...OWN_OF_MEANING, "sort", "seed", "page", "q"]) if (name !== "vectors") next.delete(name);
  next.set("near", clip.clip_id);
  return `/?${next}`;
}

export function samePictures(clip) { return `/?kept=all&same=${clip.clip_id}`; }

export function ways(clip, fields) {
  return make("p", { class: "ways" }, make("a", { href: likeThis(clip, fields) }, "Clips like this"), make("a", { href: samePictures(clip) }, "Same pictures"));
}

// Near-duplicates on the page of a clip.
export function resembling(clip) {
  const body = make("div", {}, make("p", { class: "soft", role: "status" }, "Looking for the same pictures …"));
  const box = make("section", { id: "same" }, make("h2", {}, "The same elsewhere"), ways(clip), body);
  const look = async () => {
    try {
      const found = await ask(`/api/same/${clip.clip_id}`);
      const kinds = { same: "the same", part: "a part", speed: "another speed", bars: "with bars", cropped: "cropped", mirrored: "mirrored", vector: "by vectors" };
      const row = make("ul", { class: "likeness" }, ...found.clips.slice(0, 24).map((one) => make("li", {}, make("a", { href: `/clip/${one.clip_id}` },
        make("img", { src: `/film/${one.clip_id}.jpg?frames=1`, alt: "", loading: "lazy" }), make("span", {}, one.title), make("small", {}, `${clock(one.start_seconds)} · ${kinds[one.kind] || one.kind}`)))));
      const text = found.count ? `${found.count === 1 ? "One clip shows" : `${found.count} clips show`} the same pictures, ${found.note}.` : `No other clip shows the same pictures, ${found.note}.`;
      body.replaceChildren(make("p", { class: "soft" }, text, ...(found.hint ? [" For all clips: ", make("code", {}, found.hint)] : [])), row);
    } catch (error) {
      if (!waits(error, look)) body.replaceChildren(make("p", { class: "soft" }, error.message));
    }
  };
  look();
  return box;
}
