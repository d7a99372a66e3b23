package mailbox_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// A server that says "later": for minutes, as greylisting does, the letter arrives
// soon after; at the sign-in, nothing is lost and no password is blamed; for five
// days, there is an alarm within the hour, and in the end the letter is refused,
// which is a task for a person.
func TestLater(t *testing.T) {
	for name, tt := range map[string]struct {
		step  mailtest.Step
		code  int
		later time.Duration
		span  time.Duration
		sent  time.Duration // at the latest; 0: given up
	}{
		"greylisting":      {mailtest.Rcpt, 450, 4 * time.Minute, time.Hour, 12 * time.Minute},
		"454 at sign-in":   {mailtest.Auth, 454, 30 * time.Minute, 3 * time.Hour, time.Hour},
		"451 at the dot":   {mailtest.Dot, 451, 2 * time.Hour, 12 * time.Hour, 6 * time.Hour},
		"five days of 4xx": {mailtest.Rcpt, 451, 0, 6 * 24 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				s, err := mailtest.NewSMTP(mailtest.SMTPOptions{User: "desk", Password: "secret", Listener: p})
				if err != nil {
					t.Fatal(err)
				}
				s.Fault(tt.step, mailtest.SMTPFault{Code: tt.code, Text: "later", Times: -1})
				l := post(1)
				l.Since = time.Now()
				out := newRack(t, l)
				man := &mailbox.Postman{Outbox: out, Config: mailbox.PostmanConfig{Host: "127.0.0.1", Security: mailbox.Plain, Poll: time.Minute, User: "desk",
					Password: func(context.Context) (string, error) { return "secret", nil }}}
				man.SetDial(p.dial)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- man.Run(ctx) }()
				begin := time.Now()
				var alarm, sent time.Duration
				for time.Since(begin) < tt.span {
					time.Sleep(time.Minute)
					if tt.later > 0 && time.Since(begin) == tt.later {
						s.Heal()
					}
					if alarm == 0 && man.Status().Alarm {
						alarm = time.Since(begin)
					}
					out.mu.Lock()
					if sent == 0 && out.sent[1] != "" {
						sent = time.Since(begin)
					}
					out.mu.Unlock()
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				failed := out.failed[1]
				t.Logf("%d attempts failed, sent after %s, alarm after %s, %d mails arrived", len(failed), sent, alarm, len(s.Mails()))
				if len(failed) == 0 {
					t.Fatal("nothing was put off")
				}
				last := failed[len(failed)-1]
				if tt.sent > 0 && (sent == 0 || sent > tt.sent || len(s.Mails()) != 1) {
					t.Errorf("sent after %s, want at most %s; %d mails", sent, tt.sent, len(s.Mails()))
				}
				if tt.sent == 0 && (last.Phase != mailbox.Refused || !strings.Contains(last.Text, "gave up after 5 days") || len(s.Mails()) != 0) {
					t.Errorf("at the end: %+v", last)
				}
				if tt.span > 2*time.Hour && tt.later != 30*time.Minute && (alarm == 0 || alarm > 61*time.Minute) {
					t.Errorf("alarm after %s", alarm)
				}
			})
		})
	}
}
