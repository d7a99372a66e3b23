package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/totp"
)

// What the desk does beside the story of a reset: staff, the panel's API, people. What
// is reached stays so, whatever comes after it.
var elsewhere = map[string]goal{
	"claimed": {`SELECT count(*) FROM audit WHERE action = 'case.claimed'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.ClaimCase(ctx, s, w.theCase(), "")
	})},
	"released": {`SELECT count(*) FROM case_claim WHERE until <= CAST(1000000 * unixepoch('subsec') AS INTEGER)`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.ReleaseCase(ctx, s, w.theCase())
	})},
	"view": {`SELECT count(*) FROM saved_view`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.SaveView(ctx, s, review.SavedView{Name: "mine", Query: "tab=open"})
	})},
	"viewless": {`SELECT count(*) = 0 FROM saved_view`, staff(func(w *town, ctx context.Context, s review.Session) error {
		_, err := w.prog.desk.RemoveView(ctx, s, "mine")
		return err
	})},
	"exported": {`SELECT count(*) FROM audit WHERE action LIKE '%export%'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		_, err := w.prog.desk.ExportAccount(ctx, s, "A-1")
		return err
	})},
	"audit exported": {`SELECT count(*) FROM audit WHERE action = 'audit.exported'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.ExportAudit(ctx, s, review.AuditFilter{}, "csv", func([]chain.Event) error { return nil })
	})},
	"test letter": {`SELECT count(*) FROM letter WHERE kind = 'test'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.SendTest(ctx, s, "en", "cleared")
	})},
	"threatened": {`SELECT count(*) FROM threat_turn`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.SwitchThreat(ctx, s, true, "a wave of calls", "")
	})},
	"calm": {`SELECT count(*) = 2 FROM threat_turn`, onHost(func(w *town, ctx context.Context) error {
		return w.prog.desk.SwitchThreatOnHost(ctx, false, "it is over")
	})},
	"held": {`SELECT count(*) FROM reset_case WHERE state = 'held'`, func(w *town) {
		w.decideNow(func(s review.Session, in review.Decision) error { return w.prog.desk.Hold(w.t.Context(), s, in) })
	}},
	"frozen": {`SELECT count(*) FROM account_freeze`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.FreezeResets(ctx, s, "A-1", review.Freeze{Until: time.Now().Add(time.Hour), Reason: "they called"})
	})},
	"thawed": {`SELECT count(*) = 2 FROM account_freeze`, coded(func(w *town, ctx context.Context, s review.Session, code string) error {
		return w.prog.desk.ThawResets(ctx, s, "A-1", "it is over", code)
	})},
	"by hand": {`SELECT count(*) FROM hand_request`, staff(func(w *town, ctx context.Context, s review.Session) error {
		_, err := w.prog.desk.OpenByHand(ctx, s, review.HandRequest{Account: "A-2", User: "U-2", Channel: "phone", Source: "10:15", Reason: "lost the phone"})
		return err
	})},
	"key": {`SELECT count(*) FROM api_key`, onHost(func(w *town, ctx context.Context) error {
		_, _, err := w.prog.desk.AddAPIKey(ctx, review.APIKey{Name: "panel", Scopes: review.Scopes})
		return err
	})},
	"user": {`SELECT count(*) FROM panel_user WHERE id = 'U-9'`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		_, _, err := w.prog.desk.PutUser(ctx, k, "A-1", review.User{ID: "U-9", Login: "user9", Email: "user9@company1.example", Role: "user"})
		return err
	})},
	"no user": {`SELECT count(*) FROM panel_user WHERE id = 'U-9' AND removed_at IS NOT NULL`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		return w.prog.desk.RemoveUser(ctx, k, "A-1", "U-9")
	})},
	"asked in the panel": {`SELECT count(*) FROM panel_request`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		_, err := w.prog.desk.OpenFromPanel(ctx, k, review.PanelRequest{Account: "A-1", User: "U-1", PasswordAt: time.Now(), Note: "stolen", IP: "192.0.2.7"})
		return err
	})},
	"signal": {`SELECT count(*) FROM signal WHERE kind = 'login_failed'`, onHost(func(w *town, ctx context.Context) error {
		return w.prog.desk.AddSignal(ctx, "U-1", review.Signal{Kind: review.LoginFailed, At: time.Now(), IP: "192.0.2.7"})
	})},
	"account": {`SELECT count(*) FROM account WHERE id = 'A-9'`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		_, _, err := w.prog.desk.PutAccount(ctx, k, review.Account{ID: "A-9", Name: "Nine", Users: []review.User{{ID: "U-90", Login: "ninety", Email: "admin@nine.example", Role: "admin"}}}, "")
		return err
	})},
	"no account": {`SELECT count(*) FROM panel_user WHERE id = 'U-90' AND removed_at IS NOT NULL`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		return w.prog.desk.RemoveAccount(ctx, k, "A-9", "")
	})},
	"imported": {`SELECT count(*) FROM panel_user WHERE id = 'U-8'`, onHost(func(w *town, ctx context.Context) error {
		file := "account_id,account_name,locale,user_id,login,email,role,api_only,notify\nA-8,Eight,en,U-8,eight,admin@eight.example,admin,0,\n"
		for i := range accounts {
			file += fmt.Sprintf("A-%d,Company %d,en,U-%d,user%d,admin@company%d.example,admin,0,notify@company%d.example\n", i, i, i, i, i, i)
		}
		rows, err := review.ReadAccounts(strings.NewReader(file))
		if err == nil {
			_, err = w.prog.desk.Import(ctx, rows, "test", true, false)
		}
		return err
	})},
	"revoked": {`SELECT count(*) FROM api_key WHERE revoked_at IS NOT NULL`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		return w.prog.desk.RevokeAPIKey(ctx, k.ID)
	})},
	"sessions ended": {`SELECT count(*) FROM audit WHERE action = 'reviewer.sessions_ended'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.EndSessions(ctx, s, s.Reviewer.ID)
	})},
	"recovered": {`SELECT count(*) FROM audit WHERE action = 'reviewer.recovered'`, onHost(func(w *town, ctx context.Context) error {
		_, _, err := w.prog.desk.Recover(ctx, "ina@host.example", "lost the phone")
		return err
	})},
	"note": {`SELECT count(*) FROM case_note`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		return w.prog.desk.AddNote(ctx, k, w.theCase(), "the customer called")
	})},
	"webhook": {`SELECT count(*) FROM webhook`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		_, _, err := w.prog.desk.AddWebhook(ctx, k, "https://panel.example/hook", nil)
		return err
	})},
	"answered once": {`SELECT count(*) FROM idempotency WHERE status = 200`, panel(func(w *town, ctx context.Context, k review.APIKey) error {
		r := review.Request{Key: k, Name: "one", Parts: [][]byte{[]byte("POST /x")}}
		if claim, _, err := w.prog.desk.ClaimRequest(ctx, r); err != nil || claim != review.Claimed {
			return w.prog.desk.DropClaim(ctx, r) // a crash cut the one before
		}
		return w.prog.desk.KeepAnswer(ctx, r, review.Answer{Status: 200, Body: []byte("{}")})
	})},
	"due": {`SELECT count(*) FROM audit WHERE action = 'account.policy' AND object = 'A-3'`,
		onHost(func(w *town, ctx context.Context) error {
			return w.prog.desk.SetAccountPolicy(ctx, "host", "A-3", review.AccountPolicy{RequiredFrom: totp.Never})
		})},
	"erased": {`SELECT count(*) FROM audit WHERE action LIKE '%erased%'`, onHost(func(w *town, ctx context.Context) error {
		_, err := w.prog.desk.EraseMailBodiesFromHost(ctx, "A-1", "asked for")
		return err
	})},
	"came in": {`SELECT count(*) FROM reviewer r JOIN credential k ON k.user_id = r.holder_id AND k.state = 'active' WHERE r.email = 'ina@host.example'`, (*town).comeIn},
	"disabled": {`SELECT count(*) FROM audit WHERE action = 'reviewer.disabled'`, onHost(func(w *town, ctx context.Context) error {
		return w.prog.desk.HostDisable(ctx, "ina@host.example", false)
	})},
}

// trouble is the scenario whose mail server refuses and hangs up, before the dot,
// behind it, and when the letter is stored.
const trouble = "a mail server with troubles"

func init() {
	for name, g := range elsewhere {
		goals[name] = g
	}
	scenarios = append(scenarios,
		scenario{"a database that is not there yet", func(w *town) [][]byte {
			return [][]byte{w.mail("shop@elsewhere.example", "offer", "a@mail.example", "Buy now.")}
		}, []string{"fates"}},
		scenario{trouble, one, []string{"fates", "letters", "yes", "reset", "letters"}},
		scenario{"the staff at work", one, []string{"fates", "letters", "claimed", "released", "view", "viewless", "exported", "audit exported", "test letter", "threatened", "calm", "held", "by hand"}},
		scenario{"a freeze", one, []string{"fates", "letters", "frozen", "thawed", "erased", "sessions ended"}},
		scenario{"the panel", one, []string{"fates", "letters", "key", "user", "asked in the panel", "signal", "note", "webhook", "answered once", "due", "no user", "account", "no account", "imported", "revoked"}},
		scenario{"a new reviewer", one, []string{"fates", "letters", "came in", "letters", "disabled", "recovered", "letters"}},
	)
}

// staff does something in the session of a reviewer.
func staff(act func(*town, context.Context, review.Session) error) func(*town) {
	return func(w *town) {
		if _, s, ok := w.session(); ok {
			w.refusedOr(act(w, w.t.Context(), s))
		}
	}
}

// coded does something with a reviewer's code, the first that is good.
func coded(act func(*town, context.Context, review.Session, string) error) func(*town) {
	return func(w *town) {
		who, s, ok := w.session()
		if !ok {
			return
		}
		for _, c := range w.codes(w.secrets[who]) {
			err := act(w, w.t.Context(), s, c)
			if w.refusedOr(err); err == nil {
				return
			}
		}
		time.Sleep(time.Second)
	}
}

func onHost(act func(*town, context.Context) error) func(*town) {
	return func(w *town) { w.refusedOr(act(w, w.t.Context())) }
}

func panel(act func(*town, context.Context, review.APIKey) error) func(*town) {
	return onHost(func(w *town, ctx context.Context) error {
		keys, err := w.prog.desk.APIKeys(ctx)
		if err != nil {
			return err
		}
		return act(w, ctx, keys[0])
	})
}

// refusedOr takes a refusal for an answer, and no other error.
func (w *town) refusedOr(err error) {
	if err != nil && review.KindOf(err) == "" {
		w.t.Error(err)
	} else if err != nil {
		fmt.Fprintln(w, err)
	}
}

// comeIn invites somebody from the host, who sets password and second factor. The
// link of a run that ended is lost, and another one comes in its place.
func (w *town) comeIn() {
	ctx, desk := w.t.Context(), w.prog.desk
	token, err := desk.Invite(ctx, "host", "ina@host.example", "Ina", review.Lead)
	if err != nil {
		w.refusedOr(err)
		return
	}
	r, err := desk.AcceptInvitation(ctx, token, password)
	if err != nil {
		w.refusedOr(err)
		return
	}
	e, err := desk.Book().Begin(ctx, r.Holder, "ina", totp.Proof{})
	if err == nil {
		_, err = desk.Book().Confirm(ctx, r.Holder, e.ID, code(w.t, e.Key.Secret().Base32(), time.Now()))
	}
	if err != nil {
		fmt.Fprintln(w, err)
		return
	}
	w.refusedOr(desk.FinishInvitation(ctx, token))
}
