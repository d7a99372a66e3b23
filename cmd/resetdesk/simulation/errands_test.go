package simulation

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/review/prepared"
)

// The scenarios whose world differs from that of the others.
const (
	fresh   = "a database that is not there yet"
	trouble = "a mail server with troubles" // it refuses and hangs up, before the dot, behind it, and when the letter is stored
	faulty  = "a database with faults"      // it refuses some rows, for a while
	heads   = "an admin"                    // who gets signed heads
	hooked  = "a webhook"
	old     = "a signal of long ago"
)

const anotherPassword = "battery horse correct"

const (
	passwordChanged = `SELECT count(*) FROM audit WHERE action = 'reviewer.password_changed'`
	postponed       = `SELECT count(*) FROM inbound WHERE attempts > 0`
	remindedLater   = `SELECT count(*) FROM panel_user WHERE id = 'U-9' AND remind_at > 1000000 * unixepoch() + 1800000000`
)

type fields = map[string]any

// errands are what people do at doors and desks that the story of a reset does not
// come to: keys of their own, single sign-on, webhooks, and the operator's work.
var errands = map[string]goal{
	"passkey": {`SELECT count(*) FROM passkey`, onPages("ada", (*town).makesPasskey)},
	"another password": {passwordChanged, onPages("ada", func(w *town) {
		w.post("/profile/password", "ada", "old", password, "password", anotherPassword, "again", anotherPassword, "code", w.signs("/step-up/passkey", "ada"))
	})},
	"display": {`SELECT count(*) FROM reviewer WHERE utc = 1`, onPages("ada", func(w *town) { w.post("/profile/display", "ada", "times", "utc", "keys", "off") })},
	"in by passkey": {`SELECT count(*) FROM session WHERE via = 'passkey'`, func(w *town) {
		w.post("/sign-in/passkey", "ada", "answer", w.signs("/sign-in/passkey", "ada"))
	}},
	"passkey removed": {`SELECT count(*) FROM passkey WHERE removed_at IS NOT NULL`, onPages("ada", func(w *town) {
		w.post("/profile/passkeys/1/remove", "ada", "code", w.signs("/step-up/passkey", "ada"))
	})},
	"signed out": {`SELECT NOT EXISTS (SELECT 1 FROM session s JOIN reviewer r ON r.id = s.reviewer_id WHERE r.email = 'ada@host.example' AND s.ended_at IS NULL)`,
		onPages("ada", func(w *town) {
			// She was away for a while, and a crash took the token of another session.
			w.write(`UPDATE session SET seen_at = seen_at - 90000000 WHERE ended_at IS NULL`)
			w.post("/profile/sessions/end", "ada")
			w.post("/sign-out", "ada")
		})},

	"head": {`SELECT count(*) FROM audit WHERE action = 'audit.head_mailed'`, nil},
	"reset asked": {`SELECT count(*) FROM staff_reset`, onPages("ada", func(w *town) {
		w.withCode("ada", "/settings/reviewers/"+w.reviewer("sam")+"/reset", "reason", "the phone is lost")
	})},
	"reset stopped": {`SELECT count(*) FROM staff_reset WHERE withdrawn_at IS NOT NULL`, onPages("ada", func(w *town) {
		w.post("/settings/reviewers/"+w.reviewer("sam")+"/stop", "ada")
	})},

	"bound": {`SELECT count(*) FROM sso_identity`, func(w *town) {
		token, err := w.prog.desk.Invite(w.t.Context(), "host", "olga@host.example", "Olga", review.Decider)
		if w.refusedOr(err); err == nil {
			w.travels("olga", "/invite/"+token+"/sso", "support")
		}
	}},
	"in by sign-on": {`SELECT count(*) = 2 FROM sso_identity`, func(w *town) { w.travels("uwe", "/sign-in/sso", "support") }},
	"barred":        {`SELECT count(*) FROM reviewer WHERE barred_at IS NOT NULL`, func(w *town) { w.travels("uwe", "/sign-in/sso", "sales") }},

	"parked": {`SELECT count(*) FROM inbound WHERE fate IN ('parked', 'case')`, nil},
	"opened": {`SELECT count(*) FROM reset_case`, onPages("rita", func(w *town) { w.post("/mails/1/case", "rita") })},
	"packed": {`SELECT count(*) FROM audit WHERE action = 'case.exported'`, onPages("rita", func(w *town) {
		w.post("/cases/"+w.theCase()+"/pack", "rita")
	})},

	"another pass": {`SELECT count(*) = 2 FROM letter WHERE kind = 'pass'`, deed("sam", "pass")},
	"unfrozen":     {`SELECT count(*) FROM audit WHERE action = 'case.unfrozen'`, deed("rita", "unfreeze")},

	"webhook":   {`SELECT count(*) FROM webhook`, func(w *town) { w.call("POST", "/webhooks", fields{"url": w.notes.stage.Hook}) }},
	"tested":    {`SELECT count(*) FROM audit WHERE action = 'webhook.tested'`, panel("POST", "/webhooks/1/test", struct{}{})},
	"delivered": {`SELECT count(*) > 0 AND NOT EXISTS (SELECT 1 FROM webhook_delivery WHERE state = 'waiting') FROM webhook_delivery WHERE state = 'delivered'`, nil},
	"renewed":   {`SELECT count(*) FROM audit WHERE action = 'webhook.rotated'`, panel("POST", "/webhooks/1/rotate", struct{}{})},
	"enabled":   {`SELECT count(*) FROM audit WHERE action = 'webhook.enabled'`, panel("POST", "/webhooks/1/enable", struct{}{})},
	"replayed":  {`SELECT count(*) FROM audit WHERE action = 'webhook.replayed'`, panel("POST", "/webhooks/1/replay", struct{}{})},
	"unhooked":  {`SELECT count(*) FROM webhook WHERE removed_at IS NOT NULL`, panel("DELETE", "/webhooks/1", nil)},

	"rotated":   {`SELECT count(*) FROM meta WHERE name = 'canary' AND substr(value, 3, 8) <> '{key}'`, (*town).rotate},
	"forgotten": {`SELECT NOT EXISTS (SELECT 1 FROM signal) AND EXISTS (SELECT 1 FROM audit WHERE action = 'signals.forgotten')`, nil},

	"postponed": {postponed, nil},
	"reminded later": {remindedLater, onHost(func(w *town, ctx context.Context) error {
		return w.prog.desk.SetAccountPolicy(ctx, "host", "A-1", review.AccountPolicy{RequiredFrom: time.Now().Add(72 * time.Hour)})
	})},
	"mended": {fates, func(w *town) {
		w.leave()
		w.startFor(w.notes.stage)
		time.Sleep(time.Second)
	}},
}

func init() {
	for _, more := range []map[string]goal{elsewhere, errands} {
		for name, g := range more {
			goals[name] = g
		}
	}
	scenarios = append(scenarios,
		scenario{fresh, func(w *town) [][]byte {
			return [][]byte{w.mail("shop@elsewhere.example", "offer", "a@mail.example", "Buy now.")}
		}, []string{"fates"}},
		scenario{trouble, one, []string{"fates", "letters", "yes", "reset", "letters"}},
		scenario{"the staff at work", one, []string{"fates", "letters", "claimed", "released", "view", "viewless", "exported", "audit exported", "packed", "test letter", "threatened", "calm", "held", "by hand"}},
		scenario{"a freeze", one, []string{"fates", "letters", "frozen", "thawed", "frozen again", "thawed again", "erased", "sessions ended"}},
		scenario{"the panel", one, []string{"fates", "letters", "user", "asked in the panel", "signal", "note", "answered once", "due", "no user", "account", "no account", "imported", "revoked"}},
		scenario{"a new reviewer", one, []string{"fates", "letters", "came in", "letters", "disabled", "recovered", "letters"}},
		scenario{"a key of one's own", none, []string{"passkey", "another password", "display", "in by passkey", "passkey removed", "signed out"}},
		scenario{heads, none, []string{"head", "letters", "reset asked", "reset stopped"}},
		scenario{"single sign-on", none, []string{"bound", "in by sign-on", "barred"}},
		scenario{"a mail that was no request", func(w *town) [][]byte {
			return [][]byte{w.mail("Admin <admin@company1.example>", "a question", "a@mail.example", "Where is my invoice?")}
		}, []string{"parked", "opened"}},
		scenario{"after the reset", one, []string{"fates", "letters", "yes", "reset", "letters", "another pass", "letters", "undone", "unfrozen"}},
		scenario{hooked, none, []string{"webhook", "tested", "delivered", "renewed", "enabled", "replayed", "delivered", "unhooked"}},
		scenario{"another key", one, []string{"fates", "letters", "rotated"}},
		scenario{old, none, []string{"forgotten"}},
		scenario{faulty, one, []string{"postponed", "user", "reminded later", "mended"}},
	)
}

// configure makes the program's configuration that of the scenario.
func (w *town) configure(s stage, c *review.Config) {
	text, err := chain.NewKey("host.example")
	if err == nil {
		c.AuditKey, err = chain.ParseKey(text)
	}
	c.HeadsByMail = s.Scenario == heads
	if err != nil {
		w.t.Fatal(err)
	}
}

// faults are triggers with which the database refuses a mail its fate, and a letter
// that reminds somebody.
var faults = map[string]string{"no_fate": "BEFORE INSERT ON assessment", "no_reminder": "BEFORE INSERT ON letter WHEN NEW.kind = 'reminder'"}

// mend takes the faults out of the database: none opens with them.
func (w *town) mend() {
	for name := range faults {
		w.write(`DROP TRIGGER IF EXISTS ` + name)
	}
}

// spoil puts the faults in, until both were met.
func (w *town) spoil() {
	if w.count(postponed) > 0 && w.count(remindedLater) > 0 {
		return
	}
	for name, when := range faults {
		w.write(`CREATE TRIGGER ` + name + ` ` + when + ` BEGIN SELECT RAISE(ABORT, 'a fault'); END`)
	}
}

// write changes the database beside the program.
func (w *town) write(query string, args ...any) {
	w.t.Helper()
	db, err := prepared.Open("file:"+w.path+"?_pragma=busy_timeout(5000)", 10)
	if err == nil {
		_, err = db.Exec(query, args...)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) reviewer(name string) string {
	return strconv.Itoa(w.count(`SELECT id FROM reviewer WHERE email = $1`, name+"@host.example"))
}

// ageSignal puts a signal into the database that is older than signals get.
func (w *town) ageSignal() {
	w.write(`INSERT INTO signal (user_id, kind, second_factor, at, ip, agent, received_at) VALUES ('U-1', 'login_failed', 0, $1, '', '', $1)`,
		time.Now().Add(-100*24*time.Hour).UnixMicro())
}

// rotate is what the command keys rotate does, while the program stands still: a new
// key, unless a rotation was cut, then the file of the keys, then what they sealed.
func (w *town) rotate() {
	w.leave()
	ctx, file := w.t.Context(), filepath.Join(w.notes.stage.Dir, "desk.keys")
	desk, err := review.Open(ctx, w.config(nil))
	if err != nil {
		w.t.Fatal(err)
	}
	unfinished, err := desk.Unsealed(ctx, w.keys)
	if err == nil && !unfinished {
		if w.keys, err = w.keys.Rotate(); err == nil {
			err = w.keys.Replace(file)
		}
	}
	if err == nil {
		_, err = desk.Reseal(ctx, w.keys)
	}
	if err = errors.Join(err, desk.Close()); err != nil {
		w.t.Fatal(err)
	}
	w.startFor(w.notes.stage)
}
