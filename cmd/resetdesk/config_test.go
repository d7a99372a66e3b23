package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the expected errors anew")

// TestBadConfigs loads each testdata/config/NAME.toml and wants the text of
// NAME.error, whole: a file must fail for its own reason.
func TestBadConfigs(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.toml")
	if err != nil || len(files) < 10 {
		t.Fatalf("only %d files: %v", len(files), err)
	}
	for _, file := range files {
		want, err := os.ReadFile(strings.TrimSuffix(file, ".toml") + ".error")
		if err != nil && !*update {
			t.Fatal(err)
		}
		_, err = LoadConfig(file, nil)
		var bad *ConfigError
		if !errors.As(err, &bad) {
			t.Errorf("%s: error %v", file, err)
			continue
		}
		got := err.Error() + "\n"
		if *update {
			if err := os.WriteFile(strings.TrimSuffix(file, ".toml")+".error", []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", file, got, want)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: the error shows a password", file)
		}
	}
}

// write puts a configuration into a file.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resetdesk.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestExampleLoads holds that what init writes is right, and stays so with every
// commented key switched on.
func TestExampleLoads(t *testing.T) {
	for _, e := range []Example{{}, {Brand: `A "quoted" \ brand`, Listen: "[::1]:0", BaseURL: "http://localhost:8080/", Address: "x@y.example"}} {
		text := ExampleConfig(e)
		file := write(t, text)
		plain, err := LoadConfig(file, nil)
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if plain.Mailbox.Port != 993 || plain.SMTP.Port != 465 || plain.TOTP.Issuer != plain.Server.Brand ||
			plain.Database.Path != filepath.Join(filepath.Dir(file), "resetdesk.db") || strings.HasSuffix(plain.Server.BaseURL, "/") {
			t.Errorf("%+v: got %+v", e, plain)
		}
		_, rest, _ := strings.Cut(text, "[server]")
		c, err := LoadConfig(write(t, "[server]"+strings.ReplaceAll(rest, "\n# ", "\n")), nil)
		if err != nil {
			t.Fatalf("all keys on: %v", err)
		}
		if len(c.Policy.Evidence) != 1 || c.Policy.Evidence[0].Title != "Called back the number on file" {
			t.Errorf("rows of evidence: %+v", c.Policy.Evidence)
		}
		c.Policy.Evidence = nil
		if !reflect.DeepEqual(c.Policy.Review(), plain.Policy.Review()) {
			t.Errorf("the example shows other defaults than the preset's: %+v", c.Policy.Review())
		}
		if c.TOTP.MandatoryFrom != time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC) {
			t.Errorf("mandatory from %v", c.TOTP.MandatoryFrom)
		}
	}
}

func TestEnvironmentWins(t *testing.T) {
	file := write(t, ExampleConfig(Example{}))
	c, err := LoadConfig(file, []string{
		"RESETDESK_SMTP_HOST=localhost", "RESETDESK_SMTP_SECURITY=plain", "RESETDESK_SMTP_PORT=2525", "RESETDESK_MAILBOX_FOLDERS=INBOX, Requests",
		"RESETDESK_MAILBOX_DEDICATED=true", "RESETDESK_POLICY_PRESET=cautious", "RESETDESK_POLICY_WAITING_LOW=0s", "RESETDESK_POLICY_APPROVALS_HIGH=3",
		"RESETDESK_RETENTION_PARKED=1d12h", "RESETDESK_MAILBOX_PASSWORD_FILE=${CREDENTIALS_DIRECTORY}/imap", "CREDENTIALS_DIRECTORY=/run/credentials",
		"RESETDESK_OTHER_THING=1", "PATH=/bin",
	})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Policy.Review()
	if c.SMTP.Host != "localhost" || c.SMTP.Port != 2525 || len(c.Mailbox.Folders) != 2 || !c.Mailbox.Dedicated ||
		p.Low.Wait != 0 || p.Low.Approvals != 2 || p.High.Approvals != 3 || c.Retention.Parked != 36*time.Hour ||
		c.Mailbox.PasswordFile != "/run/credentials/imap" {
		t.Errorf("got %+v, policy %+v", c, p)
	}
}

func TestEnvironmentAloneAndItsErrors(t *testing.T) {
	_, err := LoadConfig("", []string{"RESETDESK_SMTP_PORT=many", "RESETDESK_SMTP_HOTS=x", "RESETDESK_SERVER_BASE_URL=http://reset.example.net"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`RESETDESK_SMTP_PORT: is "many", write a number`, "RESETDESK_SMTP_HOTS: unknown variable; did you mean RESETDESK_SMTP_HOST?",
		`RESETDESK_SERVER_BASE_URL: is "http://reset.example.net", write https://`, "mailbox.addresses: is missing",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	env := []string{
		"RESETDESK_SERVER_BASE_URL=https://reset.example.net", "RESETDESK_SERVER_BRAND=Example", "RESETDESK_MAILBOX_HOST=imap.example.net",
		"RESETDESK_MAILBOX_USER=u", "RESETDESK_MAILBOX_PASSWORD=hunter2", "RESETDESK_MAILBOX_ADDRESSES=support@example.net",
		"RESETDESK_SMTP_HOST=127.0.0.1", "RESETDESK_SMTP_SECURITY=plain", "RESETDESK_SMTP_FROM=Support <support@example.net>",
	}
	c, err := LoadConfig("", env)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Mailbox.SignIn(context.Background()); got != "hunter2" || err != nil {
		t.Errorf("sign-in with %q, %v", got, err)
	}
}

// TestSecretStaysHidden tries the usual ways of printing.
func TestSecretStaysHidden(t *testing.T) {
	var c Config
	c.Mailbox.Password = newSecret("hunter2")
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	l := slog.New(slog.NewTextHandler(&log, nil))
	l.Info("x", "secret", c.Mailbox.Password, "config", c, "pointer", &c.Mailbox)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", c.Mailbox.Password, "config", c)
	for _, s := range []string{
		string(asJSON), log.String(), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v", c, c, c),
		fmt.Sprintf("%s %x %q %#v", c.Mailbox.Password, c.Mailbox.Password, c.Mailbox.Password, &c.Mailbox),
	} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("shown in %s", s)
		}
	}
	if !strings.Contains(string(asJSON), redacted) {
		t.Errorf("not marked in %s", asJSON)
	}
}

func TestPasswordFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p")
	for content, want := range map[string]string{"hunter2\n": "hunter2", " a b \r\n": " a b ", "": "", "a\nb": "", "\n": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := SMTPConfig{PasswordFile: file}.SignIn(context.Background())
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", content, got, err)
		}
	}
	if _, err := LoadConfig("/nowhere/resetdesk.toml", nil); err == nil || !strings.Contains(err.Error(), "resetdesk init") {
		t.Errorf("missing file: %v", err)
	}
}

func FuzzLoadConfig(f *testing.F) {
	f.Add(ExampleConfig(Example{}))
	f.Add("[mailbox]\nport = \"x\"\nsecret_token = 1\n[policy]\nwaiting = { low = \"1d\" }\n")
	f.Add("[[mailbox]]\n[server.x]\na.b.c = 1")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := LoadConfig(write(t, text), nil)
		if err == nil && (c.Server.BaseURL == "" || c.Mailbox.Port == 0 || len(c.Mailbox.Addresses) == 0) {
			t.Errorf("accepted %+v", c)
		}
	})
}
