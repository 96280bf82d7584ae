// A table sorts by the column whose name is pressed, and the other way when it is pressed again.
for (const button of document.querySelectorAll("th button")) {
  button.onclick = () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], at = head.cellIndex;
    const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const of = row => row.cells[at].dataset.v ?? row.cells[at].textContent;
    const compare = head.classList.contains("n") ? (a, b) => Number(of(a)) - Number(of(b)) : (a, b) => of(a).localeCompare(of(b), document.documentElement.lang);
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
    body.append(...[...body.rows].sort((a, b) => way * compare(a, b)));
  };
}
