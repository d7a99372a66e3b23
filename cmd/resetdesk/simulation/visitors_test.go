package simulation

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/passkey/passkeytest"
	"github.com/resetdesk/resetdesk/ui/sso"
	"github.com/resetdesk/resetdesk/ui/sso/ssotest"
)

const sessionCookie = "resetdesk"

// A notebook is what browsers, a passkey and the panel still know when the program was
// killed. It is a file, for the worker ends with the program.
type notebook struct {
	path     string
	stage    stage
	Sessions map[string]string // of people
	APIKey   string            // the panel's
	Passkey  device            // ada's
}

// A device is what a passkey's authenticator holds.
type device struct {
	Key, ID, Handle []byte
	Count           uint32
}

// recall reads the notebook of an earlier run, if there was one.
func (w *town) recall(s stage) {
	w.notes = &notebook{path: filepath.Join(s.Dir, "notebook.json"), stage: s, Sessions: map[string]string{}}
	text, err := os.ReadFile(w.notes.path)
	if err == nil {
		err = json.Unmarshal(text, w.notes)
	}
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	w.sessions = w.notes.Sessions
}

// memorize leaves the old notebook or the new one, wherever the program is killed.
func (w *town) memorize() {
	text, err := json.Marshal(w.notes)
	if err == nil {
		err = os.WriteFile(w.notes.path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(w.notes.path+".new", w.notes.path)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// keepCookie is what a browser does with an answer. In virtual time nobody keeps any.
func (w *town) keepCookie(who string, answer *http.Response) {
	if w.notes == nil || who == "" {
		return
	}
	for _, c := range answer.Cookies() {
		if c.Name == sessionCookie {
			w.sessions[who] = c.Value
			w.memorize()
		}
	}
}

// enters reports whether somebody is signed in on the pages, and signs in if not.
func (w *town) enters(who string) (review.Session, bool) {
	s, err := w.prog.desk.Authenticate(w.t.Context(), w.sessions[who])
	if err == nil {
		return s, true
	}
	words := password
	if who == "ada" && w.count(passwordChanged) > 0 {
		words = anotherPassword
	}
	w.withCode(who, "/sign-in", "email", who+"@host.example", "password", words)
	s, err = w.prog.desk.Authenticate(w.t.Context(), w.sessions[who])
	return s, err == nil
}

// withCode sends a form with a reviewer's code, the first that is good.
func (w *town) withCode(who, path string, form ...string) {
	for _, c := range w.codes(w.secrets[who]) {
		if status, _ := w.post(path, who, append(form, "code", c)...); status == http.StatusSeeOther {
			return
		}
	}
	time.Sleep(time.Second) // for a new code
}

// onPages does something on the pages as somebody who is signed in.
func onPages(who string, act func(*town)) func(*town) {
	return func(w *town) {
		if _, ok := w.enters(who); ok {
			act(w)
		}
	}
}

// deed sends the form of an act on the case with a code.
func deed(who, act string) func(*town) {
	return onPages(who, func(w *town) {
		path := "/cases/" + w.theCase() + "/" + act
		_, page := w.get(path, who)
		account := accountNumber.FindStringSubmatch(page)
		if account == nil {
			return
		}
		form := []string{"account", account[1], "reason", "they called"}
		for _, m := range hidden.FindAllStringSubmatch(page, -1) {
			form = append(form, m[1], m[2])
		}
		w.withCode(who, path, form...)
	})
}

// signs lets ada's device answer the options at a path.
func (w *town) signs(path, who string) (answer string) {
	_, options := w.get(path, who)
	d := &w.notes.Passkey
	key, err := x509.ParseECPrivateKey(d.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	a := &passkeytest.Authenticator{Origin: base, RP: "localhost", ID: d.ID, Handle: d.Handle, Count: d.Count, Key: key}
	if answer, err = a.Get([]byte(options)); err != nil {
		fmt.Fprintln(w, err, options)
	}
	d.Count = a.Count
	w.memorize()
	return answer
}

// makesPasskey lets ada's device make a passkey, and adds it.
func (w *town) makesPasskey() {
	_, options := w.get("/profile/passkeys/options", "ada")
	a := passkeytest.New(base, "localhost")
	answer, err := a.Create([]byte(options))
	var key []byte
	if err == nil {
		key, err = x509.MarshalECPrivateKey(a.Key)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.notes.Passkey = device{key, a.ID, a.Handle, a.Count}
	w.memorize()
	w.withCode("ada", "/profile/passkeys/new", "name", "blue key", "answer", answer)
}

// provider is the provider of single sign-on: its groups say what anybody may do.
func (w *town) provider() *sso.Provider {
	var err error
	if w.prog.id, err = ssotest.New("https://id.example", nil); err != nil {
		w.t.Fatal(err)
	}
	p, err := sso.New(sso.Config{Issuer: w.prog.id.Issuer, ClientID: ssotest.ClientID, BaseURL: base, Client: w.prog.id.Client(),
		Roles:  map[string]review.Role{"support": review.Decider},
		Secret: func() (string, error) { return ssotest.Secret, nil }})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// travels goes through the provider, which vouches for somebody, and comes back.
func (w *town) travels(who, from, group string) {
	w.prog.id.User = map[string]any{"sub": "id-" + who, "email": who + "@host.example", "email_verified": true, "name": who, "groups": []string{group}}
	out := w.send(httptest.NewRequest("GET", base+from, nil))
	away, err := http.NewRequest("GET", out.Header.Get("Location"), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	client := w.prog.id.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(away)
	if err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest("GET", base+back.RequestURI(), nil)
	for _, c := range out.Cookies() {
		r.AddCookie(c)
	}
	fmt.Fprintln(w, "back from the provider:", w.send(r).Status)
}

func (w *town) send(r *http.Request) *http.Response {
	answer := httptest.NewRecorder()
	w.prog.pages.ServeHTTP(answer, r)
	if answer.Code >= 500 {
		w.t.Errorf("%s %s: %d", r.Method, r.URL, answer.Code)
	}
	return answer.Result()
}

// panel asks the API, with a key that it gets from the host if it has none.
func panel(method, path string, body any, head ...string) func(*town) {
	return func(w *town) { w.call(method, path, body, head...) }
}

func (w *town) call(method, path string, body any, head ...string) (status int) {
	if w.notes.APIKey == "" {
		_, key, err := w.prog.desk.AddAPIKey(w.t.Context(), review.APIKey{Name: "panel", Scopes: review.Scopes})
		if err != nil {
			w.t.Fatal(err)
		}
		w.notes.APIKey = key
		w.memorize()
	}
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, base+"/api/v1"+path, bytes.NewReader(text))
	r.Header.Set("Authorization", "Bearer "+w.notes.APIKey)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	answer := w.send(r)
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(w, "%s %s: %d %s\n", method, path, answer.StatusCode, said)
	return answer.StatusCode
}
