import { ask, change, dataset, make, number, readOnly } from "./parts.js";
import { answering, bar, keyList, known, percent, report, stage } from "./planned.js";

const find = (id) => document.getElementById(id);

function planned(columns) {
  const state = new URLSearchParams(location.search);
  const choice = (field, at) => {
    const box = make("select", { "aria-label": `${field} column` }, ...columns.map((name) => make("option", { value: name }, name)));
    box.value = columns.includes(state.get(field)) ? state.get(field) : columns[at];
    return box;
  };
  const first = choice("first", 0), second = choice("second", 1);
  const count = make("input", { type: "number", min: 1, max: 1000, value: state.get("count") || 100, "aria-label": "Clips" });
  const seed = make("input", { type: "number", min: 0, max: 1000000000, value: state.get("seed") || Math.floor(Math.random() * 1e6), "aria-label": "Seed" });
  const write = () => history.replaceState(null, "", `/captioners?${new URLSearchParams({ first: first.value, second: second.value, count: count.value, seed: seed.value })}`);
  for (const field of [first, second, count, seed]) field.addEventListener("change", write);
  const send = async (event) => {
    event.preventDefault();
    report("Drawing…");
    try {
      const made = await change("/api/comparisons", { columns: [first.value, second.value], count: Number(count.value), seed: Number(seed.value) });
      location.href = `/captioners/${made.id}`;
    } catch (error) { report(error.message); }
  };
  return make("form", { class: "plan card", onsubmit: send },
    make("div", { class: "row" }, make("label", { class: "field" }, "Compare ", first), make("label", { class: "field" }, "with ", second)),
    make("div", { class: "row" }, make("label", { class: "field" }, "Clips ", count), make("label", { class: "field" }, "Seed ", seed), make("button", { class: "main", disabled: readOnly }, "Begin")),
    make("p", { class: "soft" }, "Kept clips whose two texts differ are drawn uniformly and without replacement, by the seed. On which side a text stands is drawn for each clip, and the page does not know it. The tally is shown on demand."));
}

async function plan() {
  const [facts, found] = await Promise.all([dataset(), ask("/api/comparisons")]);
  find("name").textContent = "Captioners, side by side";
  find("totals").textContent = facts.name;
  const keys = keyList([["Tab", "next field"], ["Enter", "begin"], ["?", "this list"]]);
  document.addEventListener("keydown", (event) => { if (event.key === "?" && event.target.tagName !== "INPUT") keys(); });
  const few = make("p", { class: "soft" }, "Clips have fewer than two columns of texts. A further one is made by internvid caption DATASET NAME --captioner …; start this server again after it.");
  find("main").replaceChildren(
    make("section", {}, make("h2", {}, "New comparison"), make("p", { class: "lede" }, "Which of two captions is better? Read both beside the clip, without knowing whose they are."), found.columns.length < 2 ? few : planned(found.columns)),
    make("section", {}, make("h2", {}, "Comparisons"), known(found.comparisons, "/captioners", (one) => one.about.join(" and "))));
}

function chance(value) {
  if (value === null) return "–";
  return value < 0.0001 ? "< 0.0001" : value.toFixed(4);
}

function result(found) {
  const [one, two] = found.columns, decided = found.first + found.second;
  const line = (text, count) => make("tr", {}, make("th", { scope: "row" }, text), make("td", { class: "right" }, number(count)));
  return [make("section", {}, make("h2", {}, "Which captions are better"),
    make("div", { class: "card scroll" }, make("table", { class: "figures-table" }, make("tbody", {}, line(`${one} is better`, found.first), line(`${two} is better`, found.second), line("equally good", found.tie), line("both bad", found.bad), line("open", found.open)))),
    make("div", { class: "card" }, make("h3", {}, `${one} wins`, make("small", {}, decided === 1 ? "of the one clip on which one of the two is better" : `of the ${number(decided)} clips on which one of the two is better`)), make("p", { class: "strong" }, percent(found.share), make("small", {}, found.low === null ? "" : ` 95 % interval ${percent(found.low)} – ${percent(found.high)}`)), bar(found.share, found.low, found.high, `${one} wins`, true), make("p", {}, `Sign test, two-sided: p = ${chance(found.p_value)}`)),
    make("p", { class: "soft" }, `The text on the left won ${number(found.left)} of ${number(decided)} times; sides were drawn for each clip. Of the kept clips ${number(found.size)} have two texts that differ, ${number(found.equal)} have equal ones, which are not shown. The interval is Wilson's; ties take no part in share and test. Seed ${found.seed}, cut ${found.cut}, by ${found.author}.`),
    make("p", {}, make("code", {}, "internvid reviews DATASET --json"), " has these figures."))];
}

function parts(view) {
  const text = (side, key) => make("div", { class: `text ${view.answer === side ? "chosen" : ""}` }, make("h3", {}, make("kbd", {}, key)), make("p", {}, view.clip[side]));
  return [stage(view.clip), make("div", { class: "sides" }, text("left", "1"), text("right", "2"))];
}

async function begin() {
  const id = location.pathname.split("/")[2];
  if (!id) { await plan(); return; }
  await dataset();
  find("name").textContent = "Which caption is better?";
  await answering({ kind: "comparison", path: "/captioners", id, result, parts,
    choices: [{ word: "left", keys: ["1", "ArrowLeft"], label: "left is better" }, { word: "right", keys: ["2", "ArrowRight"], label: "right is better" }, { word: "tie", keys: ["0", "="], label: "equally good" }, { word: "bad", keys: ["B"], label: "both bad" }],
    notes: "On which side a text stands is drawn for each clip." });
}

begin().catch((error) => report(error.message));
