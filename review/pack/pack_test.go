package pack_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/review/pack"
)

func newKey(t testing.TB) *chain.Key {
	t.Helper()
	text, err := chain.NewKey("reset.example")
	if err != nil {
		t.Fatal(err)
	}
	k, err := chain.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sample is a pack of a case with one event and one mail.
func sample(t testing.TB, k *chain.Key, change ...func(*pack.Contents)) []byte {
	t.Helper()
	raw := []byte("From: anna@acme.example\r\n\r\n\u202eplease\r\n")
	e := chain.Event{Seq: 1, At: 1, Actor: "desk", Action: "case.opened", Object: "RST-000001", Detail: `{"note":"<script>alert(1)</script>"}`}
	e.Hash = e.Sum()
	var f chain.Follower
	if err := f.Take(e); err != nil {
		t.Fatal(err)
	}
	head := f.Head()
	head.At = time.Unix(1e9, 0)
	c := pack.Contents{Brand: "Example", MadeBy: "Olga", MadeAt: time.Unix(1e9, 0), Head: head, Events: []pack.Event{{Event: e, Name: "desk"}},
		Case: pack.Case{Number: "RST-000001", State: "open", Requester: "anna@acme.example",
			Mails: []pack.Mail{{Role: "opened", Subject: "<b>x", Raw: raw, SHA256: fmt.Sprintf("%x", sha256.Sum256(raw))}, {Role: "replied", SHA256: "00"}}}}
	for _, f := range change {
		f(&c)
	}
	var b bytes.Buffer
	if err := pack.Write(&b, c, k); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verify(b []byte, k *chain.Key) (pack.Result, error) {
	return pack.Verify(bytes.NewReader(b), int64(len(b)), k.Public())
}

// files takes a ZIP apart, and zipped puts one together.
func files(t testing.TB, b []byte) (names []string, all map[string][]byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	all = map[string][]byte{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name)
	}
	return names, all
}

func zipped(t testing.TB, names []string, all map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(all[name])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPack(t *testing.T) {
	k := newKey(t)
	b := sample(t, k)
	r, err := verify(b, k)
	if err != nil || r.Case != "RST-000001" || r.Events != 1 || r.Files != 7 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := verify(b, newKey(t)); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("another key: %v", err)
	}
	_, all := files(t, b)
	report := string(all["report.html"])
	if strings.Contains(report, "<script") || strings.Contains(report, "<b>x") || !strings.Contains(report, "RST-000001") {
		t.Errorf("the report obeys a stranger:\n%s", report)
	}
}

// Any byte of any file changed, a file taken away, added or there twice.
func TestPackTampered(t *testing.T) {
	k := newKey(t)
	b := sample(t, k)
	sound, err := verify(b, k)
	if err != nil {
		t.Fatal(err)
	}
	names, all := files(t, b)
	tried := 0
	for _, name := range names {
		whole := all[name]
		for i := 0; i < len(whole); i += 1 + len(whole)/200 {
			changed := bytes.Clone(whole)
			changed[i] ^= 1
			all[name] = changed
			// Base64 has bits at its end that say nothing.
			if got, err := verify(zipped(t, names, all), k); err == nil && !(name == "signature.txt" && got == sound) {
				t.Errorf("%s, byte %d: not found", name, i)
			}
			tried++
		}
		all[name] = whole
		var without []string
		for _, n := range names {
			if n != name {
				without = append(without, n)
			}
		}
		if _, err := verify(zipped(t, without, all), k); err == nil {
			t.Errorf("without %s", name)
		}
		if _, err := verify(zipped(t, append(names[:len(names):len(names)], name), all), k); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	all["mails/9.eml"] = []byte("x")
	if _, err := verify(zipped(t, append(names[:len(names):len(names)], "mails/9.eml"), all), k); err == nil || !strings.Contains(err.Error(), "added") {
		t.Errorf("a file more: %v", err)
	}
	t.Logf("%d changed bytes", tried)
}

// A bomb is refused by what it unpacks to, whatever it says of itself.
func TestPackBombs(t *testing.T) {
	k := newKey(t)
	zeros := make([]byte, 65<<20)
	if _, err := verify(zipped(t, []string{"manifest.json"}, map[string][]byte{"manifest.json": zeros}), k); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("one file: %v", err)
	}
	all := map[string][]byte{}
	var names []string
	for i := range 5 {
		names = append(names, fmt.Sprint(i))
		all[names[i]] = zeros[:60<<20]
	}
	if _, err := verify(zipped(t, names, all), k); err == nil || !strings.Contains(err.Error(), "unpacks to more") {
		t.Errorf("all together: %v", err)
	}
	names = nil
	for i := range 1500 {
		names = append(names, fmt.Sprint(i))
	}
	if _, err := verify(zipped(t, names, all), k); err == nil || !strings.Contains(err.Error(), "more than 1000 files") {
		t.Errorf("many files: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	k := newKey(f)
	b := sample(f, k)
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	names, all := files(f, b)
	f.Add(zipped(f, names[:3], all))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := verify(data, k)
		if err == nil && (r.Case != "RST-000001" || r.Events != 1) {
			t.Fatalf("nobody signed %+v", r)
		}
	})
}

// A desk that signs what its audit does not say is found out: by an event that was
// made up, one of another case, none at all, or a mail that did not come in so.
func TestPackThatLies(t *testing.T) {
	k := newKey(t)
	for name, lie := range map[string]func(*pack.Contents){
		"a changed event": func(c *pack.Contents) { c.Events[0].Actor = "owner" },
		"a changed event with a new hash": func(c *pack.Contents) {
			c.Events[0].Actor = "owner"
			c.Events[0].Hash = c.Events[0].Sum()
		},
		"an event after the head": func(c *pack.Contents) {
			e := c.Events[0]
			e.Seq = 2
			e.Hash = e.Sum()
			c.Events = append(c.Events, e)
		},
		"an event twice":  func(c *pack.Contents) { c.Events = append(c.Events, c.Events[0]) },
		"no event":        func(c *pack.Contents) { c.Events = nil },
		"another case":    func(c *pack.Contents) { c.Case.Number = "RST-000002" },
		"another mail":    func(c *pack.Contents) { c.Case.Mails[0].Raw = []byte("x") },
		"a head of other": func(c *pack.Contents) { c.Head.Root[0] ^= 1 },
	} {
		if _, err := verify(sample(t, k, lie), k); err == nil {
			t.Errorf("%s is not found", name)
		}
	}
}
