import { ask, change, make, number, readOnly } from "./parts.js";
import { player } from "./player.js";

// What pages of planned reviews share: one clip after the other, answered by key.

const find = (id) => document.getElementById(id);

export function report(text) { find("message").textContent = text; }

export function percent(share) { return share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`; }

export function keyList(keys) {
  const box = find("keys");
  const show = () => {
    box.replaceChildren(make("div", { class: "inside" }, make("h2", {}, "Keys"), make("dl", {}, ...keys.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)]))));
    if (!box.open) box.showModal();
  };
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  find("help").addEventListener("click", show);
  return show;
}

// A share with its interval, drawn from 0 to 1; with a mark at a half where that is what chance gives.
export function bar(share, low, high, label, middle = false) {
  const box = make("svg", { class: "share", viewBox: "0 0 1000 20", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${percent(share)}, 95 % interval ${percent(low)} to ${percent(high)}` }, make("rect", { class: "every", x: 0, y: 8, width: 1000, height: 4 }));
  if (middle) box.append(make("rect", { class: "half", x: 499, y: 2, width: 2, height: 16 }));
  if (share !== null) box.append(make("rect", { class: "interval", x: 1000 * low, y: 5, width: Math.max(4, 1000 * (high - low)), height: 10 }), make("rect", { class: "point", x: Math.max(0, 1000 * share - 3), y: 1, width: 6, height: 18 }));
  return box;
}

export function when(text) { return (text || "").slice(0, 16).replace("T", " "); }

export function known(list, path, title) {
  if (!list.length) return make("p", { class: "soft" }, "None yet.");
  return make("ul", { class: "known" }, ...list.map((one) => make("li", {}, make("a", { href: `${path}/${one.id}` }, title(one)), make("small", {}, `${when(one.started)}, ${one.author}: ${number(one.clips - one.open)} of ${number(one.clips)} answered`))));
}

// Clips of one review, one after the other. `page` has: kind, path, id, choices (word, keys, label),
// parts(view), notes, result().
export async function answering(page) {
  const taken = [], api = `/api/${page.kind}s/${page.id}`;
  let view = null, isBusy = false;
  const fields = () => new URLSearchParams(location.search);
  const go = (next, push = true) => {
    const text = new URLSearchParams(next).toString(), address = `${page.path}/${page.id}${text ? `?${text}` : ""}`;
    if (push) history.pushState(null, "", address); else history.replaceState(null, "", address);
    return show();
  };
  const guard = async (work) => {
    if (isBusy) return;
    isBusy = true;
    report("");
    try { await work(); } catch (error) { report(error.message); } finally { isBusy = false; }
  };
  const answer = (word) => guard(async () => {
    if (!view || !view.clip || readOnly) return;
    const body = { clip_id: view.clip.clip_id, answer: view.answer === word ? null : word };
    const now = await change(api, body);
    taken.push({ at: view.at, clip_id: view.clip.clip_id, before: view.answer });
    if (body.answer === null) { view = now; draw(); } else await on(now);
  });
  const on = (now) => now.next === null ? go({ show: "result" }) : go({ at: now.next }, false);
  const undo = () => guard(async () => {
    const last = taken.pop();
    if (!last) { report("Nothing was answered in this window that could be taken back."); return; }
    await change(api, { clip_id: last.clip_id, answer: last.before });
    await go({ at: last.at }, false);
  });
  const skip = () => guard(async () => {
    if (!view || !view.clip) return;
    const now = await ask(`${api}?at=${view.at}`);
    if (now.next === null || now.next === view.at) report("This is the last one without an answer."); else await go({ at: now.next });
  });
  const step = (by) => guard(async () => {
    if (!view) return;
    const at = (view.at ?? view.clips) + by;
    if (at >= 0 && at < view.clips) await go({ at });
  });
  const results = () => go(fields().get("show") === "result" ? {} : { show: "result" });

  const toggle = make("button", { type: "button", onclick: results }, "Result");
  find("tools").replaceChildren(toggle);
  const keys = keyList([...page.choices.map((one) => [one.keys.map((key) => key.replace("Arrow", "")).join(" "), one.label]), ["S", "skip: comes again at the end"], ["Z", "take the last answer back"], ["[ ]", "clip before, next clip"], ["F", "figures so far, and back"], ["?", "this list"]]);

  function draw() {
    find("totals").replaceChildren(make("strong", {}, number(view.clips - view.open)), ` of ${number(view.clips)} answered`);
    const isOn = (word) => String(view.answer === word);
    const buttons = page.choices.map((one) => make("button", { type: "button", class: `to-${one.word}`, "aria-pressed": isOn(one.word), disabled: readOnly, onclick: () => answer(one.word) }, `${one.label} `, make("kbd", {}, one.keys[0].replace("Arrow", ""))));
    const parts = view.clip.is_gone ? [make("p", { class: "soft" }, "This clip is not in the current cut of the dataset. Skip it.")] : page.parts(view);
    // Whoever goes through the buttons by Tab stays where they were.
    const before = [...find("main").querySelectorAll("button")].indexOf(document.activeElement);
    find("main").replaceChildren(make("div", { class: "stage" }, ...parts,
      make("div", { class: "answers", role: "group", "aria-label": "Answer" }, ...buttons),
      make("div", { class: "steps" }, make("button", { type: "button", onclick: () => step(-1), disabled: view.at === 0, "aria-label": "Clip before" }, "←"), make("span", { class: "soft" }, `clip ${number(view.at + 1)} of ${number(view.clips)}`), make("button", { type: "button", onclick: () => step(1), disabled: view.at + 1 >= view.clips, "aria-label": "Next clip" }, "→"), make("button", { type: "button", onclick: skip }, "Skip ", make("kbd", {}, "S")), make("button", { type: "button", onclick: undo, disabled: readOnly }, "Undo ", make("kbd", {}, "Z"))),
      make("p", { class: "soft" }, readOnly ? "The server was started with --read-only: answers are refused." : page.notes)));
    if (before >= 0) find("main").querySelectorAll("button")[before]?.focus({ preventScroll: true });
  }

  async function show() {
    const isResult = fields().get("show") === "result", at = fields().get("at");
    toggle.textContent = isResult ? "Back to the clips" : "Result";
    try {
      const now = await ask(at === null ? api : `${api}?at=${encodeURIComponent(at)}`);
      if (isResult || now.clip === null) {
        view = null;
        find("totals").replaceChildren(make("strong", {}, number(now.clips - now.open)), ` of ${number(now.clips)} answered`);
        find("main").replaceChildren(...page.result(await ask(`${api}/result`)));
        toggle.hidden = isResult ? false : true;
        if (now.open === 0) toggle.textContent = "Look at the answers";
        return;
      }
      toggle.hidden = false;
      view = now;
      draw();
    } catch (error) { report(error.message); }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("keys").open || event.target.tagName === "VIDEO") return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, choice = page.choices.find((one) => one.keys.some((name) => name.toLowerCase() === key.toLowerCase()));
    if (key === "?") keys();
    else if (key === "f") results();
    else if (!view) return;
    else if (choice) { event.preventDefault(); answer(choice.word); }
    else if (key === "s") skip();
    else if (key === "z") undo();
    else if (key === "[") step(-1);
    else if (key === "]") step(1);
  });
  window.addEventListener("popstate", show);
  await show();
}

export function stage(clip) { return make("div", { class: "film-place" }, player(clip)); }
