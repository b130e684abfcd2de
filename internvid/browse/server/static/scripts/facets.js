import { ask, make, number } from "./parts.js";

// A filter of a column: a range with its distribution, words with their counts, words of a text.
// `state` is the address, `go(fields, evenEmpty)` changes it.
export async function fill(body, column, state, go, isStale) {
  if (column.kind === "text") {
    if (body.childElementCount) return;
    const field = make("input", { type: "search", placeholder: "has the words", "aria-label": `${column.label} has`, value: state.get(`${column.name}~`) || "" });
    body.append(make("form", { onsubmit: (event) => { event.preventDefault(); go({ [`${column.name}~`]: field.value }); } }, field));
    return;
  }
  try {
    const found = await ask(`/api/facets/${encodeURIComponent(column.name)}?${state}`);
    if (isStale() || (column.kind === "number" && body.contains(document.activeElement) && document.activeElement.type === "number")) return;
    if (column.kind === "number") range(body, column, found, state, go);
    else values(body, column, found.values, state, go);
  } catch (error) { body.textContent = error.message; }
}

function range(body, column, found, state, go) {
  const { low, high, counts, all_counts: every } = found, bins = counts.length, width = (high - low) / bins || 1;
  const [from, to] = (state.get(column.name) || "..").split("..").map((text) => text === "" ? null : Number(text));
  const most = Math.max(1, ...every), mostHere = Math.max(1, ...counts);
  const bars = make("svg", { viewBox: `0 0 ${bins} 46`, preserveAspectRatio: "none", role: "img", "aria-label": `${column.label}: from ${number(low)} to ${number(high)}` });
  every.forEach((count, at) => {
    const middle = low + (at + 0.5) * width, inside = (from === null || middle >= from) && (to === null || middle <= to);
    bars.append(make("rect", { class: "every", x: at + 0.05, y: 46 - 44 * Math.sqrt(count / most), width: 0.9, height: 44 * Math.sqrt(count / most) }));
    bars.append(make("rect", { class: inside ? "here" : "out", x: at + 0.05, y: 46 - 44 * Math.sqrt(counts[at] / Math.max(most, mostHere)), width: 0.9, height: 44 * Math.sqrt(counts[at] / Math.max(most, mostHere)) }));
  });
  const send = (first, last) => go({ [column.name]: first === null && last === null ? null : `${first ?? ""}..${last ?? ""}` });
  const steps = 200, place = (value, otherwise) => Math.round(steps * ((value ?? otherwise) - low) / ((high - low) || 1));
  const value = (at) => Number((low + (high - low) * at / steps).toPrecision(5));
  const one = make("input", { type: "range", min: 0, max: steps, value: place(from, low), "aria-label": `least ${column.label}` });
  const two = make("input", { type: "range", min: 0, max: steps, value: place(to, high), "aria-label": `most ${column.label}` });
  const least = make("input", { type: "number", step: "any", value: from ?? "", placeholder: number(low), "aria-label": `least ${column.label}` });
  const largest = make("input", { type: "number", step: "any", value: to ?? "", placeholder: number(high), "aria-label": `most ${column.label}` });
  const slid = () => {
    const [first, last] = [Number(one.value), Number(two.value)].sort((a, b) => a - b);
    send(first <= 0 ? null : value(first), last >= steps ? null : value(last));
  };
  const typed = () => send(least.value === "" ? null : Number(least.value), largest.value === "" ? null : Number(largest.value));
  one.addEventListener("change", slid);
  two.addEventListener("change", slid);
  least.addEventListener("change", typed);
  largest.addEventListener("change", typed);
  body.replaceChildren(bars, make("div", { class: "range" }, one, two), make("div", { class: "limits" }, least, "to", largest));
}

function values(body, column, found, state, go) {
  const chosen = new Set((state.get(column.name) ?? "").split(",").map((one) => one.replace("%2C", ",")));
  const isSet = state.has(column.name);
  const name = (value) => (value ?? "").replace(",", "%2C");
  const list = make("div", { class: "values" });
  for (const { value, clips: count } of found) {
    const isOn = isSet && chosen.has(value ?? "");
    list.append(make("label", {}, make("input", { type: "checkbox", checked: isOn, onchange: (event) => {
      const next = new Set(isSet ? [...chosen].map(name) : []);
      if (event.target.checked) {
        if (column.kind === "flag") next.clear();
        next.add(name(value));
      } else next.delete(name(value));
      go({ [column.name]: next.size ? [...next].join(",") : null }, next.size > 0);
    } }), make("span", { title: value ?? "none" }, value ?? "none"), make("small", {}, number(count))));
  }
  if (!found.length) list.append(make("small", {}, "nothing"));
  body.replaceChildren(list);
}
