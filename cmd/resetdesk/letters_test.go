package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The built-in file, changed, checks; what is wrong with it is said with its
// letter, and no letter of it is shown.
func TestLettersCommands(t *testing.T) {
	config := write(t, ExampleConfig(Example{}))
	said := func(code int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := rootCommand()
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(longFlags(args))
		err := root.ExecuteContext(t.Context())
		if got := exitCode(err); got != code {
			t.Errorf("%q: exit code %d, want %d: %s", args, got, code, out.String())
		}
		if err != nil {
			return err.Error()
		}
		return out.String()
	}
	contains := func(got string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("lacks %q: %.400s", want, got)
			}
		}
	}
	contains(said(0, "letters", "check", "-config", config), "built-in words in every language")
	text := said(0, "letters", "example", "-locale", "nl")
	said(exitUsage, "letters", "example", "-locale", "it")

	dir := t.TempDir()
	file := filepath.Join(dir, "nl.tmpl")
	if err := os.WriteFile(file, []byte(strings.Replace(text, "Was u dit niet?", "Hebt u dit niet gedaan?", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	contains(said(0, "letters", "check", "-dir", dir), "words of your own in nl")
	contains(said(0, "letters", "preview", "-dir", dir, "-locale", "nl", "-letter", "acknowledgement"), "Subject: ", "Hebt u dit niet gedaan?")
	contains(said(0, "letters", "preview", "-dir", dir, "-locale", "nl", "-letter", "pass", "-html"), "<!DOCTYPE html>")
	said(exitUsage, "letters", "preview", "-dir", dir, "-locale", "nl", "-letter", "nothing")

	if err := os.WriteFile(file, []byte(strings.Replace(text, "{{.Pass}}", "geheim", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	contains(said(exitFailed, "letters", "check", "-dir", dir), "nl.tmpl: pass: the text lacks {{.Pass}}")
	said(exitFailed, "letters", "preview", "-dir", dir, "-locale", "nl")
	said(exitFailed, "letters", "check", "-dir", filepath.Join(dir, "none"))
}
