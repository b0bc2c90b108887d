// The keyboard: / searches, arrows move in lists, Enter opens, g then a letter goes places, ? helps.
// Also the two small clicks that need script: copy a value, send a filter as soon as it is chosen.
// And names, for those who hear the page, of the libraries' controls that are pictures alone.
(() => {
  "use strict";
  const places = { c: ["contacts", "/admin/contacts/contact/"], t: ["TDM: find a fan", "/tdm/"], o: ["overview", "/admin/"], n: ["nights", "/admin/sync/nightrun/"] };
  // A place that the sidebar does not offer would refuse, or could not stand in a CRM's frame.
  const offered = () => Object.fromEntries(Object.entries(places).filter(([, [, address]]) => address === "/tdm/" || document.querySelector(`#nav-sidebar a[href="${address}"]`)));
  const typing = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;
  const rows = () => [...document.querySelectorAll("table[data-rows] tbody tr, #result_list tbody tr")].filter((row) => row.querySelector("a"));
  let here = -1;
  let leader = -Infinity;

  const move = (step) => {
    const all = rows();
    if (!all.length) return false;
    all[here]?.classList.remove("k-here");
    here = Math.min(Math.max(here + step, 0), all.length - 1);
    all[here].classList.add("k-here");
    all[here].querySelector("a").focus({ preventScroll: true });
    all[here].scrollIntoView({ block: "nearest" });
    return true;
  };

  const help = () => {
    let dialog = document.getElementById("k-help");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.id = "k-help";
      dialog.setAttribute("aria-label", "Keyboard");
      const keys = [["/", "search"], ["↑ ↓", "move in a list"], ["Enter", "open"]];
      // The keys of this page stand on what they press: data-key, data-key-title; x chooses in a list (grouping.js).
      for (const one of document.querySelectorAll("[data-key]")) keys.push([one.dataset.key, one.dataset.keyTitle || one.title]);
      if (document.querySelector("[data-acting] input.k-pick[name=chosen]")) keys.push(["x", "choose the row"]);
      for (const [key, [name]] of Object.entries(offered())) keys.push([`g ${key}`, name]);
      keys.push(["?", "this help"], ["Esc", "leave the search, close"]);
      const list = document.createElement("dl");
      for (const [key, what] of keys) {
        const term = list.appendChild(document.createElement("dt"));
        term.appendChild(document.createElement("kbd")).textContent = key;
        list.appendChild(document.createElement("dd")).textContent = what;
      }
      const title = document.createElement("h2");
      title.textContent = "Keyboard";
      const close = document.createElement("button");
      close.type = "button";
      close.className = "k-button";
      close.textContent = "Close";
      dialog.append(title, list, close);
      dialog.addEventListener("click", () => dialog.close());
      document.body.append(dialog);
    }
    dialog.open ? dialog.close() : dialog.showModal();
  };

  const key = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inSearch = event.target.matches("input[type=search], #searchbar");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (typing(event.target) && !inSearch) return;
      if (move(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
      return;
    }
    if (event.key === "Enter" && inSearch && here >= 0 && event.target.value === event.target.defaultValue) {
      event.preventDefault();
      rows()[here].querySelector("a").click();
      return;
    }
    if (event.key === "Escape" && inSearch) event.target.blur();
    if (typing(event.target)) return;
    const place = event.timeStamp - leader < 2000 && offered()[event.key];
    if (place) {
      window.location.assign(place[1]);
    } else if (event.key === "g") {
      leader = event.timeStamp;
    } else if (event.key === "/") {
      const boxes = [...document.querySelectorAll("input[type=search], #searchbar")];
      const box = boxes.find((one) => one.checkVisibility());
      event.preventDefault();
      if (box) {
        box.focus();
        box.select();
      } else {
        window.location.assign(places.t[1]);
      }
    } else if (event.key === "?") {
      help();
    }
  };

  const selectInstead = (copy) => {
    const text = [...copy.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.includes(copy.dataset.copy));
    if (!text) return;
    const range = document.createRange();
    const start = text.data.indexOf(copy.dataset.copy);
    range.setStart(text, start);
    range.setEnd(text, start + copy.dataset.copy.length);
    window.getSelection().removeAllRanges();
    window.getSelection().addRange(range);
    if (copy.parentNode.querySelector(":scope > [data-selected]")) return;
    const note = document.createElement("span");
    note.className = "k-note";
    note.dataset.selected = "";
    note.setAttribute("role", "status");
    note.textContent = "selected: copy it with Ctrl+C";
    copy.after(note);
  };

  const click = async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (!copy) return;
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      copy.dataset.copied = "";
      window.setTimeout(() => delete copy.dataset.copied, 1500);
    } catch {
      selectInstead(copy); // a frame may be kept from the clipboard
    }
  };

  const pictures = {
    "#command-submit": "Search",
    "#search-input-command": "Search everywhere",
    "[id^=clocklink]": "Choose a time",
    "[id^=calendarlink]": "Choose a date",
  };
  const name = () => {
    for (const [which, called] of Object.entries(pictures)) {
      for (const control of document.querySelectorAll(which)) control.setAttribute("aria-label", called);
    }
  };

  window.addEventListener("load", () => window.setTimeout(name)); // after the clocks are there
  document.addEventListener("keydown", key);
  document.addEventListener("click", click);
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-send]")) event.target.form.requestSubmit();
    if (event.target.matches("select[data-go]")) window.location.search = event.target.value;
  });
})();
