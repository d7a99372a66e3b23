// Returns what is wrong with the page as it is laid out now, in words.
(() => {
  const faults = [];
  const name = (e) => `<${e.localName}${e.id ? "#" + e.id : ""}${e.className && e.className.baseVal === undefined ? "." + e.className : ""}> ${JSON.stringify((e.innerText || e.value || "").trim().slice(0, 60))}`;
  const all = [...document.body.querySelectorAll("*")].filter((e) => e.checkVisibility());
  const box = (e) => e.getBoundingClientRect();

  // The document itself.
  if (!document.documentElement.lang) faults.push("the page does not say its language");
  if (!document.title) faults.push("the page has no title");
  const heads = document.querySelectorAll("h1").length;
  if (heads !== 1) faults.push(`the page has ${heads} headings of level 1`);
  if (document.querySelectorAll("main").length !== 1) faults.push("the page has no main, or two");
  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) {
    if (ids.has(e.id)) faults.push(`two elements have the id ${e.id}`);
    ids.add(e.id);
  }

  // Everything that can be used has a name and is large enough to hit (WCAG 2.5.8).
  for (const e of document.querySelectorAll("input:not([type=hidden]),textarea,select")) {
    const label = [...(e.labels || [])].map((l) => l.textContent.trim()).join("") || e.getAttribute("aria-label");
    if (!label) faults.push(`no label: ${name(e)}`);
    if (e.name && /otp|code|pass/.test(e.name) && e.onpaste) faults.push(`no paste: ${name(e)}`);
  }
  for (const e of all.filter((e) => e.matches("a,button,summary"))) {
    if (!e.innerText.trim() && !e.getAttribute("aria-label")) faults.push(`no name: ${name(e)}`);
  }
  for (const e of all.filter((e) => e.matches("button,.button,summary,textarea,input:not([type=radio],[type=checkbox],[type=hidden])"))) {
    if (box(e).height < 24 || box(e).width < 24) faults.push(`too small to hit, ${box(e).width}x${box(e).height}: ${name(e)}`);
  }

  // Nothing makes the page wider than the window.
  if (document.scrollingElement.scrollWidth > innerWidth) {
    const scrolls = (e) => e && e !== document.body && (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
    const wide = all.filter((e) => box(e).right > innerWidth + 0.5 && !scrolls(e.parentElement)).map(name);
    faults.push(`${document.scrollingElement.scrollWidth} px wide in a window of ${innerWidth}: ${wide.slice(-3).join("; ")}`);
  }
  for (const e of all.filter((e) => e.matches("button,.button,.chip,h1:not(.sr),h2,h3,label,legend,dt,th"))) {
    const s = getComputedStyle(e);
    if (s.textOverflow !== "ellipsis" && s.overflowX === "hidden" && e.scrollWidth > e.clientWidth + 1) faults.push(`cut off: ${name(e)}`);
  }

  // Text against what is behind it (WCAG 1.4.3).
  const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return { r: n[0], g: n[1], b: n[2], a: n[3] ?? 1 }; };
  const light = (c) => {
    const f = (x) => ((x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b);
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.a === 1) return c;
      if (c.a > 0) { faults.push(`half transparent: ${name(e)}`); return c; }
    }
    return { r: 255, g: 255, b: 255 };
  };
  const worst = new Map();
  for (const e of all) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && !e.matches("input,textarea")) continue;
    const s = getComputedStyle(e), size = parseFloat(s.fontSize);
    const [a, b] = [light(parse(s.color)), light(behind(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const needed = size >= 24 || (size >= 18.66 && s.fontWeight >= 700) ? 3 : 4.5;
    if (contrast < needed) worst.set(`${s.color} ${e.className}`, `contrast ${contrast.toFixed(2)}, needed ${needed}: ${name(e)}`);
    if (size < 10) faults.push(`letters of ${size} px: ${name(e)}`);
  }
  faults.push(...worst.values());

  // The page follows the scheme that the reader asked for.
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (light(behind(document.body)) < 0.5 !== dark) faults.push(`the page is not ${dark ? "dark" : "light"}`);
  return faults;
})()
