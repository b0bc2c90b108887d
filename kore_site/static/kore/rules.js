// The editor of the matching rules: rows come, go and move without the page loading anew. Without this script the
// same form works by numbers and ticks, which are hidden here.
(() => {
  "use strict";
  const editor = document.querySelector("[data-rule-editor]");
  if (!editor) return;
  const withoutAlike = editor.dataset.withoutAlike.split("|");
  const said = editor.querySelector("[data-said]");
  const names = { rule: "Rule", criterion: "Criterion" };
  const rowsOf = (box) => [...box.children].filter((child) => child.matches("[data-row]"));
  const control = (row, name) => row.querySelector(`[name$="-${name}"]`);

  const arrow = (row, step) =>
    [...row.querySelectorAll(`[data-move="${step}"]`)].find((button) => button.closest("[data-row]") === row);

  const number = () => {
    for (const box of editor.querySelectorAll("[data-rows-of]")) {
      rowsOf(box).forEach((row, index, rows) => {
        control(row, "ORDER").value = index + 1;
        if (row.dataset.row === "rule") row.querySelector(".mr-number").textContent = index + 1;
        arrow(row, -1).disabled = index === 0;
        arrow(row, 1).disabled = index === rows.length - 1;
      });
    }
  };

  // What depends on the comparator: the threshold, and that some fields have no "alike".
  const fit = (row) => {
    const field = control(row, "field").value;
    const comparator = control(row, "comparator");
    const alike = comparator.querySelector("option[value=fuzzy]");
    alike.disabled = withoutAlike.includes(field) && comparator.value !== "fuzzy";
    row.querySelector(".mr-threshold").classList.toggle("mr-unused", comparator.value !== "fuzzy");
  };

  const shade = (rule) => rule.classList.toggle("mr-off", !control(rule, "is_active").checked);

  const prepare = (scope) => {
    for (const button of scope.querySelectorAll("[data-move], [data-remove], [data-add]")) button.hidden = false;
    for (const row of scope.querySelectorAll("[data-row=criterion]")) fit(row);
    for (const rule of scope.querySelectorAll("[data-row=rule]")) shade(rule);
  };

  const say = (row, what) => {
    const rows = rowsOf(row.parentElement);
    said.textContent = `${names[row.dataset.row]} ${what}, now ${rows.indexOf(row) + 1} of ${rows.length}.`;
  };

  const move = (row, step, focused) => {
    const rows = rowsOf(row.parentElement);
    const other = rows[rows.indexOf(row) + step];
    if (!other) return;
    step < 0 ? other.before(row) : other.after(row);
    number();
    (focused.disabled ? arrow(row, -step) : focused).focus(); // at the end of the way the arrow is off
    say(row, "moved");
  };

  const add = (button) => {
    const kind = button.dataset.add;
    const rule = button.closest("[data-row=rule]");
    const total = (rule || editor).querySelector(`[data-total=${kind}]`);
    const index = total.value;
    const ruleIndex = kind === "rule" ? index : total.name.split("-")[1];
    const made = document.createElement("template");
    made.innerHTML = editor
      .querySelector(`template[data-blank=${kind}]`)
      .innerHTML.replaceAll("__rule__", ruleIndex)
      .replaceAll("__prefix__", index)
      .trim();
    const row = made.content.firstElementChild;
    total.value = Number(index) + 1;
    (rule || editor).querySelector(`[data-rows-of=${kind}]`).append(row);
    if (kind === "rule") {
      prepare(row);
      add(row.querySelector("[data-add=criterion]"));
      control(row, "title").focus();
    } else {
      prepare(row);
      fit(row);
      control(row, "field").focus();
    }
    number();
    say(row, "added");
  };

  const remove = (row) => {
    const rows = rowsOf(row.parentElement);
    const next = rows[rows.indexOf(row) + 1] || rows[rows.indexOf(row) - 1];
    const rule = row.dataset.row === "criterion" ? row.closest("[data-row=rule]") : editor;
    const kind = row.dataset.row;
    row.remove();
    number();
    const target = next ? next.querySelector("[data-remove]") : rule.querySelector(`[data-add=${kind}]`);
    target.focus();
    said.textContent = `${names[kind]} removed, ${rows.length - 1} left.`;
  };

  // Rows that stand blank for those without script.
  const isBlank = (row) =>
    row.dataset.row === "criterion"
      ? !control(row, "field").value
      : !control(row, "title").value && !row.querySelector("[data-row=criterion]");

  editor.classList.add("mr-live");
  for (const row of editor.querySelectorAll("[data-row=criterion]")) {
    if ((isBlank(row) && !row.querySelector(".k-error")) || control(row, "DELETE").checked) row.remove();
  }
  for (const row of editor.querySelectorAll("[data-row=rule]")) {
    if ((isBlank(row) && !row.querySelector(".k-error")) || control(row, "DELETE").checked) row.remove();
  }
  prepare(editor);
  number();
  const wrong = editor.querySelector(".k-error")?.parentElement.querySelector("input:not([type=hidden]), select");
  wrong?.focus();

  editor.addEventListener("click", (event) => {
    const button = event.target.closest("button[type=button]");
    if (!button) return;
    if (button.dataset.add) add(button);
    else if ("remove" in button.dataset) remove(button.closest("[data-row]"));
    else if (button.dataset.move) move(button.closest("[data-row]"), Number(button.dataset.move), button);
  });
  editor.addEventListener("change", (event) => {
    const row = event.target.closest("[data-row]");
    if (!row) return;
    row.dataset.row === "criterion" ? fit(row) : shade(row);
  });
  editor.addEventListener("keydown", (event) => {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    const row = event.target.closest("[data-row]");
    if (!row) return;
    event.preventDefault();
    move(row, event.key === "ArrowUp" ? -1 : 1, event.target);
  });
})();
