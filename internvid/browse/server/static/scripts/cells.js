import { badges, clock, footage, make } from "./parts.js";

// A clip of a grid: its stored frame, its first caption, where it lies. `fields` are attributes and
// listeners of the whole.
export function cell(clip, at, fields = {}) {
  const [column, measured] = Object.entries(clip.texts)[0] ?? [null, ""];
  const text = clip.corrections[column] ?? measured;
  const film = make("div", { class: "film" }, make("img", { src: `/film/${clip.clip_id}.jpg?frames=1`, alt: "", loading: at < 24 ? "eager" : "lazy", decoding: "async" }),
    make("span", { class: "time" }, footage(clip.end_seconds - clip.start_seconds)), typeof clip.score === "number" ? make("span", { class: "score", title: "score: cosine of the vectors" }, clip.score.toFixed(3)) : "", make("span", { class: "mark" }, ...badges(clip)));
  film.querySelector("img").addEventListener("error", (event) => { event.target.remove(); film.append(make("small", {}, "no stored frame")); });
  const item = make("li", { class: "cell", tabindex: "0", role: "button", "aria-label": `${clip.title}, ${clock(clip.start_seconds)}: ${text || "no caption"}${clip.verdict ? `, ${clip.verdict}` : ""}`, "data-at": at, ...fields },
    film, make("p", {}, text), make("small", {}, `${clip.title} · ${clock(clip.start_seconds)}`));
  hover(film, clip);
  return item;
}

// The pointer's place over a clip is a place in its time.
function hover(film, clip) {
  let strip = null, image = null;
  film.addEventListener("pointerenter", () => {
    if (image) return;
    image = new Image();
    image.onload = () => {
      strip = make("canvas", { class: "strip" });
      strip.style.width = "100%";
      strip.style.height = "100%";
    };
    image.src = `/film/${clip.clip_id}.jpg?frames=8`;
  });
  film.addEventListener("pointermove", (event) => {
    if (!strip || !image.complete) return;
    const box = film.getBoundingClientRect();
    const first = film.querySelector("img");
    const width = first ? Math.round(first.naturalWidth * image.naturalHeight / first.naturalHeight) : image.naturalWidth;
    const count = Math.max(1, Math.round(image.naturalWidth / width));
    const at = Math.min(count - 1, Math.floor(count * (event.clientX - box.left) / box.width));
    strip.width = width; strip.height = image.naturalHeight;
    strip.style.objectFit = "contain";
    strip.getContext("2d").drawImage(image, -at * width, 0);
    if (!strip.isConnected) film.insertBefore(strip, film.querySelector(".time"));
  });
  film.addEventListener("pointerleave", () => { if (strip) strip.remove(); });
}
