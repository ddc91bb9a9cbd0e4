"use strict";
const root = document.documentElement;
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
const compare = (a, b, up) => {
  const [x, y] = [a, b].map((cell) => parseFloat(cell.replaceAll(",", "")));
  const missing = (a === "-") - (b === "-") || Number.isNaN(x) - Number.isNaN(y);
  return missing || (up ? 1 : -1) * (Number.isNaN(x) ? a.localeCompare(b) : x - y);
};
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].sort((a, b) =>
        compare(a.cells[column].textContent, b.cells[column].textContent, up));
      table.tBodies[0].append(...rows);
    });
  });
}
for (const input of document.querySelectorAll("input[data-filters]")) {
  const table = document.querySelector(`table[data-table="${input.dataset.filters}"]`);
  input.addEventListener("input", () => {
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(input.value.toLowerCase());
    }
  });
}
const tip = document.getElementById("tip");
const show = (point) => {
  document.querySelectorAll(".lit").forEach((other) => other.classList.remove("lit"));
  tip.hidden = !point;
  if (!point) return;
  point.classList.add("lit");
  tip.textContent = point.dataset.says;
  const at = point.getBoundingClientRect();
  const most = root.getBoundingClientRect().width - tip.offsetWidth - 8;
  tip.style.left = `${scrollX + Math.max(8, Math.min(at.right + 8, most))}px`;
  tip.style.top = `${scrollY + at.top - tip.offsetHeight - 6}px`;
};
for (const svg of document.querySelectorAll("figure svg")) {
  const points = [...svg.querySelectorAll("use > title")].map((title) => {
    const point = title.parentElement;
    point.dataset.says = title.textContent;
    title.remove(); // the browser's own would stand over ours
    return point;
  });
  if (!points.length) continue;
  let at = -1;
  svg.tabIndex = 0;
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(null);
    if (!step) return;
    event.preventDefault();
    at = (at + step + points.length) % points.length;
    points[at].scrollIntoView({ block: "nearest", inline: "nearest" });
    show(points[at]);
  });
  svg.addEventListener("pointerover", (event) => show(event.target.closest("[data-says]")));
  for (const left of ["pointerleave", "blur"]) svg.addEventListener(left, () => show(null));
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch {
      button.textContent = "selected"; // the reader copies it by hand
    }
  });
}
