// Adds filtering, sorting and copying to a page that is complete without them.
"use strict";
(function () {
  const heading = document.querySelector("[data-from-address]");
  if (heading) {
    // Inside a dataset's folder the page is named after that folder.
    const parts = location.pathname.split("/");
    let folder = parts[parts.length - 2] || "";
    try { folder = decodeURIComponent(folder); } catch (error) { /* kept as it is written */ }
    if (folder) {
      heading.textContent = folder;
      document.title = folder + " – report";
    }
  }

  for (const id of document.querySelectorAll("code.id")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "copy";
    button.setAttribute("aria-label", "copy clip id " + id.textContent);
    button.addEventListener("click", () => copy(id, button));
    id.after(button);
  }

  function copy(element, button) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    const told = (word) => {
      button.textContent = word;
      setTimeout(() => { button.textContent = "copy"; }, 1200);
    };
    if (navigator.clipboard) {
      navigator.clipboard.writeText(element.textContent).then(() => told("copied"), () => told("selected"));
    } else {
      told("selected");
    }
  }

  const tools = document.getElementById("tools");
  if (!tools) return;
  const list = document.getElementById("cards");
  const filter = document.getElementById("filter");
  const sort = document.getElementById("sort");
  const ascending = document.getElementById("ascending");
  const found = document.getElementById("found");
  const nothing = document.getElementById("nothing");
  const cards = Array.from(list.children, (element, order) => ({
    element, order,
    text: element.textContent.toLowerCase(),
    keys: JSON.parse(element.dataset.sort),
  }));
  tools.hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", show);
  sort.addEventListener("change", arrange);
  ascending.addEventListener("change", arrange);
  show();

  function show() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const fits = words.every((word) => card.text.includes(word));
      card.element.hidden = !fits;
      if (fits) shown += 1;
    }
    found.textContent = shown === cards.length ? cards.length + " shown" : shown + " of " + cards.length + " shown";
    nothing.hidden = shown > 0;
  }

  function arrange() {
    const key = sort.value;
    const sign = ascending.checked ? 1 : -1;
    const sorted = cards.slice().sort((one, other) => {
      if (!key) return ascending.checked ? other.order - one.order : one.order - other.order;
      const a = one.keys[key], b = other.keys[key];
      // Clips without the value stand last, whichever way round.
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || one.order - other.order;
      return sign * (a - b) || one.order - other.order;
    });
    list.append(...sorted.map((card) => card.element));
  }
})();
