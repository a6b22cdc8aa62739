// What the report's page can do beside being read: sort and filter tables, show figures large, open the run of a key.
// Without scripts everything is still there. Nothing is loaded.
"use strict";

const FILTERED_FROM = 8; // rows; shorter tables are seen at a glance

// A cell as it is read; its lines are parted by a space.
function textOf(cell) {
  return [...cell.childNodes].map((node) => (node.nodeName === "BR" ? " " : node.textContent)).join("").trim();
}

// The number at the start of a cell like "61.2 ± 0.8", "−1.0 [−2, 0]", "3 of 3"; NaN where a cell is none.
function numberOf(text) {
  const plain = text.replaceAll("−", "-").replace(/(\d)[,\u2009](?=\d{3})/g, "$1");
  return /^[+-]?\d*\.?\d+(e[+-]?\d+)?(?![\w.])(?!-)/.test(plain) || /^[+-]?\d+(\.\d+)?x$/.test(plain)
    ? parseFloat(plain) : NaN;
}

function isEmpty(text) {
  return ["", "–", "n/a", "nan", "None"].includes(text);
}

// Rows in the order of a column; cells that say nothing come last, whichever way. Equal cells keep their order.
function inOrder(rows, column, direction) {
  const cells = new Map(rows.map((row) => [row, textOf(row.cells[column])]));
  const numeric = rows.every((row) => isEmpty(cells.get(row)) || !Number.isNaN(numberOf(cells.get(row))));
  const compare = numeric
    ? (a, b) => numberOf(a) - numberOf(b)
    : (a, b) => a.localeCompare(b, "en", { numeric: true });
  return [...rows].sort((first, second) => {
    const [a, b] = [cells.get(first), cells.get(second)];
    return isEmpty(a) || isEmpty(b) ? isEmpty(a) - isEmpty(b) : direction * compare(a, b);
  });
}

// The box of a wide table can be reached and scrolled by keyboard, and says which table it holds.
function nameBox(box) {
  const heading = box.closest("section").querySelector("h2").textContent;
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", heading);
}

// Columns of single numbers stand to the right, so that their digits are below each other.
function alignNumbers(table) {
  const rows = [...table.rows];
  [...rows[0].cells].forEach((_, column) => {
    const texts = rows.slice(1).map((row) => textOf(row.cells[column]));
    if (texts.every((text) => isEmpty(text) || /^[+−-]?[\d.,]+( ?%|x)?$/.test(text))) {
      rows.forEach((row) => row.cells[column].classList.add("number"));
    }
  });
}

// The key of a run that can be opened on this page leads to it.
function linkRuns(table) {
  for (const cell of table.querySelectorAll("td")) {
    const run = document.getElementById(`run-${cell.textContent}`);
    if (run) {
      const link = document.createElement("a");
      link.href = `#${run.id}`;
      link.append(...cell.childNodes);
      cell.append(link);
    }
  }
}

// Each heading becomes a button: ascending, descending, as it was.
function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      const order = next === undefined ? "ascending" : next;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) head.setAttribute("aria-sort", order);
      table.classList.toggle("sorted", Boolean(order));
      body.append(...(order ? inOrder(original, column, order === "ascending" ? 1 : -1) : original));
    });
  });
}

// A field above the table; rows stay that hold every word in it.
function makeFilterable(table, name) {
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => [...row.cells].map(textOf).join(" ").toLowerCase());
  const line = document.createElement("div");
  line.className = "filter";
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("span");
  input.type = "search";
  input.setAttribute("aria-label", `Filter rows: ${name}`);
  input.placeholder = "Filter rows";
  count.setAttribute("role", "status");
  label.append(input);
  line.append(label, count);
  table.parentElement.before(line);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      left += !row.hidden;
    });
    count.textContent = words.length ? `${left} of ${rows.length} rows` : "";
  });
}

// One dialog for all figures; Escape, the button and a click beside the picture close it.
function openLarge(link) {
  const dialog = document.getElementById("large");
  const picture = link.querySelector("img");
  const shown = dialog.querySelector("img");
  shown.src = picture.src;
  shown.alt = picture.alt;
  dialog.setAttribute("aria-label", picture.alt);
  dialog.showModal();
}

// A link to a run opens it.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

for (const table of document.querySelectorAll(".wide > table")) {
  const rows = table.tBodies[0].rows.length;
  nameBox(table.parentElement);
  alignNumbers(table);
  linkRuns(table);
  if (rows > 1) makeSortable(table);
  if (rows >= FILTERED_FROM) makeFilterable(table, table.parentElement.getAttribute("aria-label"));
}
for (const text of document.querySelectorAll("pre")) text.tabIndex = 0; // long ones scroll, by keyboard too
for (const link of document.querySelectorAll("figure .open")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    openLarge(link);
  });
}
document.getElementById("large").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close();
});
window.addEventListener("hashchange", openTarget);
openTarget();
