package message_test

import (
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/message"
)

// TestForwarded holds that the words of a forwarded mail are found apart from the
// writer's own, and that a quoted history is no forward.
func TestForwarded(t *testing.T) {
	block := "From: Jo <jo@legit.example>\nSent: Monday\nTo: Ann\nSubject: help\n\nI lost my phone.\n"
	for _, c := range []struct{ name, subject, body, want string }{
		{"gmail", "Fwd: help", "please\n\n---------- Forwarded message ---------\nFrom: Jo <jo@x.example>\nDate: Mon\nSubject: help\nTo: Ann\n\nI lost my phone.\n-- \nJo\n", "help\n\nI lost my phone."},
		{"outlook", "FW: help", "please\n\n" + block, "help\n\nI lost my phone."},
		{"outlook reply", "RE: help", "please\n\n" + block, ""},
		{"apple, quoted", "Fwd: help", "please\n\nBegin forwarded message:\n\n> From: Jo <jo@x.example>\n> Subject: help\n> Date: Monday\n>\n> I lost my phone.\n", "help\n\nI lost my phone."},
		{"twice", "WG: help", "bitte\n\nVon: Ann\nGesendet: Montag\nAn: Bo\nBetreff: WG: help\n\nsiehe unten\n\n" + block, "WG: help\n\nsiehe unten\n\nhelp\n\nI lost my phone."},
		{"french", "Tr : aide", "svp\n\nDe : Jo <jo@x.example>\nEnvoyé : lundi\nÀ : Ann\nObjet : aide\n\nperdu\n", "aide\n\nperdu"},
		{"polish", "PD: pomoc", "proszę\n\n-------- Przekazana wiadomość --------\nTemat: pomoc\nOd: Jo\n\nzgubiłem telefon\n", "pomoc\n\nzgubiłem telefon"},
		{"reply", "Re: help", "thanks\n\nOn Mon, 23 Nov 2026, Jo <jo@x.example> wrote:\n> I lost my phone.\n", ""},
		{"nothing", "Fwd: help", "please", ""},
	} {
		m := message.Read([]byte("Subject: " + c.subject + "\nContent-Type: text/plain; charset=utf-8\n\n" + c.body))
		if m.Forwarded != c.want || strings.Contains(m.Text, "phone") {
			t.Errorf("%s: forwarded %q, want %q; text %q", c.name, m.Forwarded, c.want, m.Text)
		}
	}
}

// TestForwardsAreBounded holds that a mail of nothing but headers costs no more
// than another.
func TestForwardsAreBounded(t *testing.T) {
	m := message.Read([]byte("Subject: Fwd: x\n\n" + strings.Repeat("---- Forwarded message ----\nFrom: a\nTo: b\nSubject: c\n", 2000)))
	if len(m.Forwarded) > 64<<10 {
		t.Errorf("%d bytes forwarded", len(m.Forwarded))
	}
}
