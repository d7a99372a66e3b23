// Everything works without this file. It adds the buttons that copy and print,
// and keeps "Finish" shut until the box is ticked.
"use strict";
for (const b of document.querySelectorAll(".tfa [data-copy], .tfa [data-print]")) b.hidden = false;
for (const box of document.querySelectorAll(".tfa [data-opens]")) {
  const button = document.getElementById(box.dataset.opens);
  const follow = () => { button.disabled = !box.checked; };
  box.addEventListener("change", follow);
  addEventListener("pageshow", follow);
  follow();
}
document.addEventListener("click", (e) => {
  const b = e.target.closest(".tfa [data-copy], .tfa [data-print]");
  if (!b) return;
  if ("print" in b.dataset) return window.print();
  const from = document.getElementById(b.dataset.copy);
  const items = [...from.querySelectorAll("li")].map((li) => li.textContent);
  const text = items.length ? items.join("\n") : from.textContent.replaceAll(" ", "");
  const select = () => getSelection().selectAllChildren(from); // then Ctrl+C
  if (!navigator.clipboard) return select(); // plain http
  navigator.clipboard.writeText(text).then(() => { b.textContent = b.dataset.done; }, select);
});
