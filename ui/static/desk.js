// Everything works without this file. It adds single-key shortcuts, which the page
// of preferences turns off (WCAG 2.1.4). No key resets anything.
"use strict";
(() => {
  const $ = (s) => document.querySelector(s), all = (s) => [...document.querySelectorAll(s)];
  for (const e of all("[data-copy]")) {
    e.hidden = false;
    e.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(e.dataset.copy); e.textContent = "Copied"; } catch { e.textContent = e.dataset.copy; }
    });
  }
  for (const hint of all("[data-caps]")) {
    const field = hint.closest("label").querySelector("input");
    for (const type of ["keydown", "keyup"]) field.addEventListener(type, (e) => { hint.hidden = !e.getModifierState?.("CapsLock"); });
  }
  // Times come in UTC; here they are put into the zone of this browser, unless the
  // profile wants UTC. The title has both.
  if (document.body.dataset.clock === "local") {
    const hm = { hour: "2-digit", minute: "2-digit" }, dm = { day: "numeric", month: "short" };
    const forms = { full: { ...dm, year: "numeric", ...hm }, date: { ...dm, ...hm }, week: { weekday: "short", ...hm }, clock: hm };
    const write = (date, form) => new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...form }).format(date);
    for (const t of all("time[datetime]")) {
      const date = new Date(t.dateTime), span = t.querySelector("[data-at]");
      if (isNaN(date)) continue;
      if (span) span.textContent = write(date, forms[span.dataset.at]).replace(/^(\w{3}),/, "$1");
      t.title = write(date, { weekday: "short", ...forms.full, second: "2-digit", timeZoneName: "short" }) + " · " + t.title;
    }
  }
  // What scrolls can be reached by the keyboard; some browsers need to be told.
  const reach = () => { for (const e of all("pre")) if (e.scrollHeight > e.clientHeight) e.tabIndex = 0; };
  document.addEventListener("toggle", reach, true);
  addEventListener("resize", reach);
  reach();
  const timer = $("[data-left]"); // of a claim, which ends by the clock; without this the page says when, as of its loading
  if (timer) {
    const end = performance.now() + timer.dataset.left * 1000;
    const tick = () => {
      const s = Math.ceil((end - performance.now()) / 1000);
      if (s <= 0) { timer.role = "status"; timer.textContent = "(that has ended)"; return; }
      timer.textContent = `(ends by itself in ${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")})`;
      setTimeout(tick, 1000);
    };
    tick();
  }
  const sheet = $("#sheet");
  if (!sheet) return;
  const move = (by) => {
    const rows = all(".row .num, .events a, table a").filter((e) => e.checkVisibility());
    const at = rows.indexOf(document.activeElement.closest(".row")?.querySelector(".num") ?? document.activeElement);
    rows[Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
  };
  const act = (...keys) => {
    for (const k of keys) {
      const e = $(`.actions :is(a[href$="/${k}"], button[formaction$="/${k}"], form[action$="/${k}"] button)`);
      if (e) return e.click();
    }
  };
  const first = (s) => { const e = $(s); if (e) { e.focus(); return true; } };
  const go = (path) => { if ($(`.top a[href="${path}"]`) || path === "/") location.href = path; };
  const keys = {
    j: () => move(1), k: () => move(-1),
    x: () => document.activeElement.closest(".row")?.querySelector("[type=checkbox]")?.click(),
    c: () => act("claim", "release", "take"), 1: () => act("approve"), 2: () => act("duplicate", "close"), 3: () => act("reject"),
    4: () => act("ask"), h: () => act("hold"), n: () => first("#note, [name=note]") || act("note"),
    "/": () => first("[type=search]") || (location.href = "/"),
    "[": () => $("a[rel=prev]")?.click(), "]": () => $("a[rel=next]")?.click(),
    gq: () => go("/"), ga: () => go("/accounts"), gl: () => go("/audit"), gs: () => go("/settings"),
    "?": () => sheet.showModal(),
  };
  let pending = "", since = 0;
  document.addEventListener("keydown", (e) => {
    const typing = e.target.closest("input:not([type=checkbox],[type=radio]),textarea,select,[contenteditable]");
    if (e.key === "Enter" && e.ctrlKey && e.target.form) { // a red button is pressed by itself, never by a key elsewhere
      const button = e.target.form.querySelector(".confirm button");
      e.preventDefault();
      return button?.matches(".danger") || e.target.form.requestSubmit(button);
    }
    if (e.key === "Escape" && !sheet.open) { if (typing) return e.target.blur(); return $(".confirm a.button")?.click(); }
    if (!("keys" in document.body.dataset) || e.ctrlKey || e.metaKey || e.altKey || typing || sheet.open) return;
    if (e.timeStamp - since > 1500) pending = "";
    const key = pending + e.key;
    pending = "";
    if (keys[key]) { e.preventDefault(); return keys[key](); }
    if (e.key === "g") { pending = "g"; since = e.timeStamp; }
  });
})();
