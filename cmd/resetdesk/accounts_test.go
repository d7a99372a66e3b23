package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// The date of an account, as an operator sets and reads it.
func TestAccountsRequireAndShow(t *testing.T) {
	config := write(t, strings.Replace(ExampleConfig(Example{}), "[totp]\n", "[totp]\nmandatory_from = 2027-06-30\n", 1))
	dir := filepath.Dir(config)
	keys, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Write(filepath.Join(dir, "resetdesk.keys")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "accounts.csv")
	err = os.WriteFile(file, []byte("account_id,account_name,locale,user_id,login,email,role,api_only\n"+
		"A-1,ACME,de,U-1,anna,anna@acme.example,admin,0\nA-1,ACME,de,U-2,whmcs,,user,1\nA-2,Beta,nl,U-3,piet,piet@beta.example,admin,0\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	said := func(code int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := rootCommand()
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(longFlags(append(args, "-config", config)))
		if got := exitCode(root.ExecuteContext(t.Context())); got != code {
			t.Errorf("%q: exit code %d, want %d: %s", args, got, code, out.String())
		}
		return out.String()
	}
	said(0, "accounts", "import", file)
	said(0, "accounts", "require", "A-1", "2027-01-31")
	said(0, "accounts", "require", "A-2", "never")
	said(exitUsage, "accounts", "require", "A-1", "31.1.2027")
	said(exitUsage, "accounts", "require", "A-1")
	said(exitFailed, "accounts", "require", "A-9", "default")
	said(0, "accounts", "import", file) // does not touch the date
	if s := said(0, "accounts", "show", "A-1"); !strings.Contains(s, "mandatory from: 2027-01-31") || !strings.Contains(s, "API only") {
		t.Error(s)
	}
	var a review.AccountStanding
	if err := json.Unmarshal([]byte(said(0, "accounts", "show", "A-1", "-json")), &a); err != nil {
		t.Fatal(err)
	}
	if a.Policy != "2027-01-31" || len(a.Users) != 2 || dayOf(a.Users[0].RequiredFrom) != "2027-01-31" || a.Users[1].RequiredFrom != nil || !a.Users[1].APIOnly || a.Users[0].Enrolled {
		t.Errorf("%+v", a)
	}
	if s := said(0, "accounts", "show", "A-2"); !strings.Contains(s, "mandatory from: never") {
		t.Error(s)
	}
	said(0, "accounts", "require", "A-2", "default")
	if s := said(0, "accounts", "show", "A-2"); !strings.Contains(s, "mandatory from: default") || !strings.Contains(s, "2027-06-30") {
		t.Error(s)
	}
	said(exitFailed, "accounts", "show", "A-9")
}
