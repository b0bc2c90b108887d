// The review by keyboard: s same, d different, l later, u undo. Each key presses the button that names it, so that
// nothing happens that is not on the page. And on the list of safe pairs the button says how many are chosen.
(() => {
  "use strict";
  let isSent = false;
  let leader = -Infinity;

  const key = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isSent) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog")) return;
    const after = event.timeStamp - leader < 2000; // the second letter of "g d" goes places (keyboard.js)
    leader = event.key === "g" ? event.timeStamp : -Infinity;
    const button = after ? null : document.querySelector(`button[data-key="${CSS.escape(event.key)}"]:not([disabled])`);
    if (!button) return;
    event.preventDefault();
    button.click();
  };

  // A second press while the first is on its way would answer twice, or the next pair unseen.
  const send = (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  };

  const bulk = document.querySelector("[data-bulk]");
  const count = () => {
    const boxes = [...bulk.querySelectorAll("input[name=pair]")];
    const chosen = boxes.filter((box) => box.checked).length;
    const button = bulk.querySelector("[data-count]");
    const all = bulk.querySelector("[data-all]");
    button.textContent = (chosen === 1 ? button.dataset.countOne : button.dataset.count).replace("{n}", chosen);
    button.disabled = chosen === 0;
    all.hidden = false;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  };

  document.addEventListener("keydown", key);
  document.addEventListener("submit", send);
  window.addEventListener("pageshow", () => { isSent = false; });
  if (bulk) {
    bulk.addEventListener("change", (event) => {
      if (event.target.matches("[data-all]")) {
        for (const box of bulk.querySelectorAll("input[name=pair]")) box.checked = event.target.checked;
      }
      count();
    });
    count();
  }
})();
