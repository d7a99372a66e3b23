package pack

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

//go:embed report.html
var reportText string

var reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"at": func(t time.Time) string {
		if t.IsZero() {
			return "–"
		}
		return t.UTC().Format("2 Jan 2006, 15:04:05 UTC")
	},
	"micros":  func(us int64) string { return time.UnixMicro(us).UTC().Format("2 Jan 2006, 15:04:05 UTC") },
	"words":   words,
	"facts":   facts,
	"visible": visible,
}).Parse(reportText))

// report is the case for people: one page without script that needs nothing else.
func report(c Contents) ([]byte, error) {
	var b bytes.Buffer
	if err := reportPage.Execute(&b, c); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return b.Bytes(), nil
}

func words(code string) string {
	code = strings.NewReplacer("_", " ", ".", ": ").Replace(code)
	if code == "" {
		return "–"
	}
	return strings.ToUpper(code[:1]) + code[1:]
}

// facts writes the detail of an event as a list.
func facts(detail string) string {
	m := map[string]any{}
	if json.Unmarshal([]byte(detail), &m) != nil {
		return visible(detail)
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] != nil && m[k] != "" {
			out = append(out, fmt.Sprintf("%s: %v", strings.ReplaceAll(k, "_", " "), m[k]))
		}
	}
	return visible(strings.Join(out, " · "))
}

// visible shows characters that a reader would not see by their code points.
func visible(s string) string {
	return strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, s), func(r rune) bool { return r == '\u2028' || r == '\u2029' }), " ")
}
