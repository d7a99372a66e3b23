package message

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

const (
	maxStack  = 500 // open elements that are kept track of
	maxLinks  = 20
	maxHidden = 16 << 10
)

// page makes text of HTML. It walks the tokens once and never builds a tree,
// so that neither depth nor broken nesting costs anything. Scripts, styles and
// comments vanish; text that is not shown goes to HiddenText; quoted blocks
// get "> " in front as in plain mail.
func (r *reader) page(src []byte) string {
	w := walker{r: r}
	z := html.NewTokenizer(bytes.NewReader(src))
	for {
		switch z.Next() {
		case html.ErrorToken:
			w.endLink()
			r.m.HiddenText = appendHidden(r.m.HiddenText, r.clean(w.hidden.String()))
			return strings.Trim(r.clean(w.out.String()), "\n")
		case html.TextToken:
			w.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start(z.Token())
		case html.EndTagToken:
			name, _ := z.TagName()
			w.end(string(name))
		}
	}
}

// appendHidden adds what is more than filling.
func appendHidden(old, s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return old
	}
	if old != "" {
		s = old + "\n" + s
	}
	return string(cutRunes([]byte(s), maxHidden))
}

// element is an open element.
type element struct {
	name          string
	hidden, quote bool
}

// walker turns tokens into lines.
type walker struct {
	r      *reader
	out    strings.Builder
	hidden strings.Builder
	stack  []element
	nHide  int  // open elements that hide
	nQuote int  // open elements that quote
	mid    bool // something stands on the present line
	space  bool // a space is due before the next word
	blanks int  // line ends written since the last word
	href   string
	label  strings.Builder
}

// void elements have no end (HTML 13.1.2).
var void = set("area base br col embed hr img input link meta source track wbr")

// dropped elements never show their text.
var dropped = set("script style title template noembed noframes iframe object")

// block elements stand on lines of their own.
var block = set("address article aside blockquote center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 " +
	"header hr li main nav ol p pre section table tbody tfoot thead tr ul body html")

// closes lists elements that end an open one of their kind without an end tag.
var closes = set("p li tr td th dd dt option")

func set(names string) map[string]bool {
	m := make(map[string]bool)
	for _, n := range strings.Fields(names) {
		m[n] = true
	}
	return m
}

func (w *walker) start(t html.Token) {
	name := t.Data
	if n := len(w.stack); n > 0 && (closes[name] && w.stack[n-1].name == name || block[name] && w.stack[n-1].name == "p") {
		w.pop()
	}
	e := element{name: name, hidden: dropped[name]}
	signature := false
	for _, a := range t.Attr {
		switch a.Key {
		case "hidden":
			e.hidden = true
		case "style":
			e.hidden = e.hidden || hides(a.Val)
		case "class", "id":
			for _, c := range strings.Fields(strings.ToLower(a.Val)) {
				switch c {
				case "gmail_quote", "gmail_quote_container", "yahoo_quoted", "protonmail_quote":
					e.quote = true
				case "gmail_signature", "moz-signature":
					signature = true
				}
			}
		case "href":
			if name == "a" {
				w.endLink()
				w.href = a.Val
			}
		}
	}
	e.quote = e.quote || name == "blockquote"
	switch {
	case name == "p":
		w.paragraph()
	case block[name] || name == "br" || e.quote:
		w.newline(name == "br")
	}
	switch {
	case signature && w.nHide == 0 && w.nQuote == 0 && strings.TrimSpace(w.out.String()) != "":
		w.newline(false)
		w.out.WriteString("-- \n")
		w.blanks = 1
	case name == "hr" && w.nHide == 0:
		w.word(strings.Repeat("_", 32))
		w.newline(false)
	case name == "li":
		w.word("- ")
	case name == "td" || name == "th":
		w.space = true
	}
	if !void[name] { // "/>" closes nothing in HTML
		w.push(e)
	}
}

func (w *walker) push(e element) {
	if len(w.stack) == maxStack {
		return
	}
	w.stack = append(w.stack, e)
	if e.hidden {
		w.nHide++
	}
	if e.quote {
		w.nQuote++
	}
}

func (w *walker) pop() {
	e := w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
	if e.hidden {
		w.nHide--
	}
	if e.hidden || w.nHide > 0 && block[e.name] {
		w.hidden.WriteByte(' ')
	}
	switch {
	case e.name == "p":
		w.paragraph()
	case block[e.name] || e.quote:
		w.newline(false)
	}
	if e.quote {
		w.nQuote--
	}
}

// end closes the nearest open element of that name and what is open in it. An
// end tag nobody opened means nothing.
func (w *walker) end(name string) {
	if name == "a" {
		w.endLink()
	}
	for i := len(w.stack) - 1; i >= 0; i-- {
		if w.stack[i].name != name {
			continue
		}
		for len(w.stack) > i {
			w.pop()
		}
		return
	}
}

// text writes the words of s, any space between them as one space.
func (w *walker) text(s string) {
	if w.nHide > 0 {
		if n := len(w.stack); !dropped[w.stack[n-1].name] && w.hidden.Len() < maxHidden {
			w.hidden.WriteString(s)
		}
		return
	}
	if w.href != "" && w.label.Len() < 1000 {
		w.label.WriteString(s)
	}
	fields := strings.Fields(s)
	if len(fields) == 0 {
		w.space = w.space || s != ""
		return
	}
	if c := s[0]; c == ' ' || c == '\n' || c == '\t' || c == '\r' {
		w.space = true
	}
	for i, f := range fields {
		w.space = w.space || i > 0
		w.word(f)
	}
	c := s[len(s)-1]
	w.space = c == ' ' || c == '\n' || c == '\t' || c == '\r'
}

func (w *walker) word(s string) {
	if !w.mid {
		w.out.WriteString(strings.Repeat("> ", min(w.nQuote, 10)))
	} else if w.space {
		w.out.WriteByte(' ')
	}
	w.out.WriteString(s)
	w.mid, w.space, w.blanks = true, false, 0
}

// newline ends the present line; more asks for a line end although nothing
// stands on it. There are never more than two empty lines.
func (w *walker) newline(more bool) {
	if w.mid || more && w.blanks < 3 && w.out.Len() > 0 {
		if !w.mid {
			w.out.WriteString(strings.TrimRight(strings.Repeat("> ", min(w.nQuote, 10)), " "))
		}
		w.out.WriteByte('\n')
		w.blanks++
	}
	w.mid, w.space = false, false
}

// paragraph leaves an empty line, if anything stands above it.
func (w *walker) paragraph() {
	w.newline(false)
	if w.blanks < 2 {
		w.newline(true)
	}
}

var hidesRE = regexp.MustCompile(`(?:^|;)(?:display:none|visibility:hidden|opacity:0(?:\.0+)?(?:;|!|$)|mso-hide:all|` +
	`font-size:(?:0(?:\.0+)?(?:px|pt|em|rem|%)?|1(?:\.0+)?(?:px|pt|%)?)(?:;|!|$)|max-height:0|color:(?:transparent|rgba\([^;]*,0(?:\.0+)?\))|` +
	`(?:text-indent|left|top|margin-left|margin-top):-\d{3}|clip:rect\(0|clip-path:inset\((?:50|100)%|transform:scale\(0\))`)

// flat is a box of no size, which hides if nothing may stand out of it.
var flat = regexp.MustCompile(`(?:^|;)(?:height|width):0(?:px|pt)?(?:;|!|$)`)

// hides reports whether a style keeps its element from being seen.
func hides(style string) bool {
	style = strings.ToLower(strings.Join(strings.Fields(style), ""))
	return hidesRE.MatchString(style) || flat.MatchString(style) && strings.Contains(style, "overflow:hidden")
}

var hostRE = regexp.MustCompile(`(?i)^(?:https?://)?([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})(?:[/:?#]|$)`)

// endLink compares what a link says with where it goes.
func (w *walker) endLink() {
	href, label := w.href, strings.TrimSpace(w.label.String())
	w.href = ""
	w.label.Reset()
	if href == "" || label == "" || len(w.r.m.LinkMismatches) >= maxLinks {
		return
	}
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return
	}
	shown, real := "", strings.ToLower(u.Hostname())
	switch {
	case strings.EqualFold(u.Scheme, "mailto"):
		if !strings.Contains(label, "@") || strings.ContainsAny(label, " \t\n") {
			return
		}
		real, _ = url.PathUnescape(u.Opaque)
		shown, real = strings.ToLower(label), strings.ToLower(real)
	case hostRE.MatchString(label):
		shown = strings.ToLower(hostRE.FindStringSubmatch(label)[1])
	}
	if shown == "" || strings.TrimPrefix(shown, "www.") == strings.TrimPrefix(real, "www.") {
		return
	}
	line := strings.Join(strings.Fields(w.r.clean(label+" -> "+href)), " ")
	w.r.m.LinkMismatches = append(w.r.m.LinkMismatches, string(cutRunes([]byte(line), 500)))
}
