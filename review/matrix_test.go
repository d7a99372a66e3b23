package review_test

import (
	"context"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
)

// A method of the desk that acts for a session: what right it asks for, and a call
// that fails for every other reason than that.
type deskMethod struct {
	right review.Right // "": any session, of any role, even one that owes its factor
	call  func(context.Context, *review.Desk, review.Session) error
}

func deskMethods(number string) map[string]deskMethod {
	a := review.Approval{Number: number, Version: -1, Account: "A-1001", Reason: "x", Code: "000000"}
	in := review.Decision{Number: number, Version: -1, Note: "x", Class: "sender"}
	c := review.Change{Reviewer: 77, Code: "000000", Reason: "x"}
	decision := func(f func(*review.Desk, context.Context, review.Session, review.Decision) error) deskMethod {
		return deskMethod{review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error { return f(d, ctx, s, in) }}
	}
	m := func(right review.Right, f func(context.Context, *review.Desk, review.Session) error) deskMethod {
		return deskMethod{right, f}
	}
	return map[string]deskMethod{
		"Reject": decision((*review.Desk).Reject), "Hold": decision((*review.Desk).Hold),
		"ResumeCase": decision((*review.Desk).ResumeCase), "Ask": decision((*review.Desk).Ask),
		"Approve": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Approve(ctx, s, a)
			return err
		}),
		"Backlog": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Backlog(ctx, s)
			return err
		}),
		"MailReport": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.MailReport(ctx, s, 1)
			return err
		}),
		"Views": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Views(ctx, s)
			return err
		}),
		"SaveView": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.SaveView(ctx, s, review.SavedView{Name: "x"})
		}),
		"RemoveView": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.RemoveView(ctx, s, "x")
			return err
		}),
		"TakeBacklog": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.TakeBacklog(ctx, s, []int64{77})
			return err
		}),
		"ClaimCase": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.ClaimCase(ctx, s, "RST-000000", "x")
		}),
		"ReleaseCase": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.ReleaseCase(ctx, s, "RST-000000")
		}),
		"RecordEvidence": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.RecordEvidence(ctx, s, review.Finding{Number: number, Name: "x", Version: -1, Result: "pass", Words: "x"})
		}),
		"CheckDNS": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.CheckDNS(ctx, s, review.Finding{Number: number, Name: "x", Version: -1})
			return err
		}),
		"AskToVouch": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.AskToVouch(ctx, s, "x", in)
		}),
		"FreezeAccount": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.FreezeAccount(ctx, s, review.Freeze{Number: number, Version: -1, Until: time.Now().Add(time.Hour), Reason: "x"})
		}),
		"FreezeResets": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.FreezeResets(ctx, s, "A-none", review.Freeze{Until: time.Now().Add(time.Hour), Reason: "x"})
		}),
		"ThawResets": m(review.Leading, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.ThawResets(ctx, s, "A-none", "x", "000000")
		}),
		"OpenByHand": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.OpenByHand(ctx, s, review.HandRequest{Account: "A-none", User: "x", Channel: "phone", Source: "x", Reason: "x"})
			return err
		}),
		"ThawAccount": m(review.Leading, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.ThawAccount(ctx, s, a) }),
		"SwitchThreat": m(review.Leading, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.SwitchThreat(ctx, s, false, "x", "x")
		}),
		"ExportAudit": m(review.TakeOut, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.ExportAudit(ctx, s, review.AuditFilter{}, "csv", func([]chain.Event) error { return nil })
		}),
		"ExportCase": m(review.TakeOut, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.ExportCase(ctx, s, "RST-000000", io.Discard)
		}),
		"AccountHistory": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.AccountHistory(ctx, s, "A-1001")
			return err
		}),
		"FindAccounts": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.FindAccounts(ctx, s, "", "", 1)
			return err
		}),
		"ExportAccount": m(review.TakeOut, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.ExportAccount(ctx, s, "A-0")
			return err
		}),
		"EraseMailBodies": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.EraseMailBodies(ctx, s, "A-0", "x")
			return err
		}),
		"CloseCase": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.CloseCase(ctx, s, review.Decision{Number: number, Version: -1, Class: "not_a_request"})
		}),
		"Resolve": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.Resolve(ctx, s, review.Resolution{Number: number, Version: -1, UserID: "U-2"})
		}),
		"ReissuePass": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.ReissuePass(ctx, s, a) }),
		"OpenParked": m(review.Decide, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.OpenParked(ctx, s, 77)
			return err
		}),
		"Unfreeze": m(review.Leading, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.Unfreeze(ctx, s, a) }),
		"Queue": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Queue(ctx, s, review.QueueFilter{})
			return err
		}),
		"Case": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Case(ctx, s, number)
			return err
		}),
		"Mail": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Mail(ctx, s, 77)
			return err
		}),
		"Audit": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Audit(ctx, s, review.AuditFilter{})
			return err
		}),
		"Profile": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Profile(ctx, s)
			return err
		}),
		"Prefer": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.Prefer(ctx, s, review.Preferences{Keys: true})
		}),
		"ChangePassword": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.ChangePassword(ctx, s, "x", goodPassword, "x")
		}),
		"AskNewPasskey": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.AskNewPasskey(ctx, s)
			return err
		}),
		"AddPasskey": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.AddPasskey(ctx, s, "x", "{}", "x")
		}),
		"RemovePasskey": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.RemovePasskey(ctx, s, 77, "x")
		}),
		"AskStepUp": m("", func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.AskStepUp(ctx, s)
			return err
		}),
		"SendTest": m(review.Look, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.SendTest(ctx, s, "en", "notice")
		}),
		"MayEnroll":  m("", func(ctx context.Context, d *review.Desk, s review.Session) error { return d.MayEnroll(ctx, s) }),
		"GiveFactor": m("", func(ctx context.Context, d *review.Desk, s review.Session) error { return d.GiveFactor(ctx, s, "x") }),
		"People": m(review.Oversee, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.People(ctx, s)
			return err
		}),
		"Person": m(review.Oversee, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Person(ctx, s, 77)
			return err
		}),
		"Welcome": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.Welcome(ctx, s, "x", "x@host.example", "X", review.Viewer)
		}),
		"SetRole": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.SetRole(ctx, s, c, review.Viewer)
		}),
		"Disable":  m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.Disable(ctx, s, c) }),
		"Enable":   m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.Enable(ctx, s, c) }),
		"AskReset": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.AskReset(ctx, s, c) }),
		"ConfirmReset": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.ConfirmReset(ctx, s, c)
		}),
		"StopReset": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.StopReset(ctx, s, 77) }),
		"EndSession": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.EndSession(ctx, s, 77, "x")
		}),
		"EndSessions": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error { return d.EndSessions(ctx, s, 77) }),
		"Setup": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.Setup(ctx, s)
			return err
		}),
		"TryImport": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.TryImport(ctx, s, nil)
			return err
		}),
		"ImportTried": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, err := d.ImportTried(ctx, s, "x", nil, review.ImportReport{})
			return err
		}),
		"CreateAPIKey": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			_, _, err := d.CreateAPIKey(ctx, s, "x", review.APIKey{})
			return err
		}),
		"WithdrawAPIKey": m(review.Administer, func(ctx context.Context, d *review.Desk, s review.Session) error {
			return d.WithdrawAPIKey(ctx, s, "x", 77)
		}),
	}
}

// free are the methods that refuse nobody who is in: to leave, and to hear news that
// are for admins and empty for the others.
var free = map[string]bool{"SignOut": true, "News": true}

// The desk itself refuses, whatever the pages let through: every method that takes a
// session is called by every role, and by sessions that are over, disabled, or owe
// their second factor. A method that the table does not know fails.
func TestDeskMatrix(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.deliver(request("anna@acme.example", "2FA reset for jane", lostPhone))
		methods := deskMethods(h.onlyCase().Number)
		typ := reflect.TypeFor[*review.Desk]()
		for i := range typ.NumMethod() {
			f := typ.Method(i)
			takes := f.Type.NumIn() > 2 && f.Type.In(2) == reflect.TypeFor[review.Session]()
			if _, known := methods[f.Name]; takes && !known && !free[f.Name] {
				t.Errorf("%s takes a session and is not in the table of the test", f.Name)
			}
		}
		type caller struct {
			name    string
			session review.Session
			role    review.Role // "": is not in
			owes    bool
		}
		var callers []caller
		for _, row := range review.Roles {
			callers = append(callers, caller{string(row.Role), h.reviewer(string(row.Role)+"@host.example", string(row.Role), row.Role), row.Role, false})
		}
		over := h.reviewer("over@host.example", "Over", review.Admin)
		if err := h.desk.SignOut(ctx, over); err != nil {
			t.Fatal(err)
		}
		disabled := h.reviewer("disabled@host.example", "Dis", review.Admin)
		if err := h.desk.HostDisable(ctx, "disabled@host.example", false); err != nil {
			t.Fatal(err)
		}
		review.RealSessions(t)
		expired := h.reviewer("expired@host.example", "Exp", review.Admin)
		token, err := h.desk.SignInBySSO(ctx, review.Identity{Issuer: "https://id.example", Subject: "7", Email: "otto@host.example", Verified: true, Governed: true, Role: review.Admin}, review.Entry{})
		if err != nil {
			t.Fatal(err)
		}
		owes, err := h.desk.Authenticate(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		demoted := h.reviewer("demoted@host.example", "Dem", review.Admin) // still says admin, as a page that was asked for before
		if _, err := h.sql().Exec(`UPDATE reviewer SET role = 'viewer' WHERE email = 'demoted@host.example'`); err != nil {
			t.Fatal(err)
		}
		callers = append(callers, caller{"signed out", over, "", false}, caller{"disabled", disabled, "", false}, caller{"nobody", review.Session{}, "", false},
			caller{"owes the second factor", owes, "", true}, caller{"demoted since", demoted, review.Viewer, false})
		cells := 0
		check := func(c caller) {
			for name, m := range methods {
				cells++
				may := c.role != "" && (m.right == "" || c.role.May(m.right)) || c.owes && m.right == ""
				if err := m.call(ctx, h.desk, c.session); (review.KindOf(err) == review.Denied) == may {
					t.Errorf("%s: %s: %v", c.name, name, err)
				}
			}
		}
		for _, c := range callers {
			check(c)
		}
		time.Sleep(13 * time.Hour)
		check(caller{"expired", expired, "", false})
		t.Logf("%d methods, %d callers: %d cells", len(methods), len(callers)+1, cells)
	})
}

// The manual has the table that the code has.
func TestRolesInManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manual), review.RolesTable()) {
		t.Errorf("docs/manual.md needs this table:\n%s", review.RolesTable())
	}
}
