// Everything works without this file. It adds single-key shortcuts for those who
// turn them on with "?" (WCAG 2.1.4).
"use strict";
(() => {
  if (!document.querySelector("nav[aria-label=Desk]")) return;
  let on = false, pending = "";
  try { on = localStorage.getItem("shortcuts") === "on"; } catch { /* storage is closed: stay off */ }
  const say = (text) => {
    const p = document.createElement("p");
    p.className = "flash"; p.setAttribute("role", "status"); p.textContent = text;
    document.querySelector(".flash")?.remove();
    document.querySelector("main").before(p);
  };
  const rows = [...document.querySelectorAll(".row .num")];
  const move = (by) => {
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
  };
  const go = (key) => document.querySelector(`.actions a[href$="/${key}"]`)?.click();
  const keys = {
    j: () => move(1), k: () => move(-1),
    1: () => go("approve"), 2: () => go("close"), 3: () => go("reject"), 4: () => go("ask"), h: () => go("hold"),
    "/": () => document.querySelector("[type=search]")?.focus(),
    gq: () => { location.href = "/"; }, ga: () => { location.href = "/audit"; },
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input,textarea,select")) return;
    if (e.key === "?") {
      on = !on;
      try { localStorage.setItem("shortcuts", on ? "on" : "off"); } catch { /* then for this page only */ }
      return say(on ? "Shortcuts on: j k move, Enter open, 1 approve, 2 close, 3 reject, 4 ask, h hold, / search, g q queue, g a audit. ? turns them off." : "Shortcuts off.");
    }
    if (!on) return;
    if (e.key === "g") { pending = "g"; return; }
    const act = keys[pending + e.key];
    pending = "";
    if (act) { e.preventDefault(); act(); }
  });
})();
