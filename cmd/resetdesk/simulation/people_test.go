package simulation

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/review"
)

func (w *town) signIn(who string) error {
	if _, err := w.prog.desk.Authenticate(w.t.Context(), w.sessions[who]); err == nil {
		return nil
	}
	token, err := w.prog.desk.SignIn(w.t.Context(), review.SignIn{Email: who + "@host.example", Password: password,
		Code: w.freshCode(w.secrets[who]), IP: "127.0.0.1"})
	if err == nil {
		w.accepted(w.secrets[w.secrets[who]])
		w.sessions[who] = token
	}
	return err
}

func (w *town) get(path, who string) (int, string) { return w.ask("GET", path, who, nil) }

func (w *town) post(path, who string, pairs ...string) (int, string) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return w.ask("POST", path, who, form)
}

// ask sends a request to the pages, as a browser would. 0: there is no program.
func (w *town) ask(method, path, who string, form url.Values) (int, string) {
	if w.prog == nil {
		return 0, ""
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, base+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", base)
	}
	if who != "" {
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: w.sessions[who]})
	}
	answer := httptest.NewRecorder()
	w.prog.pages.ServeHTTP(answer, r)
	if answer.Code >= 500 {
		w.t.Errorf("%s %s: %d", method, path, answer.Code)
	}
	w.location = answer.Header().Get("Location")
	w.keepCookie(who, answer.Result())
	return answer.Code, answer.Body.String()
}

// A letter is one that the mail server took.
type letter struct {
	from, to, id, subject, text string // from and to are those of the envelope
	raw                         []byte
}

// letters are all that the server took, before this course and in it.
func (w *town) letters() []letter {
	w.t.Helper()
	mails := w.smtp.Mails()
	for _, d := range mails[w.parsed:] {
		w.arrived = append(w.arrived, w.parse(d))
	}
	w.parsed = len(mails)
	return w.arrived
}

func (w *town) parse(d mailtest.Delivered) letter {
	m, err := mail.ReadMessage(bytes.NewReader(d.Raw))
	if err != nil {
		w.t.Fatal(err)
	}
	l := letter{from: d.From, to: d.To, id: strings.Trim(m.Header.Get("Message-ID"), "<>"), raw: d.Raw}
	l.subject, _ = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		w.t.Fatal(err)
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		w.t.Fatal(err)
	}
	l.text = strings.ReplaceAll(string(text), "\r\n", "\n")
	return l
}
