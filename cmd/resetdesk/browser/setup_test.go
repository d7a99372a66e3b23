package browser_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The pages of the first run in each state that the demo has, and those of an
// account that somebody acts on without a mail, are looked at and judged.
func TestSettingUpAndAccounts(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enter(t, true)}
	defer s.end()
	s.first = s.openTab()
	s.first.visit(s.guide + "/")
	desk := s.openTab()
	desk.visit(s.desk + "/")
	s.work(desk, "ada", "ada@hosting.example", "ada keeps the keys")
	s.setup(desk)
	s.accounts(desk)
}

// accounts opens a case by hand, freezes an account and lifts that, and looks at
// what each page says meanwhile.
func (s *story) accounts(d *tab) {
	at := s.desk + "/accounts/A-2002"
	d.visit(at+"/open").refused(422, nobodyChosen(d)).look("rare-open-refused")
	d.visit(at + "/open").choose(thing{`(//input[@name="choice"])[last()]`, "the last user"}).choose(field("telephone"))
	d.fill(field("Source"), "Call of 14:02").fill(field("What was asked"), "The owner called from the number on file and asked for the last user.").press(button("Open the case and mail the owners"))
	d.shows("Opened by hand", "Call of 14:02").look("rare-opened-by-hand")
	d.visit(at+"/freeze").evaluate(`document.querySelector("[name=until]").value = new Date(Date.now() + 864e5).toISOString().slice(0, 16)`, nil)
	d.fill(field("Why"), "Somebody called who was not the owner.").press(button("Freeze the account")).shows("are frozen until").look("rare-account-frozen")
	d.visit(at + "/freeze").look("rare-freeze-longer")
	d.visit(at + "/thaw").look("rare-thaw")
	d.visit(s.desk+"/settings/letters").evaluate(`document.querySelectorAll("details").forEach((e, i) => e.open = i < 2)`, nil)
	d.look("rare-letters-open")
}

// nobodyChosen sends the form of a case without its answers, as no browser would.
func nobodyChosen(d *tab) thing {
	d.evaluate(`document.querySelectorAll("form.stack [required]").forEach((e) => e.required = false)`, nil)
	return button("Open the case and mail the owners")
}

// setup walks through the first run as far as the demo has one: its tests, a letter,
// a file with faults and one without.
func (s *story) setup(d *tab) {
	d.visit(s.desk+"/setup/mailbox").press(button("Test")).shows("Folders there").evaluate(`document.querySelectorAll("details").forEach((e) => e.open = true)`, nil)
	d.look("setup-mailbox-tried")
	for _, step := range []string{"address", "policy", "running"} {
		d.visit(s.desk + "/setup/" + step).look("setup-" + step)
	}
	d.visit(s.desk + "/setup").look("setup")
	d.visit(s.desk + "/setup/sending").press(button("Send a test to me")).shows("on its way").look("setup-sending-sent")
	for name, x := range map[string]struct {
		text   string
		status int64
	}{"bad": {"account_id,account_name,locale,user_id,login,email,role,api_only\nA-1,x\nA-2,Beta,en,U-1,l,no address,king,maybe\n", 422},
		"huge": {strings.Repeat("x", 5<<20), 422}} {
		s.upload(d, x.text)
		d.refused(x.status, button("Try it")).shows("✖").look("setup-accounts-" + name)
	}
	rows, err := os.ReadFile(filepath.Join("..", "demo", "data", "accounts.csv"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.upload(d, string(rows))
	d.press(button("Try it")).shows("What your file would do").look("setup-accounts-tried")
	d.refused(422, wrongCode(d)).look("setup-accounts-wrong-code")
	d.press(button("Forget the file")).hides("What your file would do")
}

func wrongCode(d *tab) thing {
	d.fill(field("Your own code"), "000000")
	return button("Import")
}

// upload chooses a file on the page of the accounts.
func (s *story) upload(d *tab, text string) {
	s.t.Helper()
	path := filepath.Join(s.test.TempDir(), "accounts.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	d.visit(s.desk+"/setup/accounts").run("choose a file", chromedp.SetUploadFiles(`input[type="file"]`, []string{path}, chromedp.ByQuery))
}
