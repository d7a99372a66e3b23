package panel

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/resetdesk/resetdesk/totp"
)

//go:embed templates static text
var files embed.FS

// printed are the parsed templates, the texts in each language and the version
// of the static files.
type printed struct {
	templates *template.Template
	texts     map[string]map[string]string
	version   string
}

// press parses what is embedded, once.
var press = sync.OnceValues(func() (*printed, error) {
	p := &printed{texts: map[string]map[string]string{}}
	var err error
	if p.templates, err = template.New("").Funcs(template.FuncMap{"visible": visible}).ParseFS(files, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	names, err := fs.Glob(files, "text/*.json")
	if err != nil {
		return nil, fmt.Errorf("list texts: %w", err)
	}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read texts: %w", err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(raw, &texts); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		p.texts[strings.TrimSuffix(path.Base(name), ".json")] = texts
	}
	sum := sha256.New()
	for _, name := range []string{"panel.css", "panel.js"} {
		text, err := files.ReadFile("static/" + name)
		if err != nil {
			return nil, fmt.Errorf("read static file: %w", err)
		}
		sum.Write(text)
	}
	p.version = hex.EncodeToString(sum.Sum(nil))[:8]
	return p, nil
})

// language returns the first of the wanted languages that we speak, or English.
// Wanted are tags like "de-AT"; an Accept-Language header is read in its order,
// its weights are not.
func (p *printed) language(wanted ...string) string {
	for _, w := range wanted {
		for tag := range strings.SplitSeq(w, ",") {
			tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), ";")
			tag, _, _ = strings.Cut(strings.ReplaceAll(tag, "_", "-"), "-")
			if _, ok := p.texts[tag]; ok {
				return tag
			}
		}
	}
	return "en"
}

// text returns the text of a key in the language of the visit.
func (v *visit) text(key string, args ...any) string {
	text, err := v.T(key, args...)
	if err != nil {
		v.Log.Error("text of the second factor pages", "error", err)
	}
	return text
}

// T is text for templates. A missing key is an error, so that no page goes out
// with a hole in it.
func (v *visit) T(key string, args ...any) (string, error) {
	text, ok := v.texts[v.lang][key]
	if !ok {
		return "", fmt.Errorf("no text %q in %q", key, v.lang)
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...), nil
	}
	return text, nil
}

// Day writes a date as the language does, in UTC.
func (v *visit) Day(t time.Time) string {
	t = t.UTC()
	months := strings.Split(v.text("months"), ",")
	return v.text("day", t.Day(), months[(int(t.Month())-1)%len(months)], t.Year())
}

// At is Day with the time.
func (v *visit) At(t time.Time) string { return v.Day(t) + ", " + t.UTC().Format("15:04") + " UTC" }

// A sheet is what the templates see.
type sheet struct {
	*visit
	name    string
	Title   string
	Problem string
	Said    string
	Status  totp.Status
	Unknown bool // the user was never registered
	Pending bool // a key waits in this browser for its first code
	Setup   *setup
	Codes   []string
	Devices []totp.Device
	Device  totp.Device // the one that is asked about
	Events  []totp.Event
}

// Account is the account of the visitor.
func (s *sheet) Account() string { return s.user.Account }

// Typed is what the form had in a field that is no secret.
func (s *sheet) Typed(field string) string { return s.r.PostForm.Get(field) }

// Today is the date on the paper with the backup codes.
func (s *sheet) Today() string { return time.Now().UTC().Format(time.DateOnly) }

// Home is the address of the first page.
func (s *sheet) Home() string {
	if s.Path == "" {
		return "/"
	}
	return s.Path
}

func (v *visit) sheet(name, title string) *sheet {
	return &sheet{visit: v, name: name, Title: v.text(title)}
}

// show renders to a buffer and then writes the whole page, or nothing.
func (v *visit) show(status int, s *sheet) error {
	var body, whole bytes.Buffer
	if err := v.templates.ExecuteTemplate(&body, s.name, s); err != nil {
		return fmt.Errorf("render %s: %w", s.name, err)
	}
	page := Page{Title: s.Title, Lang: v.lang, User: v.user, Head: v.head(), Body: template.HTML(body.String())}
	if err := v.Frame(&whole, v.r, page); err != nil {
		return fmt.Errorf("frame %s: %w", s.name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(whole.Len()))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		v.w.Write(whole.Bytes()) // an error here is a reader who left
	}
	return nil
}

// head are the links of every page.
func (v *visit) head() template.HTML {
	var b strings.Builder
	link := func(address string) {
		fmt.Fprintf(&b, "<link rel=\"stylesheet\" href=\"%s\">\n", template.HTMLEscapeString(address))
	}
	link(v.Path + "/static/panel.css?v=" + v.version)
	if v.Stylesheet != "" {
		link(v.Stylesheet)
	}
	fmt.Fprintf(&b, "<script src=\"%s\" defer></script>", template.HTMLEscapeString(v.Path+"/static/panel.js?v="+v.version))
	return template.HTML(b.String())
}

// plainFrame is the frame of a panel that brings none.
func (p *Pages) plainFrame(w io.Writer, _ *http.Request, page Page) error {
	return p.templates.ExecuteTemplate(w, "frame", struct {
		Page
		Brand, Banner string
	}{page, p.Brand, p.Banner})
}

var staticTypes = map[string]string{"panel.css": "text/css; charset=utf-8", "panel.js": "text/javascript; charset=utf-8"}

// serveStatic serves the style sheet and the script. Their address changes with
// their content, so a browser may keep them; a cache on the way may not, because
// the path of the pages may be a secret.
func serveStatic(w http.ResponseWriter, r *http.Request, name string) error {
	kind, ok := staticTypes[name]
	if !ok {
		return errNoPage
	}
	text, err := files.ReadFile("static/" + name)
	if err != nil {
		return fmt.Errorf("read static file: %w", err)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method != http.MethodHead {
		w.Write(text) // an error here is a reader who left
	}
	return nil
}

// visible replaces characters that would change the direction or the look of a
// line without being seen: names may come from strangers.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
