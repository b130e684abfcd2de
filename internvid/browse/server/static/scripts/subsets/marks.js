import { change, make, number, readOnly } from "./parts.js";

// Clips that are marked one by one, over as many pages of the grid as one likes, and saved as a
// subset of exactly these. Marks stay with the tab until they are saved or cleared.
const MOST = 10000;
let key = "", marks = new Set(), anchor = null, bar = null, name = "", note = "";

export const MARK_KEYS = [["X", "mark a clip, or take its mark away"], ["Shift X, Shift click", "mark from the last mark to here"]];

export function marking(facts, clips, here, report) {
  if (readOnly) return;
  key = `internvid marks ${facts.name} ${facts.cut}`;
  try { marks = new Set(JSON.parse(sessionStorage.getItem(key)) || []); } catch { marks = new Set(); }
  const grid = document.getElementById("grid");
  bar = make("section", { id: "marked", "aria-label": "Marked clips", hidden: true });
  grid.after(bar);
  const toggle = (at, isRange) => {
    const list = clips(), one = list[at];
    if (!one) return;
    const first = isRange && anchor !== null ? Math.min(anchor, at) : at, last = isRange && anchor !== null ? Math.max(anchor, at) : at;
    const isOn = isRange || !marks.has(one.clip_id);
    for (let place = first; place <= last; place++) {
      const id = list[place]?.clip_id;
      if (id === undefined) continue;
      if (!isOn) marks.delete(id);
      else if (marks.size < MOST) marks.add(id);
      else { report(`At most ${number(MOST)} clips are marked; save the filters of the page instead.`); break; }
    }
    anchor = at;
    note = "";
    keep();
    paint(grid, clips());
    draw(report, clips);
  };
  grid.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell || !(event.shiftKey || event.target.closest(".tick"))) return;
    event.preventDefault();
    event.stopPropagation();
    toggle(Number(cell.dataset.at), event.shiftKey);
  }, true);
  grid.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.toLowerCase() !== "x" || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    toggle(here(), event.shiftKey);
  });
  let first = null;
  new MutationObserver(() => {
    const list = clips();
    // Another page: a range begins anew.
    if (list[0]?.clip_id !== first) { first = list[0]?.clip_id; anchor = null; }
    paint(grid, list);
  }).observe(grid, { childList: true });
  paint(grid, clips());
  draw(report, clips);
}

function keep() {
  try { sessionStorage.setItem(key, JSON.stringify([...marks])); } catch { /* without storage they last as long as the page */ }
}

function paint(grid, list) {
  for (const cell of grid.querySelectorAll(".cell")) {
    const clip = list[Number(cell.dataset.at)], isOn = Boolean(clip) && marks.has(clip.clip_id);
    cell.classList.toggle("marked", isOn);
    const label = (cell.getAttribute("aria-label") || "").replace(/, marked$/, "");
    cell.setAttribute("aria-label", isOn ? `${label}, marked` : label);
    if (!cell.querySelector(".tick")) cell.querySelector(".film")?.append(make("span", { class: "tick", "aria-hidden": "true", title: "Mark (X)" }, "✓"));
  }
}

function draw(report, clips) {
  bar.hidden = marks.size === 0 && note === "";
  if (bar.hidden) return;
  const field = make("input", { type: "text", required: true, maxlength: 100, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", placeholder: "name", "aria-label": "Name of the subset of marked clips", autocomplete: "off", value: name, oninput: () => { name = field.value; } });
  const again = () => { paint(document.getElementById("grid"), clips()); draw(report, clips); };
  const save = async (event) => {
    event.preventDefault();
    try {
      const saved = await change("/api/subsets", { name: field.value, clips: [...marks] });
      [note, name, marks, anchor] = [saved, "", new Set(), null];
      keep();
      again();
      report("");
    } catch (error) { status.textContent = error.message; }
  };
  const status = make("span", { role: "status", class: "soft" });
  const saved = note && [make("span", {}, `${number(note.clips)} clips are the subset `, make("a", { href: `/?subset=${encodeURIComponent(note.name)}` }, note.name), ". "), make("a", { href: `/subsets?subset=${encodeURIComponent(note.name)}` }, "Compare or export it")];
  bar.replaceChildren(...(marks.size ? [make("strong", {}, number(marks.size)), marks.size === 1 ? "clip is marked" : "clips are marked",
    make("form", { class: "acts", onsubmit: save }, field, make("button", {}, "Save marked")),
    make("button", { type: "button", onclick: () => { marks = new Set(); anchor = null; keep(); again(); } }, "Clear"), status] : []), ...(saved || []));
}
