package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// What only looks works while serve has the database, and what changes it is refused then.
func TestCommandsBesideServe(t *testing.T) {
	v := newVault(t, 1)
	v.desk(func(*review.Desk) {
		for _, c := range []struct {
			args string
			code int
			says string
		}{
			{"accounts show A-1", 0, "u0"},
			{"accounts show A-1 -json", 0, `"U-0"`},
			{"apikey list", 0, "SCOPES"},
			{"keys list", 0, "seals"},
			{"reviewer list -json", 0, "[]"},
			{"threat show", 0, "Threat mode is off."},
			{"audit verify -json", 0, `"seq":`},
			{"case list -state cleared", 0, "CASE"},
			{"case list -state bogus", exitUsage, `"bogus" is no state`},
			{"threat on -reason attack", exitFailed, "in use by another resetdesk process"},
			{"reviewer add a@b.example -name A", exitFailed, "in use by another resetdesk process"},
			{"accounts require A-1 never", exitFailed, "in use by another resetdesk process"},
			{"keys rotate", exitLater, "in use by another resetdesk process"},
		} {
			var out bytes.Buffer
			root := rootCommand()
			root.SetOut(&out)
			root.SetArgs(longFlags(append(strings.Fields(c.args), "-config", v.config)))
			err := root.ExecuteContext(t.Context())
			if err != nil {
				out.WriteString(err.Error())
			}
			if code := exitCode(err); code != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("%s: code %d, want %d: %s; want %q", c.args, code, c.code, out.String(), c.says)
			}
		}
	})
}

// What is printed as JSON has names in small letters, as the API has them.
func TestImportAsJSON(t *testing.T) {
	v := newVault(t, 1)
	file := filepath.Join(t.TempDir(), "accounts.csv")
	if err := os.WriteFile(file, []byte("account_id,account_name,locale,user_id,login,email,role,api_only\nA-1,A,en,U-0,u0,new@a.example,admin,0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetArgs(longFlags([]string{"accounts", "import", file, "-dry-run", "-json", "-config", v.config}))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = `{"accounts":1,"added":0,"addresses_added":1,"addresses_ended":1,"changed":0,"dry_run":true,"removed":0,"users":1}`
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Every command has an example, but for those that cobra brings; those that only hold others need none.
func TestEveryCommandHasAnExample(t *testing.T) {
	for _, c := range rootCommand().Commands() {
		for _, sub := range append(c.Commands(), c) {
			if !sub.HasSubCommands() && sub.Example == "" {
				t.Errorf("%s has no example", sub.CommandPath())
			}
		}
	}
}
