// Passkeys, where the browser has them: at the sign-in, in place of a code, and to
// make one. Without this file there are the password and the code.
"use strict";
(() => {
  const P = window.PublicKeyCredential;
  if (!P || !P.parseRequestOptionsFromJSON || !P.parseCreationOptionsFromJSON) return;
  const main = document.querySelector("main");
  const options = async (from) => {
    const answer = await fetch(from, { headers: { Accept: "application/json" } });
    if (answer.status === 429) throw new Error(`Too many tries. Wait ${answer.headers.get("Retry-After")} seconds and try again.`);
    if (!answer.ok) throw new Error("The desk does not answer. Load the page again.");
    return answer.json();
  };
  const ask = async (from, more) =>
    JSON.stringify(await navigator.credentials.get({ publicKey: P.parseRequestOptionsFromJSON(await options(from)), ...more }));
  const say = (form, error) => {
    if (error.name === "AbortError") return;
    let p = form.querySelector("[role=status]");
    if (!p) { p = document.createElement("p"); p.className = "alert warn"; p.setAttribute("role", "status"); form.append(p); }
    p.textContent = error.name === "NotAllowedError" ? "No passkey was used. Try again, or use a code." : error.name === "InvalidStateError" ? "This device has a passkey for you already." : error.message;
  };

  // The sign-in: a button, and the browser's own list in the field of the address.
  const signIn = document.querySelector("form[data-passkey=sign-in]");
  if (signIn) {
    let quiet = new AbortController();
    const send = (answer) => { signIn.elements.answer.value = answer; signIn.submit(); };
    signIn.hidden = false;
    signIn.addEventListener("submit", async (e) => {
      e.preventDefault();
      quiet.abort();
      try { send(await ask("/sign-in/passkey")); } catch (error) { say(signIn, error); }
    });
    (async () => {
      if (!(await P.isConditionalMediationAvailable?.())) return;
      try { send(await ask("/sign-in/passkey", { mediation: "conditional", signal: quiet.signal })); } catch { /* the person typed instead */ }
    })();
  }

  // In place of a code, wherever the desk asks for a fresh one.
  if (document.body.dataset.passkeys) {
    for (const code of main.querySelectorAll("form[method=post] input.code[name=code]")) {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = "Use a passkey instead";
      code.closest("label").after(button);
      button.addEventListener("click", async () => {
        try {
          if (code.form.dataset.passkey === "new" && !(await make(code.form))) return;
          code.value = await ask("/step-up/passkey");
          code.form.requestSubmit();
        } catch (error) { say(code.form, error); }
      });
    }
  }

  // To make one.
  const make = async (form) => {
    if (form.elements.answer.value) return true;
    if (!form.elements.name.reportValidity()) return false;
    const made = await navigator.credentials.create({ publicKey: P.parseCreationOptionsFromJSON(await options("/profile/passkeys/options")) });
    form.elements.answer.value = JSON.stringify(made);
    return true;
  };
  const form = document.querySelector("form[data-passkey=new]");
  form?.addEventListener("submit", async (e) => {
    if (form.elements.answer.value) return;
    e.preventDefault();
    try { if (await make(form)) form.submit(); } catch (error) { say(form, error); }
  });
})();
