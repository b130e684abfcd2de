import { ask, change, dataset, make, number, readOnly } from "./parts.js";
import { answering, bar, keyList, known, percent, report, stage } from "./planned.js";

const find = (id) => document.getElementById(id);
const DRAWN = "Clips are drawn from each group uniformly and without replacement, by the seed; then all of them are shuffled, and the page does not know which group a clip is from. Whoever stops early has answered a random part of the sample.";

function name(group) {
  const [kind, ...rest] = group.split(":");
  if (kind === "reason") return `rejected: ${rest.join(":")}`;
  if (kind === "value") return `${rest[0]}: ${rest.slice(1).join(":") || "none"}`;
  return kind === "query" ? `what the grid showed: ${new URLSearchParams(rest.join(":")).toString() || "kept clips"}` : "kept";
}

function planned(facts, rejected, kept) {
  const state = () => new URLSearchParams(location.search);
  const groups = () => state().getAll("group");
  const count = make("input", { type: "number", min: 1, max: 1000, value: state().get("count") || 50, "aria-label": "Clips of each group" });
  const seed = make("input", { type: "number", min: 0, max: 1000000000, value: state().get("seed") || Math.floor(Math.random() * 1e6), "aria-label": "Seed" });
  const list = make("div", { class: "values" }), more = make("ul", { class: "chips", "aria-label": "Further groups" });
  const column = make("select", { "aria-label": "Column" }, make("option", { value: "" }, "column…"), ...facts.facets.filter((one) => ["word", "flag"].includes(one.kind) && one.name !== "reason").map((one) => make("option", { value: one.name }, one.label)));
  const value = make("select", { "aria-label": "Value", disabled: true }, make("option", { value: "" }, "value…"));
  const begin = make("button", { class: "main", disabled: readOnly }, "Begin");
  const write = (next) => {
    const fields = new URLSearchParams(next.map((group) => ["group", group]));
    fields.set("count", count.value);
    fields.set("seed", seed.value);
    history.replaceState(null, "", `/audit?${fields}`);
    draw();
  };
  const toggle = (group, isOn) => write(isOn ? [...groups(), group] : groups().filter((one) => one !== group));
  const offered = [["kept", kept], ...rejected.map((one) => [`reason:${one.value}`, one.clips])];
  function draw() {
    const chosen = new Set(groups());
    list.replaceChildren(...offered.map(([group, clips]) => make("label", {}, make("input", { type: "checkbox", checked: chosen.has(group), onchange: (event) => toggle(group, event.target.checked) }), make("span", {}, name(group)), make("small", {}, number(clips)))));
    const further = [...chosen].filter((group) => !offered.some(([other]) => other === group));
    more.replaceChildren(...further.map((group) => make("li", {}, make("button", { type: "button", title: "Take away", onclick: () => toggle(group, false) }, `${name(group)} ×`))));
    begin.disabled = readOnly || !chosen.size;
  }
  column.addEventListener("change", async () => {
    value.replaceChildren(make("option", { value: "" }, "value…"));
    value.disabled = !column.value;
    if (!column.value) return;
    try {
      const found = await ask(`/api/facets/${encodeURIComponent(column.value)}?kept=all`);
      value.append(...found.values.map((one) => make("option", { value: `value:${column.value}:${one.value ?? ""}` }, `${one.value ?? "none"} (${number(one.clips)})`)));
    } catch (error) { report(error.message); }
  });
  value.addEventListener("change", () => { if (value.value && !groups().includes(value.value)) toggle(value.value, true); value.value = ""; });
  for (const field of [count, seed]) field.addEventListener("change", () => write(groups()));
  const send = async (event) => {
    event.preventDefault();
    report("Drawing…");
    try {
      const made = await change("/api/audits", { groups: groups(), count: Number(count.value), seed: Number(seed.value) });
      location.href = `/audit/${made.id}`;
    } catch (error) { report(error.message); }
  };
  draw();
  return make("form", { class: "plan card", onsubmit: send },
    make("fieldset", {}, make("legend", {}, "What is audited"), list, make("div", { class: "row" }, make("span", { class: "soft" }, "or a value of"), column, value), more),
    make("div", { class: "row" }, make("label", { class: "field" }, "Clips of each ", count), make("label", { class: "field" }, "Seed ", seed), begin),
    make("p", { class: "soft" }, DRAWN));
}

async function plan() {
  const [facts, found, totals, reasons] = await Promise.all([dataset(), ask("/api/audits"), ask("/api/totals"), ask("/api/facets/reason?kept=rejected")]);
  find("name").textContent = "Blind audits";
  find("totals").textContent = facts.name;
  const keys = keyList([["Tab", "next field"], ["Space", "choose a group"], ["Enter", "begin"], ["?", "this list"]]);
  document.addEventListener("keydown", (event) => { if (event.key === "?" && event.target.tagName !== "INPUT") keys(); });
  find("main").replaceChildren(
    make("section", {}, make("h2", {}, "New audit"), make("p", { class: "lede" }, "How often are filters right? Look at clips without knowing what became of them, and say what would be right."), planned(facts, reasons.values.filter((one) => one.value), totals.clips)),
    make("section", {}, make("h2", {}, "Audits"), known(found.audits, "/audit", (one) => one.about.join(", "))));
}

function result(found) {
  const counts = ["answered", "agreed", "unsure", "open", "size"];
  const line = (one, group, isWhole) => make("tr", { class: isWhole ? "whole" : null }, make("th", { scope: "row" }, group), make("td", { class: "right strong" }, percent(one.precision)), make("td", { class: "right" }, one.low === null ? "–" : `${percent(one.low)} – ${percent(one.high)}`), make("td", { class: "drawing" }, bar(one.precision, one.low, one.high, group)), ...counts.map((field) => make("td", { class: "right" }, number(one[field]))));
  const sum = (field) => found.groups.reduce((total, one) => total + one[field], 0);
  const head = ["group", "right", "95 % interval", "", "decided", "agreed", "unsure", "open", "clips"];
  const whole = { ...Object.fromEntries(counts.map((field) => [field, sum(field)])), precision: found.precision, low: found.low, high: found.high };
  const rows = found.groups.map((one) => line(one, one.group, false));
  if (found.groups.length > 1) rows.push(line(whole, "all, weighted by clips", true));
  return [make("section", {}, make("h2", {}, "How often the dataset is right"),
    make("div", { class: "scroll card" }, make("table", { class: "figures-table" }, make("thead", {}, make("tr", {}, ...head.map((text, at) => make("th", { scope: "col", class: at ? "right" : null }, text)))), make("tbody", {}, ...rows))),
    found.note && found.groups.length > 1 ? make("p", { class: "soft" }, `No figure over all: ${found.note}.`) : null,
    make("p", { class: "soft" }, "Right: the share of decided clips on which the answer is what the dataset has, kept or rejected; unsure is counted apart. Intervals are Wilson's; that over all weighs the groups by their clips (Zou, Huang and Zhang 2009). ", DRAWN, ` Seed ${found.seed}, cut ${found.cut}, by ${found.author}.`),
    make("p", {}, make("code", {}, "internvid reviews DATASET --json"), " has these figures."))].filter(Boolean);
}

async function begin() {
  const id = location.pathname.split("/")[2];
  if (!id) { await plan(); return; }
  await dataset();
  find("name").textContent = "Blind audit";
  await answering({ kind: "audit", path: "/audit", id, result,
    choices: [{ word: "keep", keys: ["A"], label: "right to keep" }, { word: "reject", keys: ["R"], label: "right to reject" }, { word: "unsure", keys: ["U"], label: "unsure" }],
    parts: (view) => [stage(view.clip)],
    notes: "What would be right for this clip? The page does not know what became of it." });
}

begin().catch((error) => report(error.message));
