package browser_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The pages of the second factor as a person uses them: paste, copy, print, a
// second device, a shared login, the API, turning off.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enter(t, true)}
	defer s.end()
	s.jane = s.openTab()
	s.scene("paste and save", s.pasteAndSave)
	s.scene("second device", s.secondDevice)
	s.scene("shared login and API", s.shareAndCall)
	s.scene("users", s.users)
	s.scene("turn off", s.turnOff)
}

// clipboard puts a text where "paste" takes it from.
func (b *tab) clipboard(text string) *tab {
	b.v.t.Helper()
	b.run("copy", browser.SetPermission(&browser.PermissionDescriptor{Name: "clipboard-write"}, browser.PermissionSettingGranted),
		browser.SetPermission(&browser.PermissionDescriptor{Name: "clipboard-read"}, browser.PermissionSettingGranted),
		chromedp.Evaluate(`navigator.clipboard.writeText(`+quoted(text)+`)`, nil, awaited))
	return b
}

// awaited waits for what a page promises.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// paste presses Ctrl+V in a field (T8).
func (b *tab) paste(x thing, text string) *tab {
	b.v.t.Helper()
	b.clipboard(text)
	b.run("paste into "+x.words, chromedp.Focus(x.path, chromedp.BySearch),
		input.DispatchKeyEvent(input.KeyRawDown).WithModifiers(input.ModifierCtrl).WithKey("v").WithCode("KeyV").WithWindowsVirtualKeyCode(86).WithCommands([]string{"paste"}),
		input.DispatchKeyEvent(input.KeyUp).WithModifiers(input.ModifierCtrl).WithKey("v").WithCode("KeyV").WithWindowsVirtualKeyCode(86))
	return b
}

// fillable fails the test if a password manager would not know the field of the
// code (T8).
func (b *tab) fillable() *tab {
	b.v.t.Helper()
	var kinds []string
	b.evaluate(`[...document.querySelectorAll("input[name=code]")].map((e) => e.autocomplete + " " + (e.inputMode || "text"))`, &kinds)
	if len(kinds) != 1 || !strings.HasPrefix(kinds[0], "one-time-code") {
		b.v.t.Errorf("the fields for a code are %q", kinds)
	}
	return b
}

func (s *story) pasteAndSave() {
	p := s.logIn(s.jane, "jane").press(link("Set up two-factor authentication")).press(button("Set it up")).fillable()
	var key string
	p.evaluate(`document.querySelector("#tfa-key").textContent`, &key)
	s.scan("jane", key)
	p.choose(button("Copy"))
	p.paste(field("Code of 6 digits"), s.code("jane")).press(button("Confirm")).shows("Save your backup codes")
	p.evaluate(`[...document.querySelectorAll("#tfa-codes li")].map((e) => e.textContent)`, &s.codes)

	var copied string
	p.clipboard("").choose(button("Copy"))
	p.run("read the clipboard", chromedp.Evaluate(`navigator.clipboard.readText()`, &copied, awaited))
	if copied != strings.Join(s.codes, "\n") || len(s.codes) != 10 {
		s.t.Errorf("copied %q", copied)
	}
	// On paper there are the account, the date and the codes.
	var paper string
	p.run("print", emulation.SetEmulatedMedia().WithMedia("print"), chromedp.Evaluate(`(() => {
		const all = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) if (walk.currentNode.parentElement.checkVisibility({visibilityProperty: true})) all.push(walk.currentNode.data.trim());
		return all.filter(Boolean).join("\n");
	})()`, &paper))
	lines := strings.Split(paper, "\n")
	if len(lines) != 13 || lines[0] != "Example Hosting – backup codes" || lines[1] != "Account: jane" || !strings.HasPrefix(lines[2], "Made on: 20") || lines[12] != s.codes[9] {
		s.t.Errorf("on paper stands\n%s", paper)
	}
	p.look("factor-codes") // ends the print
	var shut bool
	if p.evaluate(`document.querySelector("#tfa-finish").disabled`, &shut); !shut {
		s.t.Error("Finish is open before the tick")
	}
	p.choose(field("I have saved them")).press(button("Finish")).shows("10 backup codes are left").look("panel-account-on")
}

func (s *story) secondDevice() {
	p := s.jane.press(link("Manage")).look("factor-status").press(link("Add a second device")).fillable().look("factor-add")
	// Time steps are dear, so most of this is proved with backup codes.
	p.press(link("Use a backup code")).fill(field("Name of the new device"), "Tablet at home").paste(field("Backup code"), s.codes[1]).press(button("Add it"))
	var key string
	p.evaluate(`document.querySelector("#tfa-key").textContent`, &key)
	s.scan("anna", key)
	p.paste(field("Code of 6 digits"), s.code("anna")).press(button("Confirm")).shows("The new device works", "Tablet at home", "A device was added").look("factor-two-devices")
	p.press(thing{`//li[contains(., "Tablet at home")]//a`, "Remove the tablet"}).shows("Remove “Tablet at home”?").fillable().look("factor-remove")
	p.press(link("Use a backup code")).fillable().paste(field("Backup code"), strings.ToLower(s.codes[0])).press(button("Remove it")).shows("The device is removed").hides("Remove “")
	p.press(link("Make new backup codes")).fillable().look("factor-renew").press(link("Back"))
	p.press(link("Change to a new device")).fillable().look("factor-replace").press(link("Back"))
}

func (s *story) shareAndCall() {
	p := s.jane.press(link("Shared login")).look("panel-shared")
	p.fill(field("One code of"), s.code("jane")).press(button("Sign in twice")).shows("Signed in.", "This code was just used. Wait for the next one").look("panel-shared-twice")
	p.press(link("API")).look("panel-api").press(button("Call the API as jane")).shows(`"code_asked":false`).look("panel-api-called")
	p.press(link("the history")).shows("A login through the API, without a code")
}

func (s *story) users() {
	p := s.logIn(s.openTab().visit(s.panel+"/account").press(button("Sign out")), "anna")
	p.press(link("Users")).shows("Exempt").look("panel-users")
	p.fill(field("Name"), "Mia Smith").fill(field("Login"), "mia").fill(field("E-mail"), "mia@acme.example").press(button("Add the user")).shows("Mia Smith is a user now").look("panel-user-added")
	p.press(button("Sign out"))
	s.jane = s.logIn(p, "jane").fillable().press(link("I have neither")).look("panel-lost").press(link("Back"))
	s.jane.press(link("Use a backup code")).fillable().paste(field("Backup code"), s.codes[2]).press(button("Continue")).shows("7 backup codes are left")
}

func (s *story) turnOff() {
	p := s.jane.press(link("Manage")).press(link("Turn off…")).shows("your password alone opens this account").fillable().look("factor-off")
	p.paste(field("Code from your"), "000000").refused(422, button("Turn it off")).shows("That code is not right").look("factor-off-wrong")
	p.press(link("Use a backup code")).paste(field("Backup code"), s.codes[3]).press(button("Turn it off")).shows("Two-factor authentication is off").look("factor-is-off")
}
