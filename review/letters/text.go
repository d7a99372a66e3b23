package letters

import (
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var weekdays = map[string][7]string{
	"en": {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
	"de": {"So.,", "Mo.,", "Di.,", "Mi.,", "Do.,", "Fr.,", "Sa.,"},
	"nl": {"zo", "ma", "di", "wo", "do", "vr", "za"},
	"fr": {"dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."},
	"es": {"dom", "lun", "mar", "mié", "jue", "vie", "sáb"},
}

var months = map[string][12]string{
	"en": {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
	"nl": {"jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec"},
	"fr": {"janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."},
	"es": {"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"},
}

var longMonths = map[string][12]string{
	"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	"de": {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
	"nl": {"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"},
	"fr": {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
	"es": {"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
}

// Date writes a day for people, in UTC.
func Date(t time.Time, locale string) string {
	t = t.UTC()
	form := "%s %s %d"
	switch locale {
	case "de":
		form = "%s. %s %d"
	case "es":
		form = "%s de %s de %d"
	}
	return fmt.Sprintf(form, dayOfMonth(t, locale), longMonths[locale][t.Month()-1], t.Year())
}

// When writes a moment for people, in UTC and to the minute.
func When(t time.Time, locale string) string {
	t = t.UTC()
	if _, ok := weekdays[locale]; !ok {
		locale = locales[0]
	}
	day := weekdays[locale][t.Weekday()]
	clock := t.Format("15:04") + " UTC"
	if locale == "de" {
		return fmt.Sprintf("%s %s, %s", day, t.Format("02.01.2006"), clock)
	}
	return fmt.Sprintf("%s %s %s %d, %s", day, dayOfMonth(t, locale), months[locale][t.Month()-1], t.Year(), clock)
}

// dayOfMonth is the number of the day; the French count the first one otherwise.
func dayOfMonth(t time.Time, locale string) string {
	if locale == "fr" && t.Day() == 1 {
		return "1er"
	}
	return strconv.Itoa(t.Day())
}

var itemPattern = regexp.MustCompile(`^[0-9]\. `)

// wrap breaks the paragraphs of a letter at 76 characters. Lines that begin
// with a space (the facts) and links stay as they are; so do the breaks that
// the template makes. What goes on below the item of a list is indented. See
// breakable.
func wrap(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "http") {
			out.WriteString(line + "\n")
			continue
		}
		width, indent := 0, ""
		if itemPattern.MatchString(line) {
			indent = "   "
		}
		for i, word := range breakable(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case i > 0 && width+1+n > 76:
				out.WriteString("\n" + indent)
				width = len(indent)
			case i > 0:
				out.WriteString(" ")
				width++
			}
			out.WriteString(word)
			width += n
		}
		out.WriteString("\n")
	}
	return out.String()
}

// breakable parts a line where it may be broken: at plain spaces (not at
// U+00A0, as before a French colon), not within a telephone number, and not before
// an address of the web: what stands on a line of its own becomes a link.
func breakable(line string) []string {
	var words []string
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' }) {
		if n := len(words); n > 0 && (strings.HasPrefix(word, "http") || digit(word[0]) && digit(words[n-1][len(words[n-1])-1])) {
			words[n-1] += " " + word
			continue
		}
		words = append(words, word)
	}
	return words
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

var linkPattern = regexp.MustCompile(`^https?://\S+$`)

// HTML makes the HTML part of a letter from its text: paragraphs, the facts as
// a table, the one link shown in full. Nothing in it is loaded from anywhere.
func HTML(text, locale string) string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html lang="` + html.EscapeString(locale) + `"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"></head>` +
		`<body style="font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;max-width:600px;margin:0 auto;padding:16px">`)
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(strings.Trim(paragraph, "\n"), "\n")
		if strings.HasPrefix(lines[0], "  ") {
			writeFacts(&b, lines)
			continue
		}
		b.WriteString("<p>")
		for i, line := range lines {
			if i > 0 {
				b.WriteString(separator(lines[i-1], line))
			}
			e := html.EscapeString(line)
			if linkPattern.MatchString(line) {
				e = `<a href="` + e + `">` + e + `</a>`
			}
			b.WriteString(e)
		}
		b.WriteString("</p>")
	}
	b.WriteString("</body></html>")
	return b.String()
}

// separator joins two lines of a paragraph: a wrapped line goes on with a
// space, a line of its own is broken.
func separator(before, line string) string {
	if itemPattern.MatchString(line) || linkPattern.MatchString(line) || linkPattern.MatchString(before) || utf8.RuneCountInString(before) < 50 {
		return "<br>"
	}
	return " "
}

func writeFacts(b *strings.Builder, lines []string) {
	b.WriteString(`<table role="presentation" style="border-collapse:collapse">`)
	for _, line := range lines {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "  ")
		fmt.Fprintf(b, `<tr><td style="padding:2px 16px 2px 0;opacity:.75">%s</td><td style="padding:2px 0"><strong>%s</strong></td></tr>`,
			html.EscapeString(name), html.EscapeString(strings.TrimSpace(value)))
	}
	b.WriteString("</table>")
}
