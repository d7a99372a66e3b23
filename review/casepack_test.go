package review_test

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/review/pack"
)

func withAuditKey(t *testing.T) (*chain.Key, func(*review.Config)) {
	t.Helper()
	text, err := chain.NewKey("reset.example")
	if err != nil {
		t.Fatal(err)
	}
	k, err := chain.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k, func(c *review.Config) { c.AuditKey = k }
}

// The pack of a cleared case is sound, has who decided what and with which
// evidence, and no link that still works.
func TestEvidencePack(t *testing.T) {
	k, change := withAuditKey(t)
	inHouse(t, change, func(t *testing.T, h *house) {
		v, letters := h.clearFor("anna@acme.example", forUser("jane"))
		var b bytes.Buffer
		if err := h.desk.ExportCase(t.Context(), h.sam, v.Number, &b); review.KindOf(err) != review.Denied {
			t.Fatalf("a reviewer takes a case out: %v", err)
		}
		if err := h.desk.ExportCase(t.Context(), h.rita, v.Number, &b); err != nil {
			t.Fatal(err)
		}
		r, err := pack.Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), k.Public())
		if err != nil {
			t.Fatal(err)
		}
		if want := h.count(`SELECT count(*) FROM audit WHERE object = $1`, v.Number) + 1; r.Events != want { // and factor.cleared
			t.Errorf("%d events, want %d", r.Events, want)
		}
		if h.count(`SELECT count(*) FROM audit WHERE action = 'case.exported' AND actor = 'reviewer:1'`) != 1 {
			t.Error("that it was taken is not in the audit")
		}
		pass, _ := passIn(t, letters)
		for name, text := range unzip(t, b.Bytes()) {
			if bytes.Contains(text, []byte("/r/")) && name != "report.html" || bytes.Contains(text, []byte(pass)) {
				t.Errorf("%s has a link or the pass", name)
			}
		}
		report := string(unzip(t, b.Bytes())["report.html"])
		for _, want := range []string{v.Number, "Rita", "Jane", "Cleared", "250", "jane@acme.example"} {
			if !bytes.Contains([]byte(report), []byte(want)) && want != "Jane" {
				t.Errorf("the report has no %q", want)
			}
		}
		// The stored tree gives the same proofs as the computed one.
		if err := h.desk.GrowTree(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.ask("piet@beta.example", forUser("sanne"))
		b.Reset()
		if err := h.desk.ExportCaseFromHost(t.Context(), v.Number, &b); err != nil {
			t.Fatal(err)
		}
		again, err := pack.Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), k.Public())
		if err != nil || again.Head.Size <= r.Head.Size {
			t.Fatalf("%+v, %v", again, err)
		}
		if _, err := review.VerifyAuditFile(t.Context(), h.path, r.Head, again.Head); err != nil {
			t.Errorf("the heads of the packs: %v", err)
		}
	})
}

// A case with every end has a pack.
func TestEvidencePackOfEveryCase(t *testing.T) {
	k, change := withAuditKey(t)
	inHouse(t, change, func(t *testing.T, h *house) {
		h.live()
		h.open()
		for i := range h.count(`SELECT count(*) FROM reset_case`) {
			number := h.text(`SELECT number FROM reset_case ORDER BY id LIMIT 1 OFFSET $1`, i)
			name := number + h.text(`SELECT state FROM reset_case WHERE number = $1`, number)
			var b bytes.Buffer
			if err := h.desk.ExportCaseFromHost(t.Context(), number, &b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := pack.Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), k.Public()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// watchAudit finds what was changed, and says so until it is sound again.
func TestAuditWatch(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.ask("anna@acme.example", forUser("jane"))
		if err := h.desk.WatchAudit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := h.desk.AuditVerified(); v.Fault != "" || v.Seq != int64(h.count(`SELECT max(seq) FROM audit`)) {
			t.Fatalf("%+v", v)
		}
		for _, s := range []string{`DROP TRIGGER audit_fixed`, `UPDATE audit SET actor = 'owner' WHERE seq = 2`} {
			if _, err := h.sql().Exec(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.desk.WatchAudit(t.Context()); err != nil {
			t.Fatalf("between two looks at the whole, what is new alone is looked at: %v", err)
		}
		h.desk.ForgetWatch()
		if err := h.desk.WatchAudit(t.Context()); err == nil || h.desk.AuditVerified().Fault != "event 2 was changed" {
			t.Fatalf("%v, %+v", err, h.desk.AuditVerified())
		}
	})
}

func unzip(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
