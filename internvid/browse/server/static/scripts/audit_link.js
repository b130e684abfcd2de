// From the grid to an audit of what it shows.
document.getElementById("audit").addEventListener("click", () => {
  location.href = `/audit?${new URLSearchParams({ group: `query:${location.search.slice(1)}` })}`;
});
