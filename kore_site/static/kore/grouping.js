// What spares a reload or a hand on the mouse: another master previews at once, x marks the row where the
// keyboard is, one box marks them all, Escape closes the menu. Every page works without.
(() => {
  "use strict";
  const boxes = () => [...document.querySelectorAll("[data-acting] input.k-pick[name=chosen]")];

  const count = () => {
    const form = document.querySelector("[data-acting]");
    if (!form) return;
    const chosen = boxes().filter((box) => box.checked).length;
    const told = form.querySelector("[data-chosen-count]");
    const missing = [];
    for (const button of form.querySelectorAll("[data-needs-chosen]:not([data-refused])")) {
      const exactly = Number(button.dataset.needsChosen);
      button.disabled = exactly ? chosen !== exactly : chosen === 0;
      if (button.disabled && exactly && chosen) missing.push(`; ${button.textContent} asks for exactly ${exactly}`);
    }
    if (told) told.textContent = chosen ? `${chosen} chosen${missing.join("")}` : "Choose rows first: x marks a row";
    for (const all of form.querySelectorAll("[data-choose-all]")) {
      all.checked = chosen > 0 && chosen === boxes().length;
      all.indeterminate = chosen > 0 && chosen < boxes().length;
    }
  };

  const offerAll = () => {
    for (const place of document.querySelectorAll("[data-acting] .k-pick-all")) {
      const all = document.createElement("input");
      all.type = "checkbox";
      all.className = "k-pick";
      all.dataset.chooseAll = "";
      all.setAttribute("aria-label", "Choose all rows of this page");
      place.replaceWith(all);
    }
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const menu = document.querySelector("[data-menu][open]");
    if (event.key === "Escape" && menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    if (event.key !== "x" || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    const box = (event.target.closest("tr") || document.querySelector("tr.k-here"))?.querySelector("input.k-pick[name=chosen]");
    if (!box) return;
    event.preventDefault();
    box.checked = !box.checked;
    count();
  });

  document.addEventListener("change", (event) => {
    const { target } = event;
    if (target.matches("[data-choose-all]")) for (const box of boxes()) box.checked = target.checked;
    if (target.matches("input.k-pick")) count();
    if (target.matches("[data-preview]")) target.form.requestSubmit(target.form.querySelector("button[value=preview]"));
  });

  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // A browser leaves autofocus out where it is busy while a page comes: who works by keyboard would be lost.
  if (document.activeElement === document.body) document.querySelector("#content [autofocus]")?.focus();
  for (const button of document.querySelectorAll(".k-needs-no-script")) button.hidden = true;
  for (const button of document.querySelectorAll("[data-needs-chosen][disabled]")) button.dataset.refused = "";
  offerAll();
  count();
  window.addEventListener("pageshow", count); // a browser that goes back ticks the rows again
})();
