// The form of an account: marks what was typed, submits with Ctrl+Enter, and warns before typed values are lost.
(() => {
  "use strict";
  let leaving = false;

  const form = () => document.querySelector("form[data-tdm-form]");
  const typed = (whole) => [...whole.querySelectorAll("[data-was]")].filter((input) => input.value !== input.dataset.was);

  const mark = () => {
    const whole = form();
    if (!whole) return;
    const changed = new Set(typed(whole));
    for (const input of whole.querySelectorAll("[data-was]")) input.classList.toggle("tdm-typed", changed.has(input));
    const note = whole.querySelector("[data-unsaved]");
    if (note) note.hidden = !changed.size;
  };

  const isUnsaved = () => {
    const whole = form();
    return Boolean(whole && !leaving && typed(whole).length && !whole.querySelector("button[name=submit]").disabled);
  };

  document.addEventListener("DOMContentLoaded", () => {
    mark();
    form()?.querySelector("[aria-invalid=true]")?.focus(); // what cannot be taken is mended first
    const box = document.querySelector(".tdm-find input[type=search]");
    if (box?.value) box.select(); // the next search is typed over the last one
  });
  document.addEventListener("input", mark);
  document.addEventListener("change", mark);
  document.addEventListener("submit", (event) => {
    leaving = event.target.matches("form[data-tdm-form]");
  });
  window.addEventListener("pageshow", () => {
    leaving = false;
    mark();
  });
  window.addEventListener("beforeunload", (event) => {
    if (isUnsaved()) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const whole = event.target.closest("form[data-tdm-form]");
    const button = whole?.querySelector("button[name=submit]");
    if (button && !button.disabled) {
      event.preventDefault();
      whole.requestSubmit(button);
    }
  });
})();
