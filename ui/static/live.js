// Tells what happens while a page is open, without moving a row: how many cases are
// new, that a case changed, who else looks at it. Only the page in front listens.
"use strict";
(() => {
  const here = document.querySelector("#live"), news = document.querySelector("#news"), title = document.title;
  if (!here || !news || !window.EventSource) return;
  const d = here.dataset, q = new URLSearchParams();
  for (const [name, value] of [["tab", d.tab], ["since", d.since], ["case", d.case]]) if (value) q.set(name, value);
  const show = (text) => {
    if (news.dataset.said === text) return; // screen readers hear it once
    news.dataset.said = text;
    const a = document.createElement("a");
    a.href = d.here; a.textContent = "show";
    news.replaceChildren(text + " – ", a);
  };
  let source;
  const hear = (e) => {
    const now = JSON.parse(e.data);
    const bubble = document.querySelector("#waiting");
    if (bubble) bubble.textContent = now.review > 999 ? "999+" : now.review;
    document.title = (now.review ? `(${now.review}) ` : "") + title;
    if (d.case) {
      if (now.version > Number(d.version)) show("This case changed meanwhile");
      const people = document.querySelector("#viewers");
      if (people) people.textContent = now.viewers.length ? now.viewers.join(", ") + (now.viewers.length > 1 ? " are" : " is") + " viewing" : "";
    } else if (now.new) show(now.new === 1 ? "1 new case" : `${now.new > 99 ? "99+" : now.new} new cases`);
  };
  const listen = () => {
    if (document.hidden) { source?.close(); source = null; return; }
    if (source) return;
    source = new EventSource("/events?" + q);
    source.onmessage = hear;
  };
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => { source?.close(); source = null; });
  addEventListener("pageshow", listen);
  listen();
})();
