import { clock, footage, make, number } from "./parts.js";

// The source over time: its shots, kept or rejected and why; the cuts between them; gaps that no
// shot has; and what was measured of its frames. All follow the player, and a click goes there.
const NEAR = 1.5;

export function sourceLine(clip, player, isNear, turn, report) {
  const whole = clip.source.duration_seconds || clip.clips.at(-1)?.end_seconds || clip.end_seconds;
  const length = clip.end_seconds - clip.start_seconds;
  const from = isNear ? Math.max(0, clip.start_seconds - NEAR * length) : 0, to = isNear ? Math.min(whole, clip.end_seconds + NEAR * length) : whole;
  const share = (seconds) => Math.max(0, Math.min(1, (seconds - from) / ((to - from) || 1)));
  const cursors = [];
  const cursor = () => { const one = make("span", { class: "cursor", "aria-hidden": "true" }); cursors.push(one); return one; };
  const go = (seconds) => {
    const shot = clip.clips.find((one) => seconds >= one.start_seconds && seconds < one.end_seconds);
    if (seconds >= clip.start_seconds && seconds < clip.end_seconds) player.seek(seconds);
    else if (shot) location.href = `/clip/${shot.clip_id}?${new URLSearchParams({ ...(isNear ? { range: "near" } : {}), t: seconds.toFixed(2) })}`;
    else report("No shot lies there: it was taken out with a transition.");
  };
  const at = (event, box) => { const edges = box.getBoundingClientRect(); return from + (to - from) * (event.clientX - edges.left) / edges.width; };
  const line = shots(clip, from, to, share, cursor);
  line.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && !link.classList.contains("this")) return;
    event.preventDefault();
    go(at(event, line));
  });
  const time = make("output", { class: "now" });
  const drawn = clip.curves.columns.filter((one) => one.values.some((value) => value !== null)).map((one) => curve(one, clip, from, to, share, cursor));
  for (const one of drawn) one.plot.addEventListener("click", (event) => go(at(event, one.plot)));
  player.follow((seconds) => {
    for (const one of cursors) one.style.left = `${100 * share(seconds)}%`;
    time.textContent = clock(seconds);
    for (const one of drawn) one.tell(seconds);
  });
  return make("section", {}, make("div", { class: "heading" }, make("h2", {}, "In its source", make("small", {}, `${number(clip.clips.length)} ${clip.clips.length === 1 ? "shot" : "shots"} in ${footage(whole)}`)), time,
    make("button", { type: "button", "aria-pressed": String(isNear), onclick: turn }, isNear ? "Whole source" : "Around this clip")),
  line, legend(clip, whole), ...(drawn.length ? [make("h3", {}, "Measured on its frames"), make("div", { class: "curves" }, ...drawn.map((one) => one.box))] : []));
}

const reasonsOf = (clip) => {
  const counts = new Map();
  for (const one of clip.clips) if (!one.kept) counts.set(one.reason, (counts.get(one.reason) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
};

function gaps(clip, whole) {
  const found = [];
  let end = 0;
  for (const one of clip.clips) {
    if (one.start_seconds > end + 0.001) found.push([end, one.start_seconds]);
    end = Math.max(end, one.end_seconds);
  }
  if (whole > end + 0.05) found.push([end, whole]);
  return found;
}

function shots(clip, from, to, share, cursor) {
  const line = make("div", { class: "line shots", role: "list", "aria-label": "Shots of this source" });
  const colours = new Map(reasonsOf(clip).map(([reason], at) => [reason, `reason-${at % 6}`]));
  const lay = (one, start, end) => { one.style.left = `${100 * share(start)}%`; one.style.width = `${100 * (share(end) - share(start))}%`; return one; };
  for (const [start, end] of gaps(clip, to)) if (end > from && start < to) line.append(lay(make("span", { class: "gap", title: `no shot: ${clock(start)} – ${clock(end)}` }), start, end));
  for (const other of clip.clips) {
    if (other.end_seconds <= from || other.start_seconds >= to) continue;
    const isThis = other.clip_id === clip.clip_id, says = `${clock(other.start_seconds)} – ${clock(other.end_seconds)}, ${other.kept ? "kept" : `rejected: ${other.reason.replaceAll("_", " ")}`}; begins with ${other.transition}`;
    line.append(lay(make("a", { role: "listitem", href: `/clip/${other.clip_id}`, title: says, "aria-label": says, "aria-current": isThis ? "true" : null, class: [other.kept ? "" : `rejected ${colours.get(other.reason)}`, isThis ? "this" : ""].join(" ").trim() || null }), other.start_seconds, other.end_seconds));
    if (other.transition !== "start") {
      const tick = make("span", { class: `cut ${other.transition}`, title: `${other.transition} at ${clock(other.start_seconds)}, ${number(other.transition_score)}` });
      tick.style.left = `${100 * share(other.start_seconds)}%`;
      line.append(tick);
    }
  }
  line.append(cursor());
  return line;
}

function legend(clip, whole) {
  const kept = clip.clips.filter((one) => one.kept).length, kinds = new Map(), lost = gaps(clip, whole).reduce((sum, [start, end]) => sum + end - start, 0);
  for (const one of clip.clips) if (one.transition !== "start") kinds.set(one.transition, (kinds.get(one.transition) || 0) + 1);
  const item = (kind, text) => make("span", {}, make("span", { class: `swatch ${kind}` }), text);
  return make("p", { class: "legend soft" }, item("kept-shot", `kept ${number(kept)}`), ...reasonsOf(clip).map(([reason, count], at) => item(`reason-${at % 6}`, `${reason.replaceAll("_", " ")} ${number(count)}`)),
    ...[...kinds].map(([kind, count]) => item(`tick ${kind}`, `${kind} ${number(count)}`)), lost > 0.01 ? item("gap", `in no shot ${footage(lost)}`) : null);
}

function curve(column, clip, from, to, share, cursor) {
  const { times } = clip.curves, values = column.values;
  const inside = values.filter((value, at) => value !== null && times[at] >= from && times[at] <= to);
  const low = Math.min(...inside), high = Math.max(...inside);
  let path = "", pen = false;
  values.forEach((value, at) => {
    // One point on each side of the range: the line goes on to its edge.
    if (value === null || times[at + 1] < from || times[at - 1] > to) { pen = false; return; }
    path += `${pen ? "L" : "M"}${(1000 * (times[at] - from) / ((to - from) || 1)).toFixed(1)} ${(36 - 34 * (value - low) / ((high - low) || 1)).toFixed(1)}`;
    pen = true;
  });
  const value = make("span", { class: "value" });
  const plot = make("div", { class: "plot" }, make("svg", { viewBox: "0 0 1000 38", preserveAspectRatio: "none", role: "img", "aria-label": `${column.name}, from ${number(low)} to ${number(high)} ${column.unit}` },
    make("rect", { x: 1000 * share(clip.start_seconds), y: 0, width: Math.max(2, 1000 * (share(clip.end_seconds) - share(clip.start_seconds))), height: 38 }), make("path", { d: path })), cursor());
  const box = make("div", { class: "curve" }, make("span", { class: "soft", title: `${column.meaning}; ${number(low)} to ${number(high)} ${column.unit}` }, column.name.replaceAll("_", " "), make("small", {}, column.unit)), plot, value);
  const tell = (seconds) => {
    let first = 0, last = times.length - 1;
    while (first < last) { const middle = (first + last + 1) >> 1; if (times[middle] <= seconds + 1e-6) first = middle; else last = middle - 1; }
    value.textContent = values[first] === null || values[first] === undefined ? "–" : number(values[first]);
  };
  return { box, plot, tell };
}
