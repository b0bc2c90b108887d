// The matrix of rights: counts what is not saved yet, keeps change and view together, and moves by arrows.
// Without it the page works: every tick is in the form.
(() => {
  "use strict";
  const form = document.querySelector("form[data-rights]");
  if (!form) return;
  const save = form.querySelector("[data-save]");
  const discard = form.querySelector("[data-reset]");
  const all = form.querySelector("[data-all]");
  const boxes = [...form.querySelectorAll("input[name=own]")];
  const rows = [...form.querySelectorAll("[data-row]")];
  let sent = false;

  const changed = () => boxes.filter((box) => box.checked !== box.defaultChecked);
  const tell = () => {
    const count = changed().length;
    for (const box of boxes) box.closest("td").classList.toggle("rm-changed", box.checked !== box.defaultChecked);
    save.textContent = count ? `Save ${count} change${count === 1 ? "" : "s"}` : "Save changes";
    save.disabled = !count;
    discard.hidden = !count;
  };

  // Change brings view along; without view there is no change.
  const keepTogether = (box) => {
    const other = boxes.find((one) => one !== box && one.dataset.cell === box.dataset.cell);
    if (!other) return;
    const isChange = box.value.endsWith("c");
    if (isChange && box.checked) other.checked = true;
    if (!isChange && !box.checked) other.checked = false;
  };

  const move = (event) => {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (!step || !event.target.matches("input[type=checkbox]") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const grid = [...form.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("input[type=checkbox]")]).filter((row) => row.length);
    const y = grid.findIndex((row) => row.includes(event.target));
    if (y < 0) return;
    const x = grid[y].indexOf(event.target);
    const line = grid[Math.min(Math.max(y + step[0], 0), grid.length - 1)];
    line[Math.min(Math.max(x + step[1], 0), line.length - 1)].focus();
  };

  form.addEventListener("change", (event) => {
    if (event.target.name === "own") keepTogether(event.target);
    if (event.target === all) for (const row of rows) row.checked = all.checked;
    if (rows.includes(event.target)) all.checked = rows.every((row) => row.checked);
    tell();
  });
  form.addEventListener("reset", () => window.setTimeout(tell));
  form.addEventListener("keydown", move);
  form.addEventListener("submit", () => { sent = true; });
  window.addEventListener("beforeunload", (event) => { if (!sent && changed().length) event.preventDefault(); });
  all.hidden = false;
  window.addEventListener("pageshow", () => { sent = false; tell(); });
  tell();
})();
