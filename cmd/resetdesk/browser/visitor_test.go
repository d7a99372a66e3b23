package browser_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A visitor plays everybody, each in a tab of his own.
type visitor struct {
	house
	test    *testing.T // whose end closes everything
	t       *testing.T // of the scene
	browser context.Context
	watch   *watch
	phone   *tab
	front   *tab            // the one that is to be seen
	used    map[string]bool // codes that were typed once
	script  bool            // whether pages may run theirs
	axed    int             // pages that axe judged, and rules that they keep
	passed  int
}

// enter opens a house and a browser for a test.
func enter(t *testing.T, script bool) *visitor {
	t.Helper()
	return enterAt(t, script, "127.0.0.1")
}

// enterAt does so where the pages have another host.
func enterAt(t *testing.T, script bool, host string) *visitor {
	t.Helper()
	browser := startChromium(t)
	h := openHouse(t, host)
	v := &visitor{house: h, test: t, t: t, browser: browser, watch: newWatch(h), used: map[string]bool{}, script: script}
	v.phone = v.openTab()
	return v
}

// scene plays one scene. The story ends with the first that fails.
func (v *visitor) scene(name string, play func()) {
	v.test.Helper()
	if !v.test.Run(name, func(t *testing.T) { v.t = t; play() }) {
		v.test.FailNow()
	}
	v.t = v.test
}

// end fails the test for everything that went wrong unseen.
func (v *visitor) end() {
	v.test.Helper()
	if v.axed > 0 {
		v.test.Log(v.axeTally())
	}
	faults, requests := v.watch.end()
	for _, f := range faults {
		v.test.Error(f)
	}
	if requests < 30 {
		v.test.Errorf("only %d requests were watched", requests)
	}
}

// until asks again and again until it is so.
func (v *visitor) until(what string, so func() bool) {
	v.t.Helper()
	for begun := time.Now(); !so(); time.Sleep(200 * time.Millisecond) {
		if time.Since(begun) > patience {
			v.t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// code reads a code from a phone that was not typed before. When both on the
// screen were, it waits for the next, as a person does.
func (v *visitor) code(device string) string {
	v.t.Helper()
	for begun := time.Now(); time.Since(begun) < 40*time.Second; time.Sleep(time.Second) {
		var codes []string
		v.phone.visit(v.guide+"/phone").evaluate(fmt.Sprintf(
			`[...document.querySelector("#%s .totp")?.querySelectorAll(".digits,.next") ?? []].map((e) => e.textContent)`, device), &codes)
		v.phone.visit(v.guide + "/") // the page of the phones loads itself again
		if len(codes) != 2 {
			v.t.Fatalf("the phone %s shows the codes %q", device, codes)
		}
		for _, c := range codes {
			if !v.used[device+c] {
				v.used[device+c] = true
				return c
			}
		}
	}
	v.t.Fatalf("the phone %s shows no new code", device)
	return ""
}

// scan gives a key to a phone.
func (v *visitor) scan(device, key string) {
	v.t.Helper()
	v.phone.visit(v.guide + "/phone").press(link("Scan a key").within(device))
	v.phone.fill(field("Key or otpauth"), key).press(button("Scan"))
	v.phone.visit(v.guide + "/")
}

// logIn gives the panel the password of the login that the link names.
func (v *visitor) logIn(panel *tab, login string) *tab {
	v.t.Helper()
	return panel.visit(v.panel + "/?user=" + login).press(button("Sign in"))
}

// work signs a reviewer in to the desk, by keyboard.
func (v *visitor) work(desk *tab, device, email, password string) *tab {
	v.t.Helper()
	desk.fill(field("E-mail"), email).fill(field("Password"), password)
	return desk.fill(field("Code from your authenticator"), v.code(device)).enter().shows("Sign out")
}

// write sends the prefilled mail of a role, in the language of an account.
func (v *visitor) write(mail *tab, role, language string) *tab {
	v.t.Helper()
	mail.press(thing{`//tr[contains(th, ` + quoted(role) + `)]//a[@lang=` + quoted(language) + `]`, role + ", " + language})
	return mail.press(button("Send")).shows("The mail is in the support mailbox.")
}

// A letter is one entry of the list of outgoing mail.
type letter struct {
	To, Subject, Text string
	number            int
}

// letters reads the outgoing mail, the newest first.
func (b *tab) letters() []letter {
	b.v.t.Helper()
	var all []letter
	b.reload().evaluate(`[...document.querySelectorAll("details.letter")].map((d) => ({
		To: d.querySelector(".to").textContent, Subject: d.querySelector("summary").lastChild.textContent.trim(),
		Text: d.querySelector("pre").textContent}))`, &all)
	for i := range all {
		all[i].number = i + 1
	}
	return all
}

// letter waits for the newest letter to an address with that in its subject.
func (b *tab) letter(to, subject string) letter {
	b.v.t.Helper()
	var found letter
	b.v.until("a letter to "+to+" about "+subject, func() bool {
		for _, l := range b.letters() {
			if l.To == to && strings.Contains(l.Subject, subject) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

// open unfolds a letter of the list and follows its link.
func (b *tab) open(l letter) *tab {
	b.v.t.Helper()
	path := fmt.Sprintf(`(//details[@class="letter"])[%d]`, l.number)
	var open bool
	b.evaluate(fmt.Sprintf(`document.querySelectorAll("details.letter")[%d].open`, l.number-1), &open)
	if !open {
		b.choose(thing{path + `/summary`, "letter " + l.Subject})
	}
	return b.follow(thing{path + `//a[contains(@href, "/r/")]`, "link of " + l.Subject})
}

// row is the link of a case in the queue, by its account.
func row(account string) thing {
	return thing{`//li[contains(., ` + quoted(account) + `)]//a[@class="num"]`, "case of " + account}
}

// caseOf opens the case of an account from a list of the queue.
func (v *visitor) caseOf(desk *tab, list, account string) *tab {
	v.t.Helper()
	v.until("a case of "+account+" under "+list, func() bool {
		return strings.Contains(desk.visit(v.desk+"/").press(link(list)).text(), account)
	})
	return desk.press(row(account))
}

// danger is the red button of a page, which there is once.
var danger = thing{`//button[contains(@class, "danger")]`, "the red button"}

// approve fills in the page of an approval.
func (v *visitor) approve(desk *tab, account, device, reason string) *tab {
	v.t.Helper()
	desk.fill(field("Type the account number"), account).fill(field("Why you are convinced"), reason)
	return desk.fill(field("Your own code"), v.code(device)).press(danger)
}
