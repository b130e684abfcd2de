import { ask, footage, make, number } from "./parts.js";

// Sources that could not be read: which, how far each came, and why.
const OWN = ["kept", "reason", "status", "q", "page"];

export async function failedSources(fields, grid, go) {
  const query = new URLSearchParams([...fields].filter(([name]) => OWN.includes(name)));
  const found = await ask(`/api/failed?${query}`);
  const list = make("ol", { class: "failed-list", "aria-label": "Sources that failed" }, ...found.sources.map(source));
  if (!found.sources.length) list.append(make("li", { class: "soft" }, query.has("q") || query.has("reason") || query.has("status") ? "No failed source fits. Take a filter away." : "Every source could be read."));
  list.addEventListener("keydown", (event) => {
    const all = [...list.querySelectorAll(".source")], at = all.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && at >= 0) { event.preventDefault(); event.stopPropagation(); all[at + step]?.focus(); }
  });
  return { ...found, list, filters: filters(found.reasons, fields, go) };
}

function source(one) {
  return make("li", { class: `source ${one.status}`, tabindex: "0" }, make("p", { class: "uri" }, one.uri),
    make("p", {}, make("strong", {}, one.reason.replaceAll("_", " ") || one.status), one.error ? `: ${one.error}` : ""),
    make("p", { class: "facts" }, make("span", {}, `${one.status} while ${one.stage}`), one.codec ? make("span", {}, one.codec) : null, one.duration_seconds ? make("span", {}, footage(one.duration_seconds)) : null,
      one.file_bytes ? make("span", {}, `${number(Math.round(one.file_bytes / 1e3) / 1e3)} MB`) : null,
      one.when ? make("span", {}, "recorded ", make("time", { datetime: one.when }, new Date(one.when).toLocaleString())) : null));
}

function filters(reasons, fields, go) {
  const chosen = new Set((fields.get("reason") || "").split(",").filter(Boolean).map((one) => one.replaceAll("%2C", ",")));
  const box = make("fieldset", { class: "values of-failed" }, make("legend", {}, "Reason"));
  const sums = new Map();
  for (const one of reasons) sums.set(one.reason, (sums.get(one.reason) || 0) + one.sources);
  for (const [reason, count] of sums) {
    box.append(make("label", {}, make("input", { type: "checkbox", checked: chosen.has(reason), onchange: (event) => {
      if (event.target.checked) chosen.add(reason); else chosen.delete(reason);
      go({ reason: [...chosen].map((one) => one.replaceAll(",", "%2C")).join(",") });
    } }), make("span", {}, reason.replaceAll("_", " ") || "none"), make("small", {}, number(count))));
  }
  if (!sums.size) box.append(make("small", {}, "nothing"));
  return box;
}
