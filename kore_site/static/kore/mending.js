// Correcting rejected rows: arrows move between rows, Enter goes to the next cell to correct, and the button says
// how many rows are corrected. Without this script the same form keeps and sends what was changed.
(() => {
  "use strict";
  const form = document.querySelector("[data-mending]");
  if (!form) return;
  const rows = [...form.querySelectorAll("[data-row]")];
  const button = form.querySelector("[data-send-again]");
  const kept = Number(form.dataset.kept);
  const isMended = (cell) => cell.value !== cell.dataset.was;

  const tell = () => {
    const ready = kept + rows.filter((row) => [...row.querySelectorAll(".md-cell")].some(isMended)).length;
    form.querySelector("[data-ready]").textContent = ready.toLocaleString("en-GB");
    form.querySelector("[data-plural]").textContent = ready === 1 ? "" : "s";
    button.disabled = ready === 0;
  };

  const focus = (cell) => {
    if (!cell) return;
    cell.focus();
    cell.setSelectionRange(cell.value.length, cell.value.length);
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  form.addEventListener("input", (event) => {
    const cell = event.target;
    cell.classList.toggle("md-mended", isMended(cell));
    if (cell.classList.contains("md-wrong")) cell.setAttribute("aria-invalid", String(!isMended(cell)));
    tell();
  });

  form.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".md-cell");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const at = rows.indexOf(cell.closest("[data-row]"));
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const column = cell.closest("td").cellIndex;
      const next = rows[at + (event.key === "ArrowDown" ? 1 : -1)];
      focus(next?.cells[column].querySelector(".md-cell") || next?.querySelector(".md-cell"));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const next = rows.slice(at + 1).find((row) => row.querySelector(".md-wrong, .md-cell"));
      next ? focus(next.querySelector(".md-wrong") || next.querySelector(".md-cell")) : button.focus();
    }
  });

  tell();
  focus(form.querySelector("[autofocus]"));
})();
